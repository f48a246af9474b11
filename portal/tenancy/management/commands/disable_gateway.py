"""Disable a gateway."""

from typing import Any

from django.core.management.base import CommandParser

from portal.tenancy.gateways import disable_gateway
from portal.tenancy.management.verb import VerbCommand


class Command(VerbCommand):
    help = "Refuse a gateway's credential from now on, for ever."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("gateway", help="id, such as gw_7Kq2mX9aB4cD")
        parser.add_argument("--reason", required=True)

    def act(self, *, gateway: str, reason: str, **_: Any) -> None:
        propagation = disable_gateway(actor=self.actor, gateway_id=gateway, reason=reason)
        self.tell(f"Disabled; propagation: {propagation}.")
