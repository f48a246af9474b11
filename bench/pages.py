"""`python -m bench.pages`: every page of the admin with many keys and decisions, timed.

Keys, decisions of 30 days, their hourly sums and ledger entries are written by SQL into a
throw-away PostgreSQL; each page is then asked for through Django's handler, middleware included.
Prints p50, p95, questions to the database and bytes; nothing here is asserted.
"""

import argparse
import datetime as dt
import json
import os
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from bench import stand

DAYS = 30
WARM = 5
HOUR = dt.timedelta(hours=1)
BUDGET_MS, BUDGET_QUERIES = 150, 15
VARIANTS = {
    "index": ["?period=7d", "?period=30d"],
    "ledger": ["?type=key.issued", "?outcome=denied", "?q={key}", "?target={key}"],
    "ledger-export": ["?type=key.issued"],
    "keys": ["?state=active", "?q=no-such", "?q={key}", "?page=100"],
    "decisions": ["?code=RATE_LIMITED", "?key={key}"],
    "usage": ["?period=30d"],
}
"""Besides the bare address: filters and periods of pages that read much."""

PARTITIONS = """
DO $$ DECLARE day date; part text; BEGIN
    FOR day IN SELECT current_date - n FROM generate_series(1, {days}) n LOOP
        part := 'keys_decision_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF keys_decision FOR VALUES FROM (%L) TO (%L)',
                       part, day, day + 1);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('CREATE POLICY scope ON %I USING (tenant_id = (SELECT app_tenant())'
                       ' OR (SELECT app_platform()))', part);
    END LOOP;
END $$;
"""
KEYS = """
CREATE TEMP TABLE owner_of AS
    SELECT row_number() OVER () - 1 AS place, m.tenant_id, m.id AS owner_id, g.api_id
    FROM tenancy_membership m JOIN tenancy_apigrant g ON g.tenant_id = m.tenant_id
    WHERE m.role = 'owner';
INSERT INTO keys_apikey (id, tenant_id, api_id, owner_id, name, environment, state, scopes,
    allowed_cidrs, allowed_models, metadata, expires_at, version, created_at)
SELECT 'key_' || lpad(n::text, 12, '0'), o.tenant_id, o.api_id, o.owner_id, 'service-' || n,
    CASE WHEN n % 7 = 0 THEN 'test' ELSE 'live' END,
    CASE WHEN n % 50 = 0 THEN 'revoked' WHEN n % 61 = 0 THEN 'suspended' ELSE 'active' END,
    ARRAY['chat:write', 'models:read'], '{{}}', '{{}}', '{{"team": "checkout"}}',
    CASE WHEN n % 3 = 0 THEN now() + make_interval(days => (n % 400)::int - 20) END, 1,
    now() - make_interval(mins => n % 400000)
FROM generate_series(1, {keys}) n
JOIN owner_of o
    ON o.place = floor(power((n * 0.6180339887) % 1, 2) * (SELECT count(*) FROM owner_of));
INSERT INTO keys_secret (kid, tenant_id, key_id, digest, pepper_id, issued_at)
SELECT right(id, 12), tenant_id, id, sha256(id::bytea), 1, created_at FROM keys_apikey
WHERE name LIKE 'service-%';
INSERT INTO keys_limit (id, tenant_id, key_id, name, unit, amount, "window", algorithm, burst,
    version, created_at)
SELECT 'lim_' || right(id, 12), tenant_id, id, 'minute', 'requests', 600, 'minute', 'smooth', 600,
    1, created_at FROM keys_apikey WHERE name LIKE 'service-%';
INSERT INTO keys_keylimit (tenant_id, key_id, limit_id, position)
SELECT tenant_id, key_id, id, 0 FROM keys_limit WHERE id LIKE 'lim_0%';
INSERT INTO keys_secretuse
SELECT right(id, 12), tenant_id, id, now() - make_interval(mins => length(name) * 977),
    '203.0.113.9'
FROM keys_apikey WHERE name LIKE 'service-%' AND id < 'key_' || lpad(({keys} / 2)::text, 12, '0');
ANALYZE keys_apikey;
CREATE TEMP TABLE asked AS
    SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, tenant_id, right(id, 12) AS kid,
        (SELECT gateway_id FROM tenancy_gatewaytenant b WHERE b.tenant_id = k.tenant_id LIMIT 1)
            AS gateway
    FROM keys_apikey k WHERE name LIKE 'service-%';
CREATE UNIQUE INDEX ON asked (place);
ANALYZE asked;
"""
DECISIONS = """
INSERT INTO keys_decision
SELECT (lpad(to_hex((extract(epoch FROM d.at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15)
    )::uuid::text, a.tenant_id, d.at, a.id, a.kid, a.gateway,
    CASE WHEN d.luck >= 0.02 THEN 'OK' ELSE
        (ARRAY['RATE_LIMITED', 'QUOTA_EXCEEDED', 'SCOPE_MISSING', 'KEY_EXPIRED', 'IP_NOT_ALLOWED'])
        [1 + floor(d.luck * 250)::int] END,
    '{{"requests": 1}}', '203.0.113.9', 'POST', '/v1/chat/completions', 'gpt-4o', '', ''
FROM (
    SELECT (current_date - {day})::timestamptz + random() * {span} * interval '1 second' AS at,
        random() AS luck, floor(power(random(), 3) * {keys})::bigint AS place
    FROM generate_series(1, {count})) d JOIN asked a USING (place);
"""
USAGE = """
INSERT INTO keys_hourlyusage
SELECT tenant_id, key_id, date_trunc('hour', at), code, count(*),
    jsonb_build_object('requests', count(*))
FROM keys_decision WHERE at >= now() - interval '{days} days' GROUP BY 1, 2, 3, 4;
"""
LEDGER = """
INSERT INTO ledger_entry (id, tenant_id, occurred_at, type, outcome, actor_kind, actor_id,
    object_type, object_id, object_version, request_id, envelope, envelope_digest, txid)
SELECT id, tenant_id, at, type, outcome, 'user', actor, 'key', object, 1, request, e,
    sha256(convert_to(e, 'UTF8')), 1
FROM (
    SELECT gen_random_uuid()::text AS id, o.tenant_id,
        now() - make_interval(secs => n * 26.0) AS at, 'per_' || o.place AS actor,
        CASE WHEN n % 40 = 0 THEN 'access.refused' WHEN n % 3 = 0 THEN 'key.issued'
            ELSE 'key.changed' END AS type,
        CASE WHEN n % 40 = 0 THEN 'denied' ELSE 'success' END AS outcome,
        'key_' || lpad((n % {keys})::text, 12, '0') AS object, gen_random_uuid()::text AS request,
        '{{"actor":{{"auth":["pwd","otp"]}},"reason":null,"n":' || n || '}}' AS e
    FROM generate_series(1, {entries}) n
    JOIN owner_of o ON o.place = n % (SELECT count(*) FROM owner_of)) made;
INSERT INTO ledger_payload (entry_id, tenant_id, salt, body, retention_class)
SELECT id, tenant_id, sha256(id::bytea),
    '{{"actor":"Ada Lindqvist","target":"checkout","before":{{"state":"active"}},'
    '"after":{{"state":"suspended"}},"data":{{"action":"keys:write"}}}}', 'change'
FROM ledger_entry WHERE envelope LIKE '%"n":%';
"""


