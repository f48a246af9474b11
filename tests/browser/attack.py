"""A platform whose every text was written by an attacker, for pages that must show it as text.

`python -m tests.browser.attack` fills the database of its environment and prints the session of a
security admin as JSON.
"""

import json
import os
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from portal.tenancy.actors import Actor

PAYLOADS = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><img src=x onerror=alert(1)>",
    "</option></select><img src=x onerror=alert(1)>",
    "<a href=javascript:alert(1)>here</a>",
    "javascript:alert(1)//",
    "&lt;img src=x onerror=alert(1)&gt;",
    "{{ 7|add:42 }}{% debug %}",
    "<style>*{display:none}</style>",
    "\" onfocus=alert(1) autofocus x=\"",
    "=HYPERLINK(\"http://evil.example\")",
    "<base href=//evil.example/>",
]  # fmt: skip
FIELDS: list[str] = []
"""Every field that somebody can write, in the order of their first use."""
EVENTS = [
    "key.suspended", "key.resumed", "key.revoked", "gateway.disabled", "person.role_changed",
    "management_token.revoked", "person.disabled", "tenant.suspended", "person.invited",
]  # fmt: skip
"""Whose entries hold a reason, or a name that is on no other page."""


def bad(field: str, place: int) -> str:
    """The payload of a field at a place: over all places each field has every one, and its mark."""
    if field not in FIELDS:
        FIELDS.append(field)
    number = FIELDS.index(field)
    return f"{PAYLOADS[(place + number) % len(PAYLOADS)]} {mark(number)}"


def mark(number: int) -> str:
    """What a field's payloads end with, so that it is known which of them a page shows."""
    return f"f{number:02d}z"


def fill() -> dict[str, Any]:
    """By the verbs, as far as they take it: what they refuse can't be stored."""
    from portal.tenancy.actors import system
    from portal.tenancy.apis import create_api, grant_api
    from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
    from portal.tenancy.gateways import disable_gateway
    from portal.tenancy.memberships import add_member
    from portal.tenancy.people import change_platform_role, create_person, disable_person
    from portal.tenancy.signing_in.inviting import invite_person
    from portal.tenancy.tenants import create_tenant, suspend_tenant
    from tests.pages.browser import session_of

    operator = system("attack")
    sol = create_person(
        actor=operator, email="sol@countersign.example", name=bad("admin", 0),
        platform_role="security_admin",
    )  # fmt: skip
    spare = create_person(
        actor=operator, email="spare@countersign.example", name="Spare",
        platform_role="security_admin",
    )  # fmt: skip
    for place in range(len(PAYLOADS)):
        tenant = create_tenant(actor=operator, slug=f"t{place}", name=bad("tenant", place))
        api = create_api(
            actor=operator, slug=f"a{place}", name=bad("api", place),
            scopes=[
                ScopeDefinition("x:read", "low", bad("scope", place)),
                ScopeDefinition("x:all", "high", bad("high scope", place)),
            ],
            routes=[RouteDefinition("GET", "/x/'-alert(1)-'/**", ["x:read"])],
        )  # fmt: skip
        grant_api(actor=operator, tenant_id=tenant.id, api_id=api.id)
        made = create_person(
            actor=operator, email=f"p{place}@example.com", name=bad("person", place)
        )
        member = add_member(actor=operator, tenant_id=tenant.id, person_id=made.id, role="owner")
        invite_person(actor=operator, person_id=made.id)
        gateways = [make_gateway(operator, tenant.id, api.id, place) for _ in range(2)]
        disable_gateway(actor=operator, gateway_id=gateways[1], reason=bad("why disabled", place))
        make_tokens(operator, tenant.id, member.id, place)
        key = make_keys(operator, tenant.id, member.id, place)
        change_platform_role(
            actor=operator, person_id=spare.id, role=("auditor", "security_admin")[place % 2],
            reason=bad("why another role", place),
        )  # fmt: skip
        make_provider(operator, tenant.id, place)
        gone = create_person(actor=operator, email=f"g{place}@example.com", name="Gone")
        disable_person(actor=operator, person_id=gone.id, reason=bad("why they left", place))
        if place % 5 == 4:
            reason = bad("why the tenant stopped", place)
            suspend_tenant(actor=operator, tenant_id=tenant.id, reason=reason)
        decide(place, tenant.id, key, gateways[0])
    return {"session": session_of(sol), "fields": FIELDS, "events": EVENTS}


