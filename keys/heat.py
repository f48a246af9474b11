"""When keys are used: the allowed decisions of the last week, by hour."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from django.db import connection

from keys.figures import OK, Of
from keys.hours import Hour
from portal.core.clock import now
from portal.core.heat import Heat, begin, heat

QUERY: Final = """
SELECT hour, sum(decisions)::bigint FROM {table}
WHERE hour >= %(since)s AND hour <= %(until)s AND code = 'OK'{narrowed} GROUP BY 1
"""


def heat_of(of: Of) -> Heat:
    """The last week of these keys. Inside a scope that sees them."""
    asked: dict[str, Any] = {
        "since": begin(), "until": now(), "tenant": of.tenant, "api": of.api, "key": of.key,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(QUERY.format(table=of.table, narrowed=of.narrowed), asked)
        return heat(dict(cursor.fetchall()))


def heat_from(rows: Iterable[Hour]) -> Heat:
    """The same of one key's hourly sums."""
    used: Counter[Any] = Counter()
    for row in rows:
        if row.code == OK:
            used[row.hour] += row.decisions
    return heat(used)
