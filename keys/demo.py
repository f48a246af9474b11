"""The demo: two tenants that may each use one Api, and a file with credentials for both.

Only on the embedded database, or where an operator asked for it (DESIGN.md, section 9).
"""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from django.db.models import Model

from keys.definitions import KeyDefinition, LimitDefinition
from keys.issuing import issue_key
from keys.models import ApiKey, Secret
from portal.core import tokens
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor, system
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
from portal.tenancy.gateways import create_gateway
from portal.tenancy.management_tokens import create_management_token
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Api, Gateway, ManagementToken, Membership, Person, Tenant
from portal.tenancy.people import create_person
from portal.tenancy.roles import MANAGEMENT_SCOPES
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.inviting import invite_first
from portal.tenancy.tenants import create_tenant

T = TypeVar("T", bound=Model)
Credentials = dict[str, Any]


class Cast(NamedTuple):
    """One demo tenant as it is to be."""

    tenant: str
    name: str
    people: dict[str, str]
    """Name to role; the first owns the demo's credentials."""
    api: str
    scopes: list[ScopeDefinition]
    routes: list[RouteDefinition]


def _routes(scope: str, *requests: str) -> list[RouteDefinition]:
    split = [request.split(" ") for request in requests]
    return [RouteDefinition(method, pattern, [scope]) for method, pattern in split]


ACME: Final = Cast(
    "acme", "Acme", {"Ada": "owner", "Ben": "developer"}, "chat",
    [
        ScopeDefinition("chat:write", description="Ask a model for an answer"),
        ScopeDefinition("models:read", description="See which models there are"),
        ScopeDefinition("embeddings:write", description="Have texts embedded"),
        ScopeDefinition("files:write", "high", "Store, read and delete files"),
    ],
    [
        *_routes(
            "chat:write", "POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses"
        ),
        *_routes("models:read", "GET /v1/models", "GET /v1/models/*"),
        *_routes("embeddings:write", "POST /v1/embeddings"),
        *_routes(
            "files:write", "POST /v1/files", "GET /v1/files", "GET /v1/files/*",
            "DELETE /v1/files/*",
        ),
    ],
)  # fmt: skip
GLOBEX: Final = Cast(
    "globex", "Globex", {"Cy": "owner"}, "images",
    [ScopeDefinition("images:write", description="Have images made")],
    _routes("images:write", "POST /v1/images/generations", "POST /v1/images/edits"),
)  # fmt: skip

WIDE: Final = (
    LimitDefinition("minute", "requests", 600_000, "minute", "smooth", "key", 600_000),
    LimitDefinition("day", "requests", 10_000_000, "day", "calendar", "key"),
)


def prepare_demo(path: Path, base_url: str) -> Credentials:
    """Seed what is missing and write the demo's credentials to `path`, readable by its owner only.

    Those that `path` holds and that still work are kept; others are issued anew.
    """
    held = _read(path)
    demo = {
        "base_url": base_url, "setup_url": _setup_url(base_url), **_seed(ACME, held),
        "subject": None, "purpose": None, "other": _seed(GLOBEX, held.get("other")),
    }  # fmt: skip
    _write(path, demo)
    return demo


def _setup_url(base_url: str) -> str | None:
    """A fresh link for the first administrator, until there is one: an older one dies."""
    try:
        issued = invite_first(actor=system("prepare"), base_url=base_url)
    except Refusal:
        return None
    return issued.link.reveal()


def _seed(cast: Cast, held: Any) -> Credentials:
    """The tenant with all that it needs, and its credentials."""
    actor, held = system("prepare"), held if isinstance(held, dict) else {}
    tenant = _one(Tenant, lambda: create_tenant(actor=actor, slug=cast.tenant, name=cast.name),
                  slug=cast.tenant)  # fmt: skip
    members = [_member(actor, tenant, *person) for person in cast.people.items()]
    api = _one(Api, lambda: _api(actor, cast), slug=cast.api, tenant=None)
    grant_api(actor=actor, tenant_id=tenant.id, api_id=api.id)
    key, key_id = _key(held) or _new_key(actor, tenant, members[0], cast)
    return {
        "tenant": cast.tenant,
        "api": cast.api,
        "gateway_token": _gateway_token(held) or create_gateway(
            actor=actor, name=f"{cast.name} demo", api_id=api.id, tenant_ids=[tenant.id],
            environments=["live", "test"],
        ).secret.reveal(),
        "management_token": _management_token(held) or create_management_token(
            actor=actor, tenant_id=tenant.id, creator_id=members[0].id, name="Demo",
            scopes=MANAGEMENT_SCOPES,
        ).secret.reveal(),
        "key": key,
        "key_id": key_id,
    }  # fmt: skip


def _one(model: type[T], create: Callable[[], T], **known: Any) -> T:
    with platform_scope("the demo looks for what it made before"):
        found = model._default_manager.filter(**known).first()
    return found or create()


def _member(actor: Actor, tenant: Tenant, name: str, role: str) -> Membership:
    email = f"{name.lower()}@{tenant.slug}.example"
    person = _one(Person, lambda: create_person(actor=actor, email=email, name=name), email=email)
    return _one(
        Membership,
        lambda: add_member(actor=actor, tenant_id=tenant.id, person_id=person.id, role=role),
        tenant=tenant,
        person=person,
    )


def _api(actor: Actor, cast: Cast) -> Api:
    name = cast.api.capitalize()
    return create_api(actor=actor, slug=cast.api, name=name, scopes=cast.scopes, routes=cast.routes)


def _new_key(actor: Actor, tenant: Tenant, owner: Membership, cast: Cast) -> tuple[str, str]:
    definition = KeyDefinition(
        name="Demo", environment="live", api=cast.api, owner=owner.id, limits=WIDE,
        scopes=tuple(scope.name for scope in cast.scopes if scope.risk == "low"),
    )  # fmt: skip
    issued = issue_key(actor=actor, tenant_id=tenant.id, definition=definition)
    return issued.secret.reveal(), issued.key.id


def _held(held: Credentials, name: str, model: type[T], **living: Any) -> tuple[str, T] | None:
    """The credential `name` of the file, if it is one that works, with its row."""
    text = held.get(name)
    if not isinstance(text, str) or (shape := tokens.parse(text)) is None:
        return None
    with platform_scope("the demo's credentials are of two tenants"):
        row = model._default_manager.filter(kid=shape.kid, **living).first()
    if row is None or not tokens.verify(text, bytes(row.digest), row.pepper_id):  # type: ignore[attr-defined]  # each holds a digest
        return None
    return text, row


def _key(held: Credentials) -> tuple[str, str] | None:
    state = ApiKey.State.ACTIVE
    found = _held(held, "key", Secret, key__state=state, revoked_at=None, expires_at=None)
    return (found[0], found[1].key_id) if found else None


def _gateway_token(held: Credentials) -> str | None:
    found = _held(held, "gateway_token", Gateway, disabled_at=None)
    return found[0] if found else None


def _management_token(held: Credentials) -> str | None:
    found = _held(held, "management_token", ManagementToken, revoked_at=None, expires_at=None)
    return found[0] if found else None


def _read(path: Path) -> Credentials:
    try:
        held = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _write(path: Path, demo: Credentials) -> None:
    """Write all of it or nothing: a reader never sees half a file, nor does anyone else see it."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(json.dumps(demo, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
