"""A platform that has been used for a month, for pictures and for pages with something on them.

`python -m tests.browser.story` fills the database of its environment and prints what a test needs
as JSON. It must run in a process of its own: the tests' is on another database.
"""

import datetime as dt
import json
import math
import os
import random
from typing import Any

import psycopg

TENANTS = {
    "acme": ("Acme", ["Ada Lindqvist", "Ben Tariq", "Mika Sato"]),
    "halden": ("Halden Health", ["Noor Haddad"]),
    "globex": ("Globex", ["Cy Renner"]),
    "brightwater": ("Brightwater", ["Pia Moreau"]),
    "northwind": ("Northwind", ["Cleo Ward"]),
}
SCOPES = [
    ("chat:write", "low", "Ask a model for an answer"),
    ("models:read", "low", "See which models there are"),
    ("embeddings:write", "low", "Have texts embedded"),
    ("files:write", "high", "Store, read and delete files"),
]
ROUTES = [
    ("POST", "/v1/chat/completions", "chat:write"),
    ("GET", "/v1/models", "models:read"),
    ("POST", "/v1/embeddings", "embeddings:write"),
    ("POST", "/v1/files", "files:write"),
]
KEYS = {
    "acme": [
        "checkout-assistant", "batch-embed", "refund-worker", "support-search", "invoice-mailer",
        "fraud-scorer", "partner-feed", "legacy-crm",
    ],
    "halden": ["chart-reader", "triage-bot", "label-printer"],
    "globex": ["ledger-sync", "menu-import", "nightly-etl"],
    "brightwater": ["billing-export", "sms-relay"],
    "northwind": ["route-planner"],
}  # fmt: skip
DENIED = [
    "RATE_LIMITED", "QUOTA_EXCEEDED", "SCOPE_MISSING", "IP_NOT_ALLOWED", "KEY_EXPIRED",
    "MODEL_NOT_ALLOWED",
]  # fmt: skip
NOW = dt.datetime.now(dt.UTC)
TOKENS = 9
"""Of one request."""
draw = random.Random(7)


ROOM = (1.1, 0.8, 2, 1.4)
"""Of what a day takes, how much the key's quota is."""


def weight(keys: int, place: int) -> float:
    """Requests of an even hour of the key in this place."""
    return keys * 40_000 / (place + 1)


def round_(number: float) -> int:
    """To two digits, as people choose an amount."""
    return int(float(f"{number:.1e}"))


def limits(keys: int, place: int) -> list[dict[str, Any]]:
    """A burst limit, a daily one, and one of the month that all keys share."""
    day = round_(weight(keys, place) * 24 * 1.2 * ROOM[place % 4])
    month = round_(sum(weight(keys, n) for n in range(keys)) * 24 * 30 * 1.2 * TOKENS)
    return [
        {"name": "burst", "unit": "requests", "amount": 1_000, "window": "second",
         "algorithm": "smooth", "shared_by": "key"},
        {"name": "day", "unit": "requests", "amount": day, "window": "day",
         "algorithm": "calendar", "shared_by": "key"},
        {"name": "month", "unit": "tokens", "amount": month, "window": "month",
         "algorithm": "calendar", "shared_by": "tenant"},
    ]  # fmt: skip


