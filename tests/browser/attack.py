"""A platform whose every text was written by an attacker, for pages that must show it as text.

`python -m tests.browser.attack` fills the database of its environment and prints the session of a
security admin as JSON.
"""

import json
import os
from itertools import count
from typing import Any

import psycopg

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
numbers = count()


def bad() -> str:
    """The next payload."""
    return PAYLOADS[next(numbers) % len(PAYLOADS)]


def fill() -> dict[str, Any]:
    """By the verbs, as far as they take it: what they refuse can't be stored."""
    from keys.definitions import parse_new_key
    from keys.issuing import issue_key
    from keys.suspension import suspend_key
    from portal.tenancy.actors import system
    from portal.tenancy.apis import create_api, grant_api
    from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
    from portal.tenancy.gateways import create_gateway
    from portal.tenancy.management_tokens import create_management_token
    from portal.tenancy.memberships import add_member
    from portal.tenancy.people import create_person
    from portal.tenancy.sso.configuring import Definition, create_provider
    from portal.tenancy.sso.deprovisioning import create_deprovisioning_token
    from portal.tenancy.tenants import create_tenant, suspend_tenant
    from tests.pages.browser import session_of

    operator = system("attack")
    sol = create_person(
        actor=operator, email="sol@countersign.example", name=bad(),
        platform_role="security_admin",
    )  # fmt: skip
    for place in range(len(PAYLOADS)):
        tenant = create_tenant(actor=operator, slug=f"t{place}", name=bad())
        api = create_api(
            actor=operator, slug=f"a{place}", name=bad(),
            scopes=[
                ScopeDefinition("x:read", "low", bad()), ScopeDefinition("x:all", "high", bad()),
            ],
            routes=[RouteDefinition("GET", "/x/'-alert(1)-'/**", ["x:read"])],
        )  # fmt: skip
        grant_api(actor=operator, tenant_id=tenant.id, api_id=api.id)
        made = create_person(actor=operator, email=f"p{place}@example.com", name=bad())
        member = add_member(actor=operator, tenant_id=tenant.id, person_id=made.id, role="owner")
        gateway = create_gateway(
            actor=operator, name=bad(), api_id=api.id, tenant_ids=[tenant.id],
            environments=["live"],
        ).gateway  # fmt: skip
        create_management_token(
            actor=operator, tenant_id=tenant.id, creator_id=member.id, name=bad(),
            scopes=["keys:read"],
        )  # fmt: skip
        key = issue_key(
            actor=operator, tenant_id=tenant.id,
            definition=parse_new_key({
                "name": bad(), "environment": "live", "scopes": ["x:read"], "owner": member.id,
                "allowed_models": [bad(), bad()], "metadata": {bad(): bad()},
                "purposes": [bad()[:64]],
                "limits": [{"name": bad()[:64], "unit": "requests", "amount": 5, "window": "day",
                            "algorithm": "calendar", "shared_by": "tenant"}],
            }),
        ).key  # fmt: skip
        suspend_key(actor=operator, key_id=key.id, reason=bad())
        provider = create_provider(
            actor=operator, tenant_id=tenant.id,
            definition=Definition(
                name=bad(), issuer="https://x.example/'-alert(1)-'", client_id=bad(),
                role_claim=bad(), role_map=((bad(), "owner"),), mfa_acr=("<b>x",),
            ),
        )  # fmt: skip
        create_deprovisioning_token(
            actor=operator, tenant_id=tenant.id, provider_id=provider.id, name=bad()
        )
        if place % 5 == 4:
            suspend_tenant(actor=operator, tenant_id=tenant.id, reason=bad())
        decide(place, tenant.id, key.id, gateway.id)
    return {"session": session_of(sol)}


def decide(place: int, tenant: str, key: str, gateway: str) -> None:
    """What a caller wrote into requests."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as db:
        db.execute(
            "INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units,"
            " address, method, route, model, subject_ref, purpose) VALUES (gen_random_uuid()::text,"
            " %s, now(), %s, %s, %s, 'SCOPE_MISSING', '{\"<b>x\": 1}', '203.0.113.9', %s, %s, %s,"
            " %s, %s)",
            [tenant, key, f"kid{place:09d}", gateway, bad()[:16], bad(), bad(), bad()[:64],
             bad()[:64]],
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
