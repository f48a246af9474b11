"""The fixed cast: Ada owns Acme, Ben is her developer, Vera looks on; Cy owns Globex.

Every test gets tenants of its own with these people in them, made by the product's own verbs.
"""

from dataclasses import dataclass
from typing import Any

from keys.definitions import parse_new_key
from keys.issuing import Issued, issue_key
from portal.core.ids import base62
from portal.tenancy.actors import Actor, system
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
from portal.tenancy.gateways import create_gateway
from portal.tenancy.management_tokens import create_management_token
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Api, Gateway, Membership, Tenant
from portal.tenancy.people import create_person
from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES
from portal.tenancy.tenants import create_tenant

OPERATOR = system("tests")
SCOPES = [
    ScopeDefinition("chat:write", "low", ""),
    ScopeDefinition("models:read", "low", ""),
    ScopeDefinition("embeddings:write", "low", ""),
    ScopeDefinition("files:write", "high", ""),
]
ROUTES = [
    RouteDefinition("POST", "/v1/chat/completions", ["chat:write"]),
    RouteDefinition("GET", "/v1/models", ["models:read"]),
    RouteDefinition("GET", "/v1/models/*", ["models:read"]),
    RouteDefinition("POST", "/v1/embeddings", ["embeddings:write"]),
    RouteDefinition("POST", "/v1/files", ["files:write"]),
]


@dataclass
class Cast:
    """A tenant, its Api, its people and what they hold."""

    tenant: Tenant
    api: Api
    owner: Actor
    developer: Actor
    viewer: Actor
    memberships: dict[str, Membership]
    token: str
    """A management token of the owner's with every scope."""
    gateway: Gateway
    gateway_token: str

    def token_of(self, role: str, scopes: list[str] | None = None) -> str:
        """A management token made by the member of this role."""
        return create_management_token(
            actor=OPERATOR, tenant_id=self.tenant.id, creator_id=self.memberships[role].id,
            name=role, scopes=sorted(MANAGEMENT_SCOPES) if scopes is None else scopes,
        ).secret.reveal()  # fmt: skip

    def issue(self, **body: Any) -> Issued:
        """A key of the owner's, by its REST body."""
        definition = parse_new_key({"name": "a key", "environment": "live", "scopes": [], **body})
        return issue_key(actor=self.owner, tenant_id=self.tenant.id, definition=definition)


def person(tenant: Tenant, name: str, role: str) -> tuple[Membership, Actor]:
    """Someone with this role, as they act in a browser."""
    made = create_person(actor=OPERATOR, email=f"{name}-{base62(8)}@example.com".lower(), name=name)
    membership = add_member(actor=OPERATOR, tenant_id=tenant.id, person_id=made.id, role=role)
    actor = Actor(
        kind="user", id=made.id, label=name, auth=("pwd", "otp"), tenant_id=tenant.id,
        membership_id=membership.id, actions=ACTIONS[role],
    )  # fmt: skip
    return membership, actor


def make_cast(name: str, *, owner: str, developer: str = "Ben", viewer: str = "Vera") -> Cast:
    """A tenant with its cast; slugs are random, so that tests can run beside each other."""
    suffix = base62(8).lower()
    tenant = create_tenant(actor=OPERATOR, slug=f"{name}-{suffix}", name=name.title())
    api = create_api(
        actor=OPERATOR, slug=f"chat-{suffix}", name="Chat", scopes=SCOPES, routes=ROUTES
    )
    grant_api(actor=OPERATOR, tenant_id=tenant.id, api_id=api.id)
    people = {
        role: person(tenant, who, role)
        for role, who in (("owner", owner), ("developer", developer), ("viewer", viewer))
    }
    token = create_management_token(
        actor=OPERATOR, tenant_id=tenant.id, creator_id=people["owner"][0].id, name="automation",
        scopes=sorted(MANAGEMENT_SCOPES),
    )  # fmt: skip
    gateway = create_gateway(
        actor=OPERATOR, name="edge", api_id=api.id, tenant_ids=[tenant.id],
        environments=["live", "test"],
    )  # fmt: skip
    return Cast(
        tenant, api, people["owner"][1], people["developer"][1], people["viewer"][1],
        {role: membership for role, (membership, _) in people.items()},
        token.secret.reveal(), gateway.gateway, gateway.secret.reveal(),
    )  # fmt: skip
