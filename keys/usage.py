"""What keys were used for, from the drain's hourly sums."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, Final

from django.db import connection

from portal.core.clock import now, rfc3339
from portal.core.refusals import refuse

DAY: Final = dt.timedelta(days=1)
LONGEST: Final = dt.timedelta(days=31)
MOST: Final = 10_000
"""Rows of one answer."""
DIMENSIONS: Final = ("hour", "key", "code")

QUERY: Final = """
WITH held AS (
    SELECT hour, key_id AS key, code, decisions, units FROM keys_hourlyusage
    WHERE tenant_id = %(tenant)s AND hour >= %(since)s AND hour < %(until)s
    AND (%(key)s::text IS NULL OR key_id = %(key)s)
), totals AS (
    SELECT {by}, sum(decisions)::bigint AS decisions FROM held
    GROUP BY {by} ORDER BY {by} LIMIT %(most)s
), sums AS (
    SELECT {by}, each.unit, sum(each.amount::numeric) AS amount
    FROM held, jsonb_each_text(units) AS each(unit, amount) GROUP BY {by}, each.unit
), units AS (SELECT {by}, jsonb_object_agg(unit, amount) AS units FROM sums GROUP BY {by})
SELECT {by}, decisions, coalesce(units, '{{}}')::text
FROM totals LEFT JOIN units USING ({by}) ORDER BY {by}
"""


def usage_of(
    *,
    tenant_id: str,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    key_id: str | None = None,
    group: Sequence[str] = DIMENSIONS,
) -> list[dict[str, Any]]:
    """Decisions and granted units of [since, until), summed by `group`, in its order.

    Hours count from their beginning; without bounds, the last 24 hours, the present one included.
    At most 31 days and 10 000 rows. Inside the tenant's scope.
    """
    until = until or now()
    try:
        since = since or (until - DAY)
    except OverflowError:
        refuse("There is no day before this.", "?until")
    if not dt.timedelta(0) < until - since <= LONGEST:
        refuse("At most 31 days, ending after they begin, are answered.", "?since")
    if not group or not set(group) <= set(DIMENSIONS) or len(set(group)) < len(group):
        refuse(f"Some of {', '.join(DIMENSIONS)}, each once, are needed.", "?group")
    since = since.replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(
            QUERY.format(by=", ".join(group)),
            {"tenant": tenant_id, "since": since, "until": until, "key": key_id, "most": MOST},
        )
        return [_row(group, row) for row in cursor.fetchall()]


def _row(group: Sequence[str], row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(group, row, strict=False))
    if "hour" in found:
        found["hour"] = rfc3339(found["hour"])
    return {**found, "decisions": row[-2], "units": json.loads(row[-1])}
