"""`python -m bench.pages`: every page of the admin and a tenant with many keys, timed.

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

from bench import stand
from bench.pages_data import DAYS, fill, say

WARM = 5
HOUR = dt.timedelta(hours=1)
BUDGET_MS, BUDGET_QUERIES = 150, 15
VARIANTS = {
    "index": ["?period=7d", "?period=30d"],
    "ledger": ["?type=key.issued", "?outcome=denied", "?q={key}", "?target={key}"],
    "ledger-export": ["?type=key.issued"],
    "keys": [
        "?state=active",
        "?state=attention",
        "?used=never",
        "?used=idle",
        "?expiry=7d",
        "?sort=name",
        "?q=no-such",
        "?q=service",
        "?q={key}",
        "?page=100",
    ],
    "decisions": [
        "?code=RATE_LIMITED",
        "?key={key}",
        "?period=30d",
        "?period=30d&address=203.0.113.9",
        "?period=30d&subject=00000000000000000000000000000000",
    ],
    "usage": ["?period=30d"],
}
"""Besides the bare address: filters and periods of pages that read much."""


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


def ids() -> dict[str, str]:
    """An id of each kind that a page's address may want, by the address' first part."""
    from audit.ledger.models import Entry
    from keys.models import ApiKey, Decision, Limit
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
            "limits": str(Limit.objects.filter(key=key).latest("id").pk),
            "owner": key.owner.person_id,
            "decisions": str(Decision.objects.filter(at__gt=now() - HOUR).latest("at").pk),
            "ledger": str(Entry.objects.latest("occurred_at").pk),
        }  # fmt: skip


def addresses(known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """(name, path) of every page whose address can be filled in."""
    from django.urls import NoReverseMatch, reverse

    from portal import tenant_site
    from portal.admin_site import PAGES, site

    own = {"slug": known["slug"]}
    every: list[tuple[str, Any, dict[str, str]]] = [("admin", page, {}) for page in PAGES]
    every += [("tenant", page, own) for page in tenant_site.PAGES]
    for namespace, page, place in every:
        route = str(page.pattern)
        of = re.search(r"([a-z-]+)/<\w+:id>", route)
        given = {
            name: known.get((of[1] if of else "") if name == "id" else name, "")
            for name in page.pattern.converters
        }
        try:
            path = reverse(f"{namespace}:{page.name}", kwargs={**given, **place})
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


def signed_in(known: dict[str, str]) -> dict[str, Any]:
    """Browsers of a security admin and a tenant's owner, by how the addresses of theirs begin."""
    from django.test import Client

    from portal.tenancy.models import Person
    from portal.tenancy.scope import platform_scope
    from tests.pages.browser import session_of, staff

    with platform_scope("bench"):
        owner = Person.objects.get(id=known["owner"])
    clients = {}
    for root, person in (("/ad", staff("Sol Okafor", "security_admin")), ("/t/", owner)):
        clients[root] = Client(raise_request_exception=False)
        clients[root].cookies["countersign"] = session_of(person)
    return clients


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
        from tests.cast import make_cast

        for number in range(options.tenants):
            make_cast(f"tenant{number}", owner="Ada")
        fill(running.owner_url, options.keys, options.decisions, options.entries)
        known = ids()
        clients = signed_in(known)
        rows = [
            measure(clients[path[:3]], name, path, options.times)
            for name, path in addresses(known)
            if options.only in name
        ]
    print(f"\n{options.keys:,} keys, {options.decisions:,} decisions in {DAYS} days,")
    print(f"{options.entries:,} ledger entries, {options.tenants} tenants\n")
    print(table(rows))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))


if __name__ == "__main__":
    main()
