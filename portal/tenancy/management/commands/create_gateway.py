"""Make a gateway."""

from typing import Any

from django.core.management.base import CommandParser

from portal.core.refusals import Refusal
from portal.tenancy.gateways import create_gateway
from portal.tenancy.management.verb import VerbCommand, tenant_named
from portal.tenancy.models import Api
from portal.tenancy.scope import platform_scope


class Command(VerbCommand):
    help = "Make a gateway for one Api; its credential goes to stdout, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True)
        parser.add_argument("--api", required=True, help="a platform Api's slug, or any Api's id")
        parser.add_argument("--tenant", action="append", required=True, help="slug; repeat")
        parser.add_argument("--environment", action="append", help="live or test; repeat")
        parser.add_argument("--cidr", action="append", default=[], help="its addresses; none: any")
        parser.add_argument("--header", action="append", default=[], help="that it always sets")

    def act(self, *, name: str, api: str, tenant: list[str], **options: Any) -> None:
        issued = create_gateway(
            actor=self.actor,
            name=name,
            api_id=_api_id(api),
            tenant_ids=[tenant_named(slug).id for slug in tenant],
            environments=options["environment"] or ["live", "test"],
            allowed_cidrs=options["cidr"],
            declared_headers=options["header"],
        )
        self.tell(f"Made gateway {issued.gateway.id}.")
        self.hand_over(issued.secret)


def _api_id(named: str) -> str:
    with platform_scope("a command names an Api by its slug"):
        api = (
            Api.objects.filter(slug=named, tenant=None).first()
            or Api.objects.filter(id=named).first()
        )
    if api is None:
        raise Refusal("NOT_FOUND", "There is no such Api.")
    return api.id