def people_and_keys() -> dict[str, Any]:
    """Everything that verbs make."""
    from keys.definitions import parse_new_key
    from keys.issuing import issue_key
    from keys.suspension import suspend_key
    from portal.tenancy.actors import Actor, system
    from portal.tenancy.apis import create_api, grant_api
    from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
    from portal.tenancy.gateways import create_gateway
    from portal.tenancy.memberships import add_member
    from portal.tenancy.people import create_person
    from portal.tenancy.roles import ACTIONS, PLATFORM_ACTIONS
    from portal.tenancy.scope import platform_scope
    from portal.tenancy.signing_in.factors import Enrolment, set_app, set_recovery_codes
    from portal.tenancy.tenants import create_tenant
    from tests.browser.others import jobs_of, others, pool_of
    from tests.pages.app import someone
    from tests.pages.browser import session_of

    operator = system("story")
    sol = create_person(
        actor=operator, email="sol@countersign.example", name="Sol Okafor",
        platform_role="security_admin",
    )  # fmt: skip
    admin = Actor(
        kind="user", id=sol.id, label=sol.name, auth=("pwd", "otp"),
        actions=PLATFORM_ACTIONS["security_admin"],
    )  # fmt: skip
    api = create_api(
        actor=admin, slug="chat", name="Chat",
        scopes=[ScopeDefinition(*scope) for scope in SCOPES],
        routes=[RouteDefinition(method, path, [scope]) for method, path, scope in ROUTES],
    )  # fmt: skip
    told: dict[str, Any] = {"keys": {}, "tenants": {}, "api": api.id, "gateways": {}}
    for slug, (name, people) in TENANTS.items():
        tenant = create_tenant(actor=admin, slug=slug, name=name)
        grant_api(actor=admin, tenant_id=tenant.id, api_id=api.id)
        told["tenants"][slug] = tenant.id
        members = []
        for place, named in enumerate(people):
            email = f"{named.split()[0].lower()}@{slug}.example"
            made = create_person(actor=admin, email=email, name=named)
            role = "owner" if place == 0 else "developer"
            member = add_member(actor=admin, tenant_id=tenant.id, person_id=made.id, role=role)
            members.append((made, member, role))
        gateway = create_gateway(
            actor=admin, name=f"{name} edge", api_id=api.id, tenant_ids=[tenant.id],
            environments=["live", "test"],
        )  # fmt: skip
        told["gateways"][slug] = gateway.gateway.id
        told.setdefault("gateway_tokens", {})[slug] = gateway.secret.reveal()
        for place, key in enumerate(KEYS[slug]):
            person, member, role = members[place % len(members)]
            actor = Actor(
                kind="user", id=person.id, label=person.name, auth=("pwd", "otp"),
                tenant_id=tenant.id, membership_id=member.id, actions=ACTIONS[role],
            )  # fmt: skip
            ends = NOW + dt.timedelta(hours=19) if place == 4 else NOW + dt.timedelta(days=41)
            issued = issue_key(
                actor=actor, tenant_id=tenant.id,
                definition=parse_new_key({
                    "name": key, "environment": "test" if place == 6 else "live",
                    "scopes": ["chat:write", "models:read", "embeddings:write"][: 1 + place % 3],
                    "limits": limits(len(KEYS[slug]), place),
                    "allowed_cidrs": ["203.0.113.0/24", "2001:db8:41::/48"] if place == 0 else [],
                    "allowed_models": ["gpt-4o", "llama-3.3"] if place == 0 else [],
                    "metadata": {"team": "payments"} if place == 0 else {},
                    "expires_at": None if place == 7 else ends.isoformat(),
                }),
            ).key  # fmt: skip
            told["keys"][key] = issued.id
            if key in ("legacy-crm", "billing-export"):
                reason = "Nobody answers for it."
                suspend_key(actor=admin, key_id=issued.id, reason=reason)
        told["own_sessions" if slug == "acme" else "other_sessions"] = [
            session_of(person) for person, _, _ in members
        ]
        jobs_of(members[0][0], told["tenants"][slug])
    enrolment = Enrolment.new()
    with platform_scope("the story's admin has a second factor"):
        set_app(sol.id, enrolment.seed, 0)
        set_recovery_codes(sol.id, enrolment.codes)
    own_passkeys(sol)
    jobs_of(sol, None)
    told["session"] = session_of(sol)
    told["sign_in"] = someone("Lea Winter").told()
    told["also"] = others(admin, told)
    told["own_also"] = [
        f"/t/acme/keys/{told['keys'][name]}/{verb}/"
        for name, verb in (
            ("legacy-crm", "resume"), ("batch-embed", "edit"),
            ("batch-embed", "suspend"), ("batch-embed", "revoke"),
        )
    ] + ["/t/acme/sso/on/", f"/t/acme/limits/{pool_of(told)}/edit/"]  # fmt: skip
    return told


