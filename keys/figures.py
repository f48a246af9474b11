"""What was asked in a period, for charts and tables: from hourly sums, never from the log."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db import connection

from keys.codes import KIND, MEANING, Code
from portal.core.charts import KINDS, Chart, Slot, chart
from portal.core.clock import UTC, now

HOUR: Final = dt.timedelta(hours=1)
OK: Final = Code.OK.name
TOP: Final = 10
FEW: Final = 20_000
"""Decisions in a period up to which its keys are summed up as the page is shown."""

SUMS = """
SELECT hour, code, sum(decisions)::bigint FROM {table}
WHERE hour >= %(since)s AND hour < %(until)s{narrowed} GROUP BY 1, 2
"""
LIVE = """
SELECT u.key_id, u.tenant_id,
    coalesce(sum(u.decisions) FILTER (WHERE u.code = 'OK'), 0)::bigint AS allowed,
    coalesce(sum(u.decisions) FILTER (WHERE u.code <> 'OK'), 0)::bigint AS denied,
    NULL::timestamptz
FROM (SELECT DISTINCT tenant_id FROM keys_tenantusage
    WHERE hour >= %(since)s AND hour < %(until)s{narrowed}) t
JOIN keys_hourlyusage u ON u.tenant_id = t.tenant_id
WHERE u.hour >= %(since)s AND u.hour < %(until)s{of_api} GROUP BY 1, 2
"""
COUNTED = """
SELECT key_id, tenant_id, allowed, denied, counted_at FROM keys_topkey
WHERE days = %(days)s{narrowed}
"""
MOST = """
WITH told AS MATERIALIZED ({told})
(SELECT 'decisions', * FROM told ORDER BY allowed + denied DESC, key_id LIMIT %(top)s)
UNION ALL
(SELECT 'denied', * FROM told WHERE denied > 0 ORDER BY denied DESC, key_id LIMIT %(top)s)
"""


class Period(NamedTuple):
    """A tab: its name in the address, its words, its length and its bars."""

    name: str
    words: str
    days: int
    bars: int
    step: dt.timedelta
    label: str
    """Of a bar, for strftime."""

    @property
    def unit(self) -> str:
        """What a bar is of, after a figure."""
        return {1: "/h", 6: "/6 h", 24: "/day"}[int(self.step / HOUR)]

    @property
    def since(self) -> dt.datetime:
        """Where it begins, so that its last bar is the present one."""
        moment, start = now(), dt.datetime(1970, 1, 1, tzinfo=UTC)
        return moment - (moment - start) % self.step - (self.bars - 1) * self.step


PERIODS: Final = (
    Period("24h", "24 hours", 1, 24, HOUR, "%H:00"),
    Period("7d", "7 days", 7, 28, 6 * HOUR, "%-d %b, %H:00"),
    Period("30d", "30 days", 30, 30, 24 * HOUR, "%-d %b"),
)


def period_of(name: str) -> Period:
    """The period that an address asks for; the first if it asks for none of them."""
    return next((period for period in PERIODS if period.name == name), PERIODS[0])


@dataclass(frozen=True)
class Of:
    """Whose decisions: all, a tenant's, an Api's, or one key's, which comes with its tenant."""

    tenant: str = ""
    api: str = ""
    key: str = ""

    @property
    def table(self) -> str:
        """The smallest sums that tell them apart."""
        return "keys_hourlyusage" if self.key else "keys_tenantusage"

    @property
    def narrowed(self) -> str:
        """The condition, for either table. The values stay parameters."""
        wanted = (("tenant", self.tenant), ("key", self.key), ("api", "" if self.key else self.api))
        return "".join(f" AND {name}_id = %({name})s" for name, value in wanted if value)


class CodeLine(NamedTuple):
    """One code of a period."""

    code: str
    kind: str
    """`up` for OK, else as charts colour it: `s-limit`, …"""
    number: int
    width: str
    """Of 100, against the code that refused most; text for SVG."""
    meaning: str


class Cells(NamedTuple):
    """One bar as figures."""

    at: dt.datetime
    label: str
    allowed: int
    denied: int
    kinds: list[int]


