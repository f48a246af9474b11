"""The frame of commands that call a verb: the operator acts as the system."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.core.refusals import Refusal
from portal.core.tokens import SecretText
from portal.tenancy.actors import Actor, system
from portal.tenancy.models import Tenant
from portal.tenancy.scope import platform_scope


class VerbCommand(BaseCommand):
    """One verb at the command line. Subclasses say how to `act`."""

    requires_system_checks: list[str] = []  # what runs beside a running product is checked there

    @property
    def actor(self) -> Actor:
        """The operator: whoever may run this command may do everything already."""
        return system(type(self).__module__.rpartition(".")[2])

    def act(self, *args: Any, **options: Any) -> None:
        """Parse, call the verb, print."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.act(**options)
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None

    def tell(self, text: str) -> None:
        """Something for the operator: stdout is for secrets and data alone."""
        self.stderr.write(text)

    def hand_over(self, secret: SecretText) -> None:
        """Print a new secret, once."""
        self.tell("It is printed once, now:")
        self.stdout.write(secret.reveal())


def tenant_named(slug: str) -> Tenant:
    """The tenant of this slug; raises Refusal NOT_FOUND."""
    with platform_scope("a command names a tenant by its slug"):
        tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise Refusal("NOT_FOUND", "There is no such tenant.")
    return tenant
