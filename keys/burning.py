"""How a calendar limit burns down: what was left over its window, and when it is used up.

What is left comes from the live counters; how it came to that, from hourly sums. The forecast is a
straight line: as much as was used from the window's beginning to now, in as much time again.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from keys.hours import Hour
from keys.remaining import LimitLeft
from portal.core.burndown import Plot, plot
from portal.core.clock import now
from portal.core.templatetags.countersign import apart

HOUR: Final = dt.timedelta(hours=1)
DAY: Final = dt.timedelta(days=1)
FORESEEN: Final = ("hour", "day", "month")
"""Windows that are long enough to say when they are used up."""
EARLY: Final = 24
"""In the first of so many parts of a window nothing is foretold."""


class Window(NamedTuple):
    """A calendar window, UTC: [start, end)."""

    start: dt.datetime
    end: dt.datetime

    def share(self, moment: dt.datetime) -> float:
        """How much of it has passed, of 1."""
        return (moment - self.start) / (self.end - self.start)


class Point(NamedTuple):
    """What was used by then, and what was left."""

    at: dt.datetime
    used: int
    left: int


@dataclass(frozen=True)
class Burn:
    """A calendar limit in its present window."""

    limit: LimitLeft
    window: Window
    at: dt.datetime
    points: list[Point]
    """From the window's beginning to now; the last is what the counters say."""

    @property
    def newest(self) -> list[Point]:
        """For the table: the newest first."""
        return self.points[::-1]

    @property
    def used(self) -> int:
        """Units of this window that are gone."""
        return self.points[-1].used

    @property
    def percent(self) -> int:
        """Of the amount, used by now, rounded down."""
        return 100 * self.used // self.limit.amount if self.limit.amount else 100

    @property
    def early(self) -> bool:
        """Whether the window has only just begun."""
        return self.window.share(self.at) * EARLY < 1

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.limit.remaining <= 0

    @cached_property
    def up(self) -> dt.datetime | None:
        """When it is used up at this pace; None if that is not in this window, or can't be said."""
        if self.over or self.early or not self.used:
            return None
        took = self.at - self.window.start
        moment = self.at + took * (self.limit.remaining / self.used)
        return moment if moment < self.window.end else None

    @property
    def at_end(self) -> int:
        """Per cent of the amount that is used when the window ends, at this pace; at most 100."""
        if self.over or self.up:
            return 100
        return min(100, round(100 * self.used / self.window.share(self.at) / self.limit.amount))

    @property
    def words(self) -> str:
        """The forecast in a sentence."""
        ends = f"{self.when(self.window.end)}, in {apart(self._seconds(self.window.end))}"
        if not self.limit.amount:
            return "Its amount is 0: it lets nothing through."
        if self.over:
            return f"Used up. There is more from {ends}."
        if not self.used:
            return "Nothing of it is used yet."
        if self.early:
            return f"The {self.limit.window} has only just begun: too early to say."
        if self.up:
            return f"At this pace it is used up at {self.when(self.up)}."
        return f"At this pace {self.at_end} % of it is used when the {self.limit.window} ends."

    @property
    def css(self) -> str:
        """Whether someone should act: the class of a chip."""
        return "bad" if self.over else "warn" if self.up else ""

    def when(self, moment: dt.datetime) -> str:
        """`18:40`, with its day where that is another."""
        if self.limit.window == "month" or moment.date() != self.at.date():
            return f"{moment:%H:%M} on {moment.day} {moment:%b}"
        return f"{moment:%H:%M}"

    @cached_property
    def plot(self) -> Plot:
        """To draw."""
        amount = self.limit.amount or 1
        drawn = [(self.window.share(point.at), point.left / amount) for point in self.points]
        return plot(drawn, self._ahead(amount))

    @property
    def marks(self) -> list[str]:
        """Words below the axis, evenly apart."""
        quarter = (self.window.end - self.window.start) / 4
        form = "%-d %b" if self.limit.window == "month" else "%H:%M"
        last = "24:00" if self.limit.window == "day" else self.window.end.strftime(form)
        return [*((self.window.start + n * quarter).strftime(form) for n in range(4)), last]

    def _ahead(self, amount: int) -> tuple[float, float] | None:
        if self.over or self.early or not self.used:
            return None
        if self.up:
            return self.window.share(self.up), 0.0
        pace = self.used / self.window.share(self.at)
        return 1.0, 1 - pace / amount

    def _seconds(self, moment: dt.datetime) -> int:
        return int((moment - self.at).total_seconds())


def window_of(name: str, moment: dt.datetime) -> Window:
    """The calendar window of this name that holds `moment` (keys/decision/decide.lua, bounds)."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if name == "hour":
        return Window(hour, hour + HOUR)
    midnight = hour.replace(hour=0)
    if name == "day":
        return Window(midnight, midnight + DAY)
    first = midnight.replace(day=1)
    return Window(first, (first + 31 * DAY).replace(day=1))


def foreseen(limit: LimitLeft) -> bool:
    """Whether it burns down in a window that is long enough for a forecast."""
    return limit.algorithm == "calendar" and limit.window in FORESEEN


def burn(limit: LimitLeft, granted: Mapping[dt.datetime, int] | None = None) -> Burn:
    """The present window of a limit that is `foreseen`.

    `granted` are units by hour; without them the way to now is drawn straight.
    """
    moment = now()
    window = window_of(limit.window, moment)
    used = max(limit.amount - limit.remaining, 0)
    points = [Point(window.start, 0, limit.amount)]
    if granted and limit.window != "hour":
        points += _course(window, HOUR if limit.window == "day" else DAY, granted, limit, moment)
    return Burn(limit, window, moment, [*points, Point(moment, used, limit.remaining)])


def _course(
    window: Window, step: dt.timedelta, granted: Mapping[dt.datetime, int], limit: LimitLeft,
    moment: dt.datetime,
) -> list[Point]:  # fmt: skip
    """What was used by the end of each step before now.

    The counters are right: what was granted before they counted is left out at the beginning, what
    is not drained yet comes at the end.
    """
    used = max(limit.amount - limit.remaining, 0)
    counted = {at: units for at, units in granted.items() if at >= window.start}
    excess = max(sum(counted.values()) - used, 0)
    found, at, total = [], window.start + step, 0
    while at <= moment:
        total += sum(units for hour, units in counted.items() if at - step <= hour < at)
        then = max(total - excess, 0)
        found.append(Point(at, then, limit.amount - then))
        at += step
    return found


def granted_from(rows: Iterable[Hour], unit: str) -> dict[dt.datetime, int]:
    """Units that a key was granted, by hour."""
    found: dict[dt.datetime, int] = {}
    for row in rows:
        if unit in row.units:
            found[row.hour] = found.get(row.hour, 0) + row.units[unit]
    return found
