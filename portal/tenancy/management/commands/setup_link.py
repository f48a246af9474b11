"""Print a link for the first administrator, or for an administrator who lost everything."""

from typing import Any

from django.core.management.base import CommandParser

from portal.core.clock import rfc3339
from portal.core.refusals import Refusal
from portal.tenancy.management.verb import VerbCommand
from portal.tenancy.models import Person
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.inviting import IssuedInvitation, invite_first, invite_person


class Command(VerbCommand):
    help = "Print a link to set up the first administrator: it works once, for an hour."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--again", metavar="EMAIL",
            help="for someone who lost password, phone and recovery codes: once, for seven days",
        )  # fmt: skip

    def act(self, *, again: str | None, **_: Any) -> None:
        issued = self.renewed(again) if again else invite_first(actor=self.actor)
        until = rfc3339(issued.invitation.expires_at.replace(microsecond=0))
        self.tell(f"It works once, until {until}. An older link works no more.")
        self.hand_over(issued.link)

    def renewed(self, email: str) -> IssuedInvitation:
        """A link for someone there is; the same as an administrator's invitation of them."""
        with platform_scope("a command names a person by their address"):
            person = Person.objects.filter(email=email.lower()).first()
        if person is None:
            raise Refusal("NOT_FOUND", "There is no such person.")
        return invite_person(actor=self.actor, person_id=person.id)
