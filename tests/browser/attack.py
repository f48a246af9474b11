"""A platform whose every text was written by an attacker, for pages that must show it as text.

`python -m tests.browser.attack` fills the database of its environment and prints the session of a
security admin as JSON.
"""

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from portal.core.ids import uuid7
from tests.browser.payloads import MARKS, PAYLOADS, bad

if TYPE_CHECKING:
    from portal.tenancy.actors import Actor

EVENTS = [
    "key.suspended", "key.resumed", "key.revoked", "gateway.disabled", "person.role_changed",
    "person.disabled", "person.enabled", "person.invited", "invitation.sent",
    "management_token.revoked", "membership.disabled", "membership.enabled", "api.withdrawn",
    "tenant.suspended", "tenant.resumed", "identity_provider.turned_off",
    "deprovisioning_token.revoked", "identity.unlinked",
]  # fmt: skip
"""Whose entries hold a reason, or a name that is on no other page."""


def fill() -> dict[str, Any]:
    """By the verbs, as far as they take it: what they refuse can't be stored.

    A header's name and a scope's take no character that means anything to a browser.
    """
    from portal.tenancy.actors import system
    from portal.tenancy.people import create_person
    from tests.browser.attack_members import GUEST
    from tests.pages.browser import session_of

    operator = system("attack")
    sol, spare = (
        create_person(
            actor=operator, email=f"{name}@countersign.example", name=bad(name, 0),
            platform_role="security_admin",
        )
        for name in ("sol", "spare")
    )  # fmt: skip
    made = [make_tenant(operator, spare.id, place) for place in range(len(PAYLOADS))]
    guest = create_person(actor=operator, email=GUEST, name=bad("everybody's guest", 0))
    return {
        "session": session_of(sol), "own_session": session_of(made[0].owner),
        "guests_session": session_of(guest), "marks": MARKS,
        "events": EVENTS, "pages": [page for each in made for page in each.pages],
        "also": ["/admin/tenants/t0/suspend/", "/admin/tenants/t4/resume/", *made[0].also],
    }  # fmt: skip


class Made(NamedTuple):
    """A tenant with everything in it."""

    owner: Any
    pages: list[str]
    """They show what no list does."""
    also: list[str]
    """Pages that no link leads to from where a walk comes by."""


def make_tenant(operator: "Actor", spare: str, place: int) -> Made:
    """A tenant all of whose texts are bad."""
    from portal.tenancy.apis import grant_api
    from portal.tenancy.gateways import create_gateway, disable_gateway
    from portal.tenancy.memberships import add_member
    from portal.tenancy.people import create_person
    from portal.tenancy.tenants import create_tenant
    from tests.browser.attack_members import make_people, make_provider, make_tokens

    tenant = create_tenant(actor=operator, slug=f"t{place}", name=bad("tenant", place))
    api = make_api(operator, place)
    grant_api(actor=operator, tenant_id=tenant.id, api_id=api.id)
    made = create_person(actor=operator, email=f"p{place}@example.com", name=bad("person", place))
    member = add_member(actor=operator, tenant_id=tenant.id, person_id=made.id, role="owner")
    gateways = [
        create_gateway(
            actor=operator, name=bad("gateway", place), api_id=api.id, tenant_ids=[tenant.id],
            environments=["live"],
        ).gateway.id
        for _ in range(2)
    ]  # fmt: skip
    disable_gateway(actor=operator, gateway_id=gateways[1], reason=bad("why disabled", place))
    make_tokens(operator, tenant.id, member.id, place)
    make_provider(operator, tenant.id, made.id, place)
    suspended, key = make_keys(operator, tenant.id, member.id, place)
    mail = make_people(operator, tenant.id, spare, place)
    turn(operator, tenant.id, api.id, place)
    decision = decide(place, tenant.id, key, gateways[0])
    of = f"/admin/keys/{key}"
    return Made(made, [
        f"{of}/", f"{of}/edit/", f"/admin/apis/{api.id}/", f"/admin/apis/{api.id}/scopes/",
        f"/admin/apis/{api.id}/routes/", f"/admin/decisions/{decision}/", f"/admin/outbox/{mail}/",
        f"/admin/tenants/t{place}/sso/", f"/admin/tenants/t{place}/sso/edit/",
        f"/admin/people/{made.id}/",
    ], [
        f"/admin/keys/{suspended}/resume/", f"{of}/edit/", f"{of}/suspend/", f"{of}/revoke/",
    ])  # fmt: skip


def make_api(operator: "Actor", place: int) -> Any:
    """An API whose scopes and routes say bad things."""
    from portal.tenancy.apis import create_api
    from portal.tenancy.definitions import RouteDefinition, ScopeDefinition

    return create_api(
        actor=operator, slug=f"a{place}", name=bad("api", place),
        scopes=[
            ScopeDefinition("x:read", "low", bad("scope", place)),
            ScopeDefinition("x:all", "high", bad("high scope", place)),
        ],
        routes=[RouteDefinition(
            "GET", "/x/'-alert(1)-'/**", ["x:read"], default_purpose=bad("route's purpose", place)
        )],
    )  # fmt: skip


def turn(operator: "Actor", tenant: str, api: str, place: int) -> None:
    """What is taken away and given back, each with a reason; every fifth tenant stays stopped."""
    from portal.tenancy.apis import grant_api, withdraw_grant
    from portal.tenancy.tenants import resume_tenant, suspend_tenant

    reason = bad("why withdrawn", place)
    withdraw_grant(actor=operator, tenant_id=tenant, api_id=api, reason=reason)
    grant_api(actor=operator, tenant_id=tenant, api_id=api)
    for last in (False, True):
        suspend_tenant(actor=operator, tenant_id=tenant, reason=bad("why stopped", place))
        if last and place % 5 == 4:
            return
        resume_tenant(actor=operator, tenant_id=tenant, reason=bad("why goes on", place))


def make_keys(operator: "Actor", tenant_id: str, owner: str, place: int) -> list[str]:
    """Keys all of whose texts are bad: suspended, resumed, revoked; the ids of the first two."""
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
    return keys[:2]


def decide(place: int, tenant: str, key: str, gateway: str) -> str:
    """What a caller wrote into requests; the decision's id, by whose moment a page finds it."""
    id = uuid7()
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as db:
        db.execute(
            "INSERT INTO keys_hourlyusage VALUES (%s, %s, date_trunc('hour', now()),"
            " 'SCOPE_MISSING', 3, '{}')",
            [tenant, key],
        )
        db.execute(
            "INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units,"
            " address, method, route, model, subject_ref, purpose) VALUES (%s,"
            " %s, now(), %s, %s, %s, 'SCOPE_MISSING', '{\"<b>x\": 1}', '203.0.113.9', %s, %s, %s,"
            " %s, %s)",
            [id, tenant, key, f"kid{place:09d}", gateway, PAYLOADS[place][:16],
             bad("route", place), bad("asked model", place), bad("subject", place),
             bad("asked purpose", place)],
        )  # fmt: skip
    return id


def main() -> None:
    """Attack."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    print(json.dumps(fill()))


if __name__ == "__main__":
    main()
