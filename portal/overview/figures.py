"""What was decided in a period, for the overview: by time, by code and by tenant.

Read from the sums by tenant and hour (keys.models.TenantUsage), never from keys' own usage: that is
a hundred times longer.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.db import connection

from keys.codes import KIND, Code
from portal.core.charts import KINDS, Chart, Slot, chart
from portal.core.clock import UTC, now

HOUR: Final = dt.timedelta(hours=1)
KIND_OF: Final = {code.name: kind for code, kind in KIND.items()}
CODES_SHOWN: Final = 8

TOLD = """
WITH held AS MATERIALIZED (
    SELECT tenant_id, code, greatest(-1, floor(
        extract(epoch FROM hour - %(since)s) / %(step)s))::int AS slot, sum(decisions) AS n
    FROM keys_tenantusage WHERE hour >= %(before)s AND hour < %(until)s{narrowed} GROUP BY 1, 2, 3
)
SELECT '', slot, code, sum(n)::bigint FROM held GROUP BY 2, 3
UNION ALL SELECT tenant_id, 0, CASE code WHEN 'OK' THEN code ELSE '' END, sum(n)::bigint
    FROM held WHERE slot >= 0 GROUP BY 1, 3
"""
"""Everything in one pass. Slot -1 is the whole period before."""

SPARKS = """
SELECT tenant_id, hour, sum(decisions) FILTER (WHERE code = 'OK')::bigint,
    sum(decisions) FILTER (WHERE code <> 'OK')::bigint
FROM keys_tenantusage WHERE hour >= %s AND tenant_id = ANY (%s) GROUP BY 1, 2
"""


class Period(NamedTuple):
    """A tab: its name in the address, its words, and its bars."""

    name: str
    words: str
    bars: int
    step: dt.timedelta
    label: str
    """Of a bar below the chart, for strftime."""
    full: str
    """The same in the table."""

    @property
    def unit(self) -> str:
        """What a bar is of, after a figure."""
        return {1: "/h", 6: "/6 h", 24: "/day"}[int(self.step / HOUR)]


PERIODS: Final = (
    Period("24h", "24 hours", 24, HOUR, "%H:00", "%-d %b, %H:00"),
    Period("7d", "7 days", 28, 6 * HOUR, "%-d %b", "%-d %b, %H:00"),
    Period("30d", "30 days", 30, 24 * HOUR, "%-d %b", "%-d %b %Y"),
)


class CodeBar(NamedTuple):
    """One line of "Denied by code"; `width` of 100, as text for SVG."""

    code: str
    kind: str
    denied: int
    width: str


class Cells(NamedTuple):
    """A line of the chart's table."""

    label: str
    allowed: int
    kinds: list[int]


