"""How things stand at this moment: keys by tenant and state, gateways, what waits."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.db import connection
from redis.exceptions import RedisError

from portal.core.clock import UTC
from portal.core.names import name
from portal.core.redis import client
from portal.overview.figures import Figures
from portal.tenancy.models import Tenant

STATES: Final = ("active", "pending", "suspended", "leaked")
"""Shown, in order. A revoked key is history."""
LEAST_REFUSED: Final = 20
"""Refusals in 24 hours below which a key is not worth a line."""

KEYS = """
WITH counted AS (SELECT tenant_id, state, count(*) AS n FROM keys_apikey GROUP BY 1, 2),
soon AS (
    SELECT tenant_id, count(*) AS week,
        count(*) FILTER (WHERE expires_at < now() + interval '1 day') AS day
    FROM keys_apikey WHERE state = 'active' AND expires_at >= now()
    AND expires_at < now() + interval '7 days' GROUP BY 1)
SELECT c.tenant_id, c.state, c.n, coalesce(s.week, 0), coalesce(s.day, 0)
FROM counted c LEFT JOIN soon s ON s.tenant_id = c.tenant_id AND c.state = 'active'
"""
"""Each half reads an index alone: a hundred thousand rows would take too long."""
REFUSED = """
WITH denied AS (
    SELECT tenant_id, key_id, sum(decisions)::bigint AS n,
        (array_agg(code ORDER BY decisions DESC))[1] AS code
    FROM keys_hourlyusage WHERE code <> 'OK' AND hour >= now() - interval '24 hours'{narrowed}
    GROUP BY 1, 2 HAVING sum(decisions) >= %(least)s ORDER BY 3 DESC LIMIT 100
)
SELECT k.id, k.name, d.tenant_id, d.code, d.n, coalesce(a.n, 0)::bigint
FROM denied d JOIN keys_apikey k ON k.id = d.key_id AND k.state = 'active'
CROSS JOIN LATERAL (
    SELECT sum(decisions) AS n FROM keys_hourlyusage u WHERE u.tenant_id = d.tenant_id
    AND u.key_id = d.key_id AND u.hour >= now() - interval '24 hours' AND u.code = 'OK') a
WHERE d.n > coalesce(a.n, 0) ORDER BY d.n DESC
"""
STANDING = """
SELECT
    (SELECT count(*) FROM tenancy_api),
    (SELECT count(*) FROM tenancy_gateway WHERE disabled_at IS NULL),
    (SELECT count(*) FROM tenancy_gateway WHERE disabled_at IS NOT NULL),
    (SELECT array_agg(DISTINCT b.tenant_id) FROM tenancy_gatewaytenant b
        JOIN tenancy_gateway g ON g.id = b.gateway_id WHERE g.disabled_at IS NULL),
    (SELECT count(*) FROM (SELECT FROM core_outbox
        WHERE created_at < now() - interval '5 seconds' LIMIT 10001) waits),
    (SELECT min(created_at) FROM core_outbox),
    (SELECT count(*) FROM tenancy_invitation i JOIN tenancy_person p ON p.id = i.person_id
        WHERE i.used_at IS NULL AND p.is_active),
    (SELECT count(*) FROM core_mail
        WHERE state = 'failed' AND created_at >= now() - interval '7 days'),
    (SELECT count(*) FROM (SELECT FROM ledger_entry
        WHERE occurred_at >= now() - interval '24 hours' LIMIT 10001) recent)
"""


class Refused(NamedTuple):
    """An active key that was refused more often than allowed, in 24 hours."""

    id: str
    name: str
    tenant_id: str
    code: str
    """What it was refused with most."""
    denied: int
    allowed: int


class Standing(NamedTuple):
    """Counts of what there is, and what waits."""

    apis: int
    gateways: int
    gateways_disabled: int
    served: list[str] | None
    """Ids of tenants for which an enabled gateway asks."""
    outbox: int
    """Versions that Redis should know since more than five seconds."""
    outbox_since: dt.datetime | None
    invited: int
    """People who have not set up their sign-in."""
    mails_failed: int
    """Given up in the last 7 days."""
    recorded: int
    """Ledger entries of 24 hours, counted to 10 001."""


class Backlog(NamedTuple):
    """Decisions in Redis that PostgreSQL does not have."""

    waiting: int
    since: dt.datetime | None
    """When the oldest of them was made."""


@dataclass
class TenantLine:
    """A line of "Keys by tenant and state"."""

    id: str
    slug: str
    name: str
    suspended: bool
    states: Counter[str] = field(default_factory=Counter)
    expiring: int = 0
    today: int = 0
    """Of those, within 24 hours."""
    allowed: int = 0
    denied: int = 0

    @property
    def decisions(self) -> int:
        """In the period."""
        return self.allowed + self.denied

    @property
    def shown(self) -> list[int]:
        """Keys by STATES."""
        return [self.states[state] for state in STATES]


def lines(told: Figures) -> list[TenantLine]:
    """Every tenant's line, the busiest first."""
    found = {
        id: TenantLine(id, slug, label, status == Tenant.Status.SUSPENDED)
        for id, slug, label, status in Tenant.objects.values_list("id", "slug", "name", "status")
    }
    with connection.cursor() as cursor:
        cursor.execute(KEYS)
        for tenant, state, count, expiring, today in cursor.fetchall():
            line = found[tenant]
            line.states[state] = count
            line.expiring += expiring
            line.today += today
    for tenant, (allowed, denied) in told.tenants.items():
        if tenant in found:
            found[tenant].allowed, found[tenant].denied = allowed, denied
    return sorted(found.values(), key=lambda line: (-line.decisions, line.name, line.id))


def total(rows: Sequence[TenantLine]) -> TenantLine:
    """All lines together."""
    whole = TenantLine("", "", "", suspended=False)
    for line in rows:
        whole.states.update(line.states)
        whole.expiring += line.expiring
        whole.today += line.today
        whole.allowed += line.allowed
        whole.denied += line.denied
    return whole


def refused(tenant: str = "") -> list[Refused]:
    """Active keys that are mostly refused, the most first; at most 100. One tenant's, or all."""
    narrowed = " AND tenant_id = %(tenant)s" if tenant else ""
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"least": LEAST_REFUSED, "tenant": tenant}
        cursor.execute(REFUSED.format(narrowed=narrowed), asked)
        return [Refused(*row) for row in cursor.fetchall()]


def standing() -> Standing:
    """Everything else, in one question."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING)
        return Standing(*cursor.fetchone())


def backlog() -> Backlog | None:
    """What the drain has not written yet; None when Redis does not answer."""
    try:
        waiting: Any = client().get(name("log", "decisions"))
        first: Any = client().xrange(name("log"), count=1)
    except RedisError:
        return None
    if not first:
        return Backlog(0, None)
    since = dt.datetime.fromtimestamp(int(first[0][0].split(b"-")[0]) / 1000, UTC)
    return Backlog(max(int(waiting or 0), 1), since)


def names(rows: Sequence[TenantLine]) -> Mapping[str, str]:
    """Tenants' names by id."""
    return {line.id: line.name for line in rows}