def own_passkeys(person: Any) -> None:
    """Two, as a person has them who uses them. Nobody signs in with these."""
    from portal.tenancy.models import Passkey
    from portal.tenancy.scope import platform_scope

    with platform_scope("the story"):
        for name, copied, used in (("Work laptop", False, 3), ("Password manager", True, None)):
            id, at = name.encode(), used and NOW - dt.timedelta(hours=used)
            Passkey.objects.create(
                user=person, name=name, credential_id=id, public_key=b"", backup_eligible=copied,
                last_used_at=at,
            )  # fmt: skip


def usage(told: dict[str, Any]) -> None:
    """A month of decisions by hour, and the last hours' one by one."""
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as db:
        db.execute("SELECT decision_partitions_make(3)")
        for slug, names in KEYS.items():
            for place, name in enumerate(names):
                if name in ("partner-feed", "legacy-crm"):
                    continue
                tenant, key = told["tenants"][slug], told["keys"][name]
                (kid,) = db.execute(
                    "SELECT kid FROM keys_secret WHERE key_id = %s", [key]
                ).fetchone() or ("",)
                even = weight(len(names), place)
                rows, single = [], []
                for back in range(24 * 30):
                    at = hour - dt.timedelta(hours=back)
                    wave = 1.2 + math.sin((at.hour - 9) / 24 * 2 * math.pi)
                    count = int(even * wave * draw.uniform(0.9, 1.1))
                    granted = json.dumps({"requests": count, "tokens": TOKENS * count})
                    rows.append((tenant, key, at, "OK", count, granted))
                    for code in DENIED:
                        share = draw.choice([0, 0.001, 0.004, 0.02 if place == 0 else 0.002])
                        if share:
                            rows.append((tenant, key, at, code, int(count * share) + 1, "{}"))
                for _ in range(60):
                    at = NOW - dt.timedelta(seconds=draw.randint(1, 7000))
                    code = draw.choice(["OK", "OK", *DENIED])
                    single.append((
                        f"{draw.getrandbits(128):032x}", tenant, at, key, kid,
                        told["gateways"][slug], code, f"203.0.113.{draw.randint(1, 60)}",
                        "POST", "/v1/chat/completions", "gpt-4o",
                    ))  # fmt: skip
                # At once: a trigger follows each statement.
                db.execute(
                    "INSERT INTO keys_hourlyusage SELECT tenant, key, hour, code, n, granted::jsonb"
                    " FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::text[],"
                    " %s::bigint[], %s::text[]) AS r (tenant, key, hour, code, n, granted)",
                    [list(column) for column in zip(*rows, strict=True)],
                )
                with db.cursor() as cursor:
                    cursor.executemany(
                        "INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id,"
                        " code, units, address, method, route, model, subject_ref, purpose)"
                        " VALUES (%s::uuid::text, %s, %s, %s, %s, %s, %s, '{\"requests\": 1}', %s,"
                        " %s, %s, %s, '', '')",
                        single,
                    )
                db.execute(
                    "INSERT INTO keys_secretuse VALUES (%s, %s, %s, %s, '203.0.113.40')",
                    [kid, tenant, key, NOW - dt.timedelta(seconds=draw.randint(3, 7000))],
                )


def quotas() -> None:
    """What of calendar limits is used, as the drain kept it: the first era begins with it."""
    from keys.asking import row_of
    from keys.burning import window_of
    from keys.decision.snapshots import counter
    from keys.hours import granted_of
    from keys.models import Limit
    from portal.tenancy.scope import platform_scope

    with platform_scope("the story"):
        held = [
            (limit, granted_of(limit.tenant_id, limit.id, limit.unit, window.start), window)
            for limit in Limit.objects.filter(algorithm="calendar")
            for window in [window_of(limit.window, NOW)]
        ]
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as db:
        for limit, granted, window in held:
            row, used = row_of(limit), min(limit.amount, sum(granted.values()))
            db.execute(
                "INSERT INTO keys_quotawindow VALUES (%s, %s, %s, %s, %s)",
                [limit.tenant_id, counter(row.of, row), window.start, window.end, used],
            )


def main() -> None:
    """Tell the story."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    told = people_and_keys()
    usage(told)
    quotas()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