@dataclass(frozen=True)
class Figures:
    """A period's decisions."""

    period: Period
    since: dt.datetime
    until: dt.datetime
    slots: Sequence[Slot]
    codes: Mapping[str, int]
    """Denied, by code."""
    before: Mapping[str, int]
    """The period before: `allowed` and `denied`."""
    tenants: Mapping[str, tuple[int, int]]
    """Allowed and denied by tenant id."""
    allowed: int = field(init=False)
    denied: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "allowed", sum(slot.allowed for slot in self.slots))
        object.__setattr__(self, "denied", sum(self.codes.values()))

    @property
    def decisions(self) -> int:
        """All of them."""
        return self.allowed + self.denied

    @property
    def rate(self) -> str:
        """`213 a second`, or of whatever length holds at least one."""
        seconds = (self.until - self.since).total_seconds()
        for length, words in ((1, "second"), (60, "minute"), (3600, "hour"), (86400, "day")):
            if self.decisions * length >= seconds:
                return f"{self.decisions * length / seconds:,.0f} a {words}"
        return "less than one a day" if self.decisions else "none yet"

    @property
    def change(self) -> tuple[str, str]:
        """How the share of refusals differs from the period before: its class, and words."""
        whole = self.before["allowed"] + self.before["denied"]
        if not whole or not self.decisions:
            return "", ""
        was, is_ = self.before["denied"] / whole, self.denied / self.decisions
        if abs(was - is_) < 0.0001:
            return "", "as before"
        return ("warn-text", "up") if is_ > was else ("", "down")

    @property
    def share_before(self) -> str:
        """The period before's share of refusals."""
        whole = self.before["allowed"] + self.before["denied"]
        return f"{100 * self.before['denied'] / whole:.2f} %" if whole else ""

    @property
    def chart(self) -> Chart:
        """To draw."""
        return chart(self.slots)

    @property
    def table(self) -> list[Cells]:
        """The chart as figures, the newest first."""
        begins = [self.since + place * self.period.step for place in range(self.period.bars)]
        return [
            Cells(
                begin.strftime(self.period.full), slot.allowed,
                [slot.denied.get(kind, 0) for kind in KINDS],
            )
            for begin, slot in zip(reversed(begins), reversed(self.slots), strict=True)
        ]  # fmt: skip

    @property
    def bars(self) -> list[CodeBar]:
        """The codes that refused most."""
        most = sorted(self.codes.items(), key=lambda each: (-each[1], each[0]))[:CODES_SHOWN]
        return [
            CodeBar(code, KIND_OF.get(code, "rule"), n, str(max(100 * n // most[0][1], 1)))
            for code, n in most
        ]


def period_of(name: str) -> Period:
    """The period that an address asks for; the first if it asks for none of them."""
    return next((period for period in PERIODS if period.name == name), PERIODS[0])


def floored(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The beginning of the step, in UTC, in which `moment` is."""
    start = dt.datetime(1970, 1, 1, tzinfo=UTC)
    return moment - (moment - start) % step


def figures(period: Period, tenant: str = "") -> Figures:
    """The period's figures, the present bar included: one tenant's, or all. Inside their scope."""
    until = now()
    since = floored(until, period.step) - (period.bars - 1) * period.step
    before = since - period.bars * period.step
    with connection.cursor() as cursor:
        narrowed = " AND tenant_id = %(tenant)s" if tenant else ""
        asked: dict[str, Any] = {"since": since, "before": before, "until": until, "tenant": tenant,
                 "step": period.step.total_seconds()}  # fmt: skip
        cursor.execute(TOLD.format(narrowed=narrowed), asked)
        rows = cursor.fetchall()
    whole = [(slot, code, n) for tenant, slot, code, n in rows if not tenant]
    return Figures(
        period, since, until, _slots(period, since, whole),
        Counter({c: n for c, n in _denied(whole)}),
        {"allowed": sum(n for s, c, n in whole if s < 0 and c == Code.OK.name),
         "denied": sum(n for s, c, n in whole if s < 0 and c != Code.OK.name)},
        _by_tenant([(tenant, code, n) for tenant, _, code, n in rows if tenant]),
    )  # fmt: skip


def _denied(whole: Iterable[tuple[int, str, int]]) -> list[tuple[str, int]]:
    found: Counter[str] = Counter()
    for slot, code, n in whole:
        if slot >= 0 and code != Code.OK.name:
            found[code] += n
    return list(found.items())


def _slots(period: Period, since: dt.datetime, whole: Iterable[tuple[int, str, int]]) -> list[Slot]:
    allowed: Counter[int] = Counter()
    denied: dict[int, Counter[str]] = defaultdict(Counter)
    for place, code, n in whole:
        if code == Code.OK.name:
            allowed[place] += n
        else:
            denied[place][KIND_OF.get(code, "rule")] += n
    return [
        Slot((since + place * period.step).strftime(period.label), allowed[place], denied[place])
        for place in range(period.bars)
    ]


def _by_tenant(rows: Iterable[tuple[str, str, int]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for tenant, code, n in rows:
        allowed, denied = found[tenant]
        found[tenant] = (allowed + n, denied) if code == Code.OK.name else (allowed, denied + n)
    return dict(found)


def sparks(tenants: Sequence[str]) -> dict[str, Chart]:
    """The last 24 hours of each of these tenants, as small charts."""
    since = floored(now(), HOUR) - 23 * HOUR
    with connection.cursor() as cursor:
        cursor.execute(SPARKS, [since, list(tenants)])
        held = {(tenant, hour): (ok or 0, no or 0) for tenant, hour, ok, no in cursor.fetchall()}
    empty = (0, 0)
    return {
        tenant: chart([
            Slot("", *_told(held.get((tenant, since + hour * HOUR), empty))) for hour in range(24)
        ])
        for tenant in tenants
    }  # fmt: skip


def _told(counts: tuple[int, int]) -> tuple[int, dict[str, int]]:
    return counts[0], {"denied": counts[1]}
