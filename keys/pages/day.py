"""What was asked with keys in the last 24 hours: sparklines, shares and the price of stopping one.

From the drain's hourly sums, by one query for any number of keys.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.db import connection

from keys.hours import Hour
from keys.models import ApiKey
from portal.core.charts import Chart, Slot, chart
from portal.core.clock import now

HOURS: Final = 24
QUERY: Final = """
SELECT u.key_id, u.hour, u.code, u.decisions
FROM unnest(%(tenants)s::text[], %(keys)s::text[]) AS wanted(tenant_id, key_id)
JOIN keys_hourlyusage u ON u.tenant_id = wanted.tenant_id AND u.key_id = wanted.key_id
WHERE u.hour >= %(since)s AND u.hour <= %(until)s
"""


@dataclass
class Day:
    """A key's last 24 hours, the present one included."""

    until: dt.datetime
    allowed: int = 0
    by_code: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Denied, by code."""
    hours: dict[dt.datetime, list[int]] = field(default_factory=dict)
    """Allowed and denied by hour, where there was any."""

    @property
    def denied(self) -> int:
        """Requests that were refused."""
        return sum(self.by_code.values())

    @property
    def refused_percent(self) -> float:
        """Of a hundred requests, how many were refused."""
        whole = self.allowed + self.denied
        return 100 * self.denied / whole if whole else 0.0

    @property
    def most_denied(self) -> str:
        """The code that refused most; empty when nothing was refused."""
        return max(self.by_code, key=lambda code: self.by_code[code], default="")

    @cached_property
    def chart(self) -> Chart:
        """Its hours as bars, the oldest first."""
        begun = [self.until - dt.timedelta(hours=back) for back in reversed(range(HOURS))]
        counts = [self.hours.get(hour, (0, 0)) for hour in begun]
        return chart([Slot("", up, {"rule": down} if down else {}) for up, down in counts])

    def add(self, hour: dt.datetime, code: str, decisions: int) -> None:
        """Count one row of the hourly sums."""
        held = self.hours.setdefault(hour, [0, 0])
        if code == "OK":
            self.allowed += decisions
            held[0] += decisions
        else:
            self.by_code[code] += decisions
            held[1] += decisions


def days_of(keys: Iterable[ApiKey]) -> dict[str, Day]:
    """The last 24 hours of each key, by its id. Inside a scope that sees them."""
    keys = list(keys)
    until = now().replace(minute=0, second=0, microsecond=0)
    found = {key.id: Day(until) for key in keys}
    asked: dict[str, Any] = {
        "tenants": [key.tenant_id for key in keys], "keys": [key.id for key in keys],
        "since": until - dt.timedelta(hours=HOURS - 1), "until": until,
    }  # fmt: skip
    if keys:
        with connection.cursor() as cursor:
            cursor.execute(QUERY, asked)
            for key_id, hour, code, decisions in cursor.fetchall():
                found[key_id].add(hour, code, decisions)
    return found


def day_from(rows: Iterable[Hour]) -> Day:
    """A key's last 24 hours of its hourly sums; those before take no part."""
    day = Day(now().replace(minute=0, second=0, microsecond=0))
    since = day.until - dt.timedelta(hours=HOURS - 1)
    for row in rows:
        if since <= row.hour <= day.until:
            day.add(row.hour, row.code, row.decisions)
    return day


MOST_REFUSED: Final = 200
MOST_ROWS: Final = 20_000
"""Hourly sums of refusals that are looked at, the latest first: the cost stays bounded."""
REFUSED: Final = """
WITH denied AS (
    SELECT tenant_id, key_id, sum(decisions) AS n FROM (
        SELECT tenant_id, key_id, decisions FROM keys_hourlyusage
        WHERE code <> 'OK' AND hour >= %(since)s AND hour <= %(until)s{narrowed}
        ORDER BY hour DESC LIMIT %(rows)s) latest
    GROUP BY 1, 2 HAVING sum(decisions) >= %(few)s * %(share)s / 100 ORDER BY 3 DESC LIMIT %(most)s
)
SELECT d.key_id FROM denied d CROSS JOIN LATERAL (
    SELECT coalesce(sum(decisions), 0) AS n FROM keys_hourlyusage u WHERE u.tenant_id = d.tenant_id
    AND u.key_id = d.key_id AND u.hour >= %(since)s AND u.hour <= %(until)s AND u.code = 'OK') a
WHERE d.n + a.n >= %(few)s AND d.n * 100 > (d.n + a.n) * %(share)s
"""


def much_refused(*, share: float, few: int, tenant: str = "") -> list[str]:
    """Keys of whose requests more than `share` per cent were refused, if there were `few` at least.

    Looked for among the 200 that were refused most often of late, in one tenant or in all.
    """
    until = now().replace(minute=0, second=0, microsecond=0)
    asked: dict[str, Any] = {
        "since": until - dt.timedelta(hours=HOURS - 1), "until": until,
        "share": share, "few": few, "most": MOST_REFUSED, "rows": MOST_ROWS, "tenant": tenant,
    }  # fmt: skip
    narrowed = " AND tenant_id = %(tenant)s" if tenant else ""
    with connection.cursor() as cursor:
        cursor.execute(REFUSED.format(narrowed=narrowed), asked)
        return [key_id for (key_id,) in cursor.fetchall()]