class Row(NamedTuple):
    """One address, measured, in milliseconds; `least` is what other work added least to."""

    name: str
    path: str
    status: int
    queries: int
    kib: float
    least: float
    p50: float
    p95: float


def fill(owner_url: str, keys: int, decisions: int, entries: int) -> None:
    """Everything by SQL, as the tables' owner."""
    with psycopg.connect(owner_url, autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        db.execute("SET synchronous_commit = off")
        db.execute(PARTITIONS.format(days=DAYS))
        db.execute(KEYS.format(keys=keys))
        seconds = db.execute("SELECT extract(epoch FROM now() - current_date)").fetchone()
        for day in range(DAYS):
            span = float(seconds[0]) if day == 0 and seconds else 86_400
            count = decisions // DAYS
            db.execute(DECISIONS.format(day=day, span=span, keys=keys, count=count))
            say(f"  decisions of {day + 1} days")
        db.execute(USAGE.format(days=DAYS))
        db.execute("SELECT top_keys_count(10)")  # what the worker does every hour
        db.execute(LEDGER.format(keys=keys, entries=entries))
        db.execute("VACUUM ANALYZE")


def say(text: str) -> None:
    """Progress, beside the table on standard output."""
    print(text, flush=True)


def ids() -> dict[str, str]:
    """An id of each kind that a page's address may want, by the address' first part."""
    from audit.ledger.models import Entry
    from keys.models import ApiKey, Decision
    from portal.core.clock import now
    from portal.tenancy.models import Gateway, ManagementToken, Membership, Person, Tenant
    from portal.tenancy.scope import platform_scope

    with platform_scope("bench"):
        tenant = Tenant.objects.earliest("created_at")
        key = ApiKey.objects.filter(tenant=tenant, state="active").earliest("id")
        return {
            "keys": key.id, "slug": tenant.slug, "tenant": tenant.id, "apis": key.api_id,
            "gateways": str(Gateway.objects.filter(bindings__tenant=key.tenant_id).latest("id").pk),
            "people": str(Person.objects.latest("id").pk),
            "members": str(Membership.objects.filter(tenant=tenant).latest("id").pk),
            "tokens": str(ManagementToken.objects.filter(tenant=tenant).latest("id").pk),
            "decisions": str(Decision.objects.filter(at__gt=now() - HOUR).latest("at").pk),
            "ledger": str(Entry.objects.latest("occurred_at").pk),
        }  # fmt: skip


def addresses(known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(name, path) of every page whose address can be filled in."""
    from django.urls import NoReverseMatch, reverse

    from portal.admin_site import PAGES, site

    for page in PAGES:
        route = str(page.pattern)
        of = re.search(r"([a-z-]+)/<\w+:id>", route)
        given = {
            name: known.get((of[1] if of else "") if name == "id" else name, "")
            for name in page.pattern.converters
        }
        try:
            path = reverse(f"admin:{page.name}", kwargs=given)
        except NoReverseMatch:
            say(f"  left out, no id for it: {route}")
            continue
        yield str(page.name), path
        for query in VARIANTS.get(str(page.name), ()):
            yield str(page.name), path + query.format(key=known["keys"])
    for model in site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        yield "records", reverse(f"admin:{name}_changelist")


def measure(client: Any, name: str, path: str, times: int) -> Row:
    """Warm up, count the questions once, then time."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(WARM):
        client.get(path)
    with CaptureQueriesContext(connection) as told:
        response = client.get(path)
    queries = len(told)  # now: the next request forgets them
    size = len(b"".join(response)) if response.streaming else len(response.content)
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        client.get(path)
        taken.append((time.perf_counter() - begun) * 1000)
    cuts = statistics.quantiles(taken, n=20)
    return Row(
        name,
        path,
        response.status_code,
        queries,
        size / 1024,
        min(taken),
        statistics.median(taken),
        cuts[18],
    )


def table(rows: list[Row]) -> str:
    """Markdown, the slowest first; what is over a budget is bold."""
    lines = [
        "| page | status | queries | KiB | least ms | p50 ms | p95 ms |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda each: -each.p95):
        queries = f"**{row.queries}**" if row.queries > BUDGET_QUERIES else f"{row.queries}"
        p95 = f"**{row.p95:.0f}**" if row.p95 > BUDGET_MS else f"{row.p95:.0f}"
        lines.append(
            f"| `{row.path}` | {row.status} | {queries} | {row.kib:.0f} | {row.least:.0f}"
            f" | {row.p50:.0f} | {p95} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Fill, measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=10_000_000)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--tenants", type=int, default=25)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--only", default="", help="part of a page's name")
    parser.add_argument("--json", type=Path, default=Path("bench/results/pages.json"))
    options = parser.parse_args()
    os.environ["ALLOWED_HOSTS"] = "testserver"
    with stand.servers() as running:
        import django

        django.setup()
        from django.test import Client

        from tests.cast import make_cast
        from tests.pages.browser import session_of, staff

        for number in range(options.tenants):
            make_cast(f"tenant{number}", owner="Ada")
        fill(running.owner_url, options.keys, options.decisions, options.entries)
        client = Client(raise_request_exception=False)
        client.cookies["countersign"] = session_of(staff("Sol Okafor", "security_admin"))
        rows = [
            measure(client, name, path, options.times)
            for name, path in addresses(ids())
            if options.only in name
        ]
    print(f"\n{options.keys:,} keys, {options.decisions:,} decisions in {DAYS} days,")
    print(f"{options.entries:,} ledger entries, {options.tenants} tenants\n")
    print(table(rows))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


if __name__ == "__main__":
    main()
