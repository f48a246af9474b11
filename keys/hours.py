"""One key's hourly sums, read once for everything that its page says of them."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from django.db import connection

from portal.core.clock import now

QUERY: Final = """
SELECT hour, code, decisions, units::text FROM keys_hourlyusage
WHERE tenant_id = %s AND key_id = %s AND hour >= %s AND hour < %s
"""


class Hour(NamedTuple):
    """What was decided in one hour with one code."""

    hour: dt.datetime
    code: str
    decisions: int
    units: Mapping[str, int]
    """Granted, by unit."""


def hours_of(tenant_id: str, key_id: str, since: dt.datetime) -> list[Hour]:
    """The sums from `since` to now, in no order. Inside a scope that sees the key."""
    asked: list[Any] = [tenant_id, key_id, since, now()]
    with connection.cursor() as cursor:
        cursor.execute(QUERY, asked)
        rows = cursor.fetchall()
    return [Hour(hour, code, n, json.loads(units)) for hour, code, n, units in rows]


GRANTED: Final = """
SELECT u.hour, sum((u.units ->> %(unit)s)::numeric)::bigint
FROM keys_keylimit l
JOIN keys_hourlyusage u ON u.tenant_id = l.tenant_id AND u.key_id = l.key_id
WHERE l.tenant_id = %(tenant)s AND l.limit_id = %(limit)s AND u.code = 'OK'
    AND u.hour >= %(since)s AND u.hour < %(until)s AND u.units ? %(unit)s
GROUP BY 1
"""


def granted_of(
    tenant_id: str, limit_id: str, unit: str, since: dt.datetime
) -> dict[dt.datetime, int]:
    """Units that the keys under a limit were granted, by hour. Inside a scope that sees them."""
    asked: dict[str, Any] = {
        "tenant": tenant_id, "limit": limit_id, "unit": unit, "since": since, "until": now(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(GRANTED, asked)
        return dict(cursor.fetchall())
