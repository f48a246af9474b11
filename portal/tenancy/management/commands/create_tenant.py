"""Make a tenant."""

from typing import Any

from django.core.management.base import CommandParser

from portal.tenancy.management.verb import VerbCommand
from portal.tenancy.tenants import create_tenant


class Command(VerbCommand):
    help = "Make a tenant; prints its id."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="what URLs and gateways call it")
        parser.add_argument("--name", required=True)

    def act(self, *, slug: str, name: str, **_: Any) -> None:
        self.stdout.write(create_tenant(actor=self.actor, slug=slug, name=name).id)
