"""List a tenant's keys."""

import json
from typing import Any

from django.core.management.base import CommandParser

from keys.models import ApiKey
from keys.representation import represent_keys
from portal.tenancy.management.verb import VerbCommand, tenant_named
from portal.tenancy.scope import tenant_scope


class Command(VerbCommand):
    help = "List a tenant's keys, the newest first, as JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="slug")
        parser.add_argument("--state", choices=ApiKey.State.values)
        parser.add_argument("--most", type=int, default=1_000, help="at most so many")

    def act(self, *, tenant: str, state: str | None, most: int, **_: Any) -> None:
        tenant_id = tenant_named(tenant).id
        with tenant_scope(tenant_id):
            keys = ApiKey.objects.filter(tenant_id=tenant_id).order_by("-created_at", "-id")
            shapes = represent_keys((keys.filter(state=state) if state else keys)[:most])
        for shape in shapes:
            self.stdout.write(json.dumps(shape, ensure_ascii=False))