def make_gateway(operator: "Actor", tenant_id: str, api_id: str, place: int) -> str:
    """A gateway with a bad name; its id."""
    from portal.tenancy.gateways import create_gateway

    return create_gateway(
        actor=operator, name=bad("gateway", place), api_id=api_id, tenant_ids=[tenant_id],
        environments=["live"],
    ).gateway.id  # fmt: skip


def make_tokens(operator: "Actor", tenant_id: str, creator: str, place: int) -> None:
    """A token, and one that was revoked."""
    from portal.tenancy.management_tokens import create_management_token, revoke_management_token

    made = [
        create_management_token(
            actor=operator, tenant_id=tenant_id, creator_id=creator, name=bad("token", place),
            scopes=["keys:read"],
        ).token.id
        for _ in range(2)
    ]  # fmt: skip
    revoke_management_token(
        actor=operator, tenant_id=tenant_id, token_id=made[1],
        reason=bad("why the token ended", place),
    )  # fmt: skip


def make_provider(operator: "Actor", tenant_id: str, place: int) -> None:
    """An identity provider whose texts are bad, and a token for its directory."""
    from portal.tenancy.sso.configuring import Definition, create_provider
    from portal.tenancy.sso.deprovisioning import create_deprovisioning_token

    provider = create_provider(
        actor=operator, tenant_id=tenant_id,
        definition=Definition(
            name=bad("provider", place), issuer="https://x.example/'-alert(1)-'",
            client_id=bad("client id", place), role_claim=bad("role claim", place),
            role_map=((bad("role value", place), "owner"),), mfa_acr=("<b>x",),
        ),
    )  # fmt: skip
    create_deprovisioning_token(
        actor=operator, tenant_id=tenant_id, provider_id=provider.id,
        name=bad("directory token", place),
    )  # fmt: skip


def make_keys(operator: "Actor", tenant_id: str, owner: str, place: int) -> str:
    """Keys all of whose texts are bad, suspended, resumed and revoked; the id of one that works."""
    from keys.definitions import parse_new_key
    from keys.issuing import issue_key
    from keys.revocation import revoke_key
    from keys.suspension import resume_key, suspend_key

    definition = parse_new_key({
        "name": bad("key", place), "environment": "live", "scopes": ["x:read"], "owner": owner,
        "allowed_models": [bad("model", place)],
        "metadata": {bad("metadata name", place): bad("metadata", place)},
        "purposes": [bad("purpose", place)],
        "limits": [{"name": bad("limit", place), "unit": "requests", "amount": 5,
                    "window": "day", "algorithm": "calendar", "shared_by": "key"}],
    })  # fmt: skip
    keys = [
        issue_key(actor=operator, tenant_id=tenant_id, definition=definition).key.id
        for _ in range(3)
    ]
    suspend_key(actor=operator, key_id=keys[0], reason=bad("why suspended", place))
    suspend_key(actor=operator, key_id=keys[1], reason="x")
    resume_key(actor=operator, key_id=keys[1], reason=bad("why resumed", place))
    revoke_key(actor=operator, key_id=keys[2], reason=bad("why revoked", place))
    return keys[1]


def decide(place: int, tenant: str, key: str, gateway: str) -> None:
    """What a caller wrote into requests."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as db:
        db.execute(
            "INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units,"
            " address, method, route, model, subject_ref, purpose) VALUES (gen_random_uuid()::text,"
            " %s, now(), %s, %s, %s, 'SCOPE_MISSING', '{\"<b>x\": 1}', '203.0.113.9', %s, %s, %s,"
            " %s, %s)",
            [tenant, key, f"kid{place:09d}", gateway, PAYLOADS[place][:16], bad("route", place),
             bad("asked model", place), bad("subject", place), bad("asked purpose", place)],
        )  # fmt: skip
        db.execute(
            "INSERT INTO keys_hourlyusage VALUES (%s, %s, date_trunc('hour', now()),"
            " 'SCOPE_MISSING', 3, '{}')",
            [tenant, key],
        )


def main() -> None:
    """Attack."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    print(json.dumps(fill()))


if __name__ == "__main__":
    main()
