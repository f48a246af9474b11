"""When something is used: the last week as a grid of days and hours, as numbers for SVG attributes.

A busier hour is a larger square, so that no one needs the colours (look/README.md).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from portal.core.clock import UTC, now
from portal.core.templatetags.countersign import short

DAYS: Final = 7
HOURS: Final = 24
LEVELS: Final = 4
CELL: Final = 10.0
SIZES: Final = (1.5, 4.0, 5.6, 7.2, 8.8)
"""Of a cell's 10, the side of each level's square; level 0 is an hour without use."""
SIDES: Final = tuple(f"{size:g}" for size in SIZES)
MARKS: Final = ("00:00", "06:00", "12:00", "18:00", "24:00")


class Day(NamedTuple):
    """A row: the day and its hours; None for those to come."""

    day: dt.date
    counts: list[int | None]

    @property
    def label(self) -> str:
        """`Tue 24`."""
        return f"{self.day:%a} {self.day.day}"


class Level(NamedTuple):
    """A line of the legend."""

    css: str
    side: str
    inset: str
    words: str


@dataclass(frozen=True)
class Heat:
    """A week to draw, the oldest day first."""

    days: list[Day]
    most: int
    total: int
    marks = MARKS
    hours = range(HOURS)

    @property
    def paths(self) -> list[tuple[str, str]]:
        """One path a level: 168 squares would be 168 elements."""
        drawn: dict[int, list[str]] = {level: [] for level in range(LEVELS + 1)}
        for row, day in enumerate(self.days):
            for column, count in enumerate(day.counts):
                if count is not None:
                    level = self._level(count)
                    drawn[level].append(_square(row, column, SIZES[level]))
        return [(f"h-{level}", "".join(squares)) for level, squares in drawn.items() if squares]

    @property
    def legend(self) -> list[Level]:
        """What each square stands for; levels that would be the same are said once."""
        found = [Level("h-0", SIDES[0], _inset(0), "not used")]
        low = 1
        for level in range(1, LEVELS + 1):
            high = self.most * level // LEVELS
            if high >= low:
                words = short(low) if high == low else f"{short(low)} to {short(high)}"
                found.append(Level(f"h-{level}", SIDES[level], _inset(level), words))
                low = high + 1
        return found

    @property
    def busiest(self) -> str:
        """`Tue 24, 10:00 to 11:00`: the hour with most; the latest of several."""
        counts = [
            (count, day, hour)
            for day in self.days
            for hour, count in enumerate(day.counts)
            if count
        ]
        if not counts:
            return ""
        _, day, hour = max(counts, key=lambda each: (each[0], each[1].day, each[2]))
        return f"{day.label}, {hour:02}:00 to {hour + 1:02}:00"

    def _level(self, count: int) -> int:
        return -(-count * LEVELS // self.most) if count else 0


def _inset(level: int) -> str:
    return f"{(CELL - SIZES[level]) / 2:g}"


def _square(row: int, column: int, size: float) -> str:
    x, y = column * CELL + (CELL - size) / 2, row * CELL + (CELL - size) / 2
    return f"M{x:g} {y:g}h{size:g}v{size:g}h-{size:g}z"


def begin() -> dt.datetime:
    """Where the week begins: midnight, UTC, six days ago."""
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=DAYS - 1)


def heat(used: Mapping[dt.datetime, int]) -> Heat:
    """The last week of sums by hour. Hours before it take no part; those to come are not drawn."""
    first, present = begin(), now()
    days = []
    for place in range(DAYS):
        midnight = first + dt.timedelta(days=place)
        moments = [midnight + dt.timedelta(hours=hour) for hour in range(HOURS)]
        counts = [used.get(at, 0) if at <= present else None for at in moments]
        days.append(Day(midnight.astimezone(UTC).date(), counts))
    held = [count for day in days for count in day.counts if count]
    return Heat(days, max(held, default=0), sum(held))