@dataclass(frozen=True)
class Figures:
    """A period's decisions."""

    period: Period
    since: dt.datetime
    slots: Sequence[Slot]
    codes: Mapping[str, int]

    @property
    def allowed(self) -> int:
        """How many were allowed."""
        return self.codes.get(OK, 0)

    @property
    def decisions(self) -> int:
        """All of them."""
        return sum(self.codes.values())

    @property
    def denied(self) -> int:
        """How many were not."""
        return self.decisions - self.allowed

    @property
    def chart(self) -> Chart:
        """To draw."""
        return chart(self.slots)

    @property
    def table(self) -> list[Cells]:
        """The bars as figures, the newest first."""
        return [
            Cells(
                self.since + place * self.period.step, slot.label, slot.allowed,
                sum(slot.denied.values()), [slot.denied.get(kind, 0) for kind in KINDS],
            )
            for place, slot in reversed(list(enumerate(self.slots)))
        ]  # fmt: skip

    @property
    def lines(self) -> list[CodeLine]:
        """By code: OK first, then what refused most."""
        denied = sorted(
            (item for item in self.codes.items() if item[0] != OK),
            key=lambda item: (-item[1], item[0]),
        )
        most = denied[0][1] if denied else 1
        allowed = [(OK, self.allowed)] if self.allowed else []
        return [
            CodeLine(code, css_of(code), n, str(max(100 * n // most, 1)), meaning_of(code))
            for code, n in [*allowed, *denied]
        ]


def css_of(code: str) -> str:
    """The class that charts fill a code with. One that is no longer known counts as a rule's."""
    if code == OK:
        return "up"
    return f"s-{KIND[Code[code]]}" if code in Code.__members__ else "s-rule"


def meaning_of(code: str) -> str:
    """What a code means, in a sentence."""
    return MEANING[Code[code]] if code in Code.__members__ else ""


def figures(period: Period, of: Of) -> Figures:
    """The period's figures, the present bar included. Inside a scope that sees them."""
    since = period.since
    rows = _rows(SUMS.format(table=of.table, narrowed=of.narrowed), _asked(period, of, since))
    return figures_from(period, since, rows)


def figures_from(
    period: Period, since: dt.datetime, rows: Iterable[tuple[dt.datetime, str, int]]
) -> Figures:
    """The figures of sums by hour and code; those before `since` take no part."""
    codes: Counter[str] = Counter()
    allowed: Counter[int] = Counter()
    denied: dict[int, Counter[str]] = defaultdict(Counter)
    for hour, code, n in rows:
        if hour < since:
            continue
        place = (hour - since) // period.step
        codes[code] += n
        if code == OK:
            allowed[place] += n
        else:
            denied[place][css_of(code).removeprefix("s-")] += n
    slots = [
        Slot((since + place * period.step).strftime(period.label), allowed[place], denied[place])
        for place in range(period.bars)
    ]
    return Figures(period, since, slots, codes)


class Used(NamedTuple):
    """A key and what was asked with it."""

    key_id: str
    tenant_id: str
    allowed: int
    denied: int

    @property
    def decisions(self) -> int:
        """All of it."""
        return self.allowed + self.denied


@dataclass(frozen=True)
class Most:
    """The keys with which most was asked, and those most refused."""

    decisions: list[Used]
    denied: list[Used]
    counted_at: dt.datetime | None
    """When that was summed up; None: just now."""
    waiting: bool = False
    """Whether the worker has not counted yet."""


def most_used(period: Period, of: Of, decisions: int) -> Most:
    """The keys that stand out in a period with so many decisions. Inside the platform's scope.

    Few decisions are summed up at once; of many the worker does it (keys.tasks.count_top_keys).
    """
    asked = {**_asked(period, of, period.since), "days": period.days, "top": TOP}
    if decisions > FEW:
        told = COUNTED.format(narrowed=of.narrowed)
    else:
        of_api = " AND u.key_id IN (SELECT id FROM keys_apikey WHERE api_id = %(api)s)"
        told = LIVE.format(narrowed=of.narrowed, of_api=of_api if of.api else "")
    rows = _rows(MOST.format(told=told), asked)
    found: dict[str, list[Used]] = {"decisions": [], "denied": []}
    for kind, *used, _ in rows:
        found[kind].append(Used(*used))
    return Most(**found, counted_at=rows[0][-1] if rows else None, waiting=not rows)


def _asked(period: Period, of: Of, since: dt.datetime) -> dict[str, Any]:
    return {
        "since": since, "until": now(),
        "tenant": of.tenant, "api": of.api, "key": of.key,
    }  # fmt: skip


def _rows(query: str, asked: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, asked)
        return list(cursor.fetchall())
