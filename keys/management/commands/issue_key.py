"""Issue a key."""

from typing import Any

from django.core.management.base import CommandParser

from keys.definitions import parse_new_key
from keys.issuing import issue_key
from portal.core import strictjson
from portal.tenancy.management.verb import VerbCommand, tenant_named

LIMIT = (
    '\'{"name": "day", "unit": "requests", "amount": 1000, "window": "day",'
    ' "algorithm": "calendar", "shared_by": "key"}\''
)


class Command(VerbCommand):
    help = "Issue a key; its text goes to stdout, once. Members are those of POST keys."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="slug")
        parser.add_argument("--owner", required=True, help="a membership's id, mem_…")
        parser.add_argument("--name", required=True)
        parser.add_argument("--environment", default="live", help="live or test")
        parser.add_argument("--api", help="slug; needed if the tenant may use several")
        parser.add_argument("--expires-at", help="such as 2030-01-31T12:00:00Z")
        parser.add_argument("--scope", action="append", default=[], help="repeat")
        parser.add_argument("--limit", action="append", default=[], help=f"repeat: {LIMIT}")
        parser.add_argument("--cidr", action="append", default=[], help="repeat")
        parser.add_argument("--model", action="append", default=[], help="repeat")
        parser.add_argument("--purpose", action="append", help="repeat; none: any of the tenant's")
        parser.add_argument("--metadata", help="a JSON object of texts")

    def act(self, *, tenant: str, **options: Any) -> None:
        issued = issue_key(
            actor=self.actor,
            tenant_id=tenant_named(tenant).id,
            definition=parse_new_key(_body(options)),
        )
        self.tell(f"Issued {issued.key.id}.")
        self.hand_over(issued.secret)


def _body(options: dict[str, Any]) -> dict[str, Any]:
    body = {
        "name": options["name"],
        "environment": options["environment"],
        "owner": options["owner"],
        "scopes": options["scope"],
        "limits": [strictjson.loads(text.encode()) for text in options["limit"]],
        "allowed_cidrs": options["cidr"],
        "allowed_models": options["model"],
        "purposes": options["purpose"],
        "expires_at": options["expires_at"],
        "metadata": strictjson.loads((options["metadata"] or "{}").encode()),
    }
    return body | ({"api": options["api"]} if options["api"] else {})
