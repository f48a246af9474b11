"""What limits should answer: the design's sentences in Python's own integers and calendar.

A bucket is one integer here, units × window milliseconds, where the script keeps two.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from keys.codes import Code
from keys.decision.snapshots import LimitRow, counter
from portal.core.clock import UTC, from_milliseconds, milliseconds

LENGTH: Final = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
NEVER: Final = -1
"""The wait of a demand that can never fit, as the script says it."""


@dataclass(frozen=True)
class Limit:
    """A limit as the script is told it. `made`: when, in milliseconds."""

    counter: str
    algorithm: str
    amount: int
    window: str
    burst: int = 0
    made: int = 2**52

    @property
    def packed(self) -> list[str | int]:
        """Its six members in the script's order."""
        return [self.counter, self.algorithm, self.amount, self.window, self.burst, self.made]

    @classmethod
    def of(cls, owner_id: str, body: dict[str, Any]) -> "Limit":
        """The limit that a REST body defines for this key or tenant."""
        row = LimitRow(**_columns(body), of=owner_id, made=2**52)
        amount, window = body["amount"], body["window"]
        return cls(counter(owner_id, row), body["algorithm"], amount, window, row.burst or 0)


def _columns(body: dict[str, Any]) -> dict[str, Any]:
    smooth = body["algorithm"] == "smooth"
    columns = {name: body[name] for name in ("name", "unit", "amount", "window", "algorithm")}
    return {**columns, "burst": body.get("burst", body["amount"]) if smooth else None}


class Read(NamedTuple):
    """One limit's word: what is left, when all of it is back, whether it refuses, how long."""

    remaining: int
    reset: int
    code: Code
    wait: int


class Outcome(NamedTuple):
    """A decision: its code, the wait in milliseconds, every limit's remaining and reset."""

    code: Code
    wait: int
    shown: list[int]
    failed: list[int]


def window_of(window: str, now: int) -> tuple[int, int]:
    """Start and end of the calendar window around `now`, by Python's own calendar."""
    moment = from_milliseconds(now - now % 1000)
    if window == "month":
        start = dt.datetime(moment.year, moment.month, 1, tzinfo=UTC)
        over = start + dt.timedelta(days=31)
        return milliseconds(start), milliseconds(over.replace(day=1))
    keep: dict[str, Any] = {"microsecond": 0}
    for finer, name in (("minute", "second"), ("hour", "minute"), ("day", "hour")):
        if list(LENGTH).index(window) >= list(LENGTH).index(finer):
            keep[name] = 0
    start_ms = milliseconds(moment.replace(**keep))
    return start_ms, start_ms + LENGTH[window]


class Model:
    """Counters and buckets of any number of limits."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, int], int] = {}
        self.levels: dict[str, tuple[int, int]] = {}

    def read(self, limit: Limit, now: int, cost: int | None) -> Read:
        """What this limit says to a demand; a cost of None is one that is not stated yet."""
        needed = 1 if cost is None else cost
        if limit.algorithm == "calendar":
            return self._calendar(limit, now, needed)
        return self._smooth(limit, now, needed)

    def _calendar(self, limit: Limit, now: int, needed: int) -> Read:
        start, end = window_of(limit.window, now)
        left = limit.amount - self.used.get((limit.counter, start), 0)
        word = Read(max(0, left), end - now, Code.OK, 0)
        if needed == 0 or needed <= left:
            return word
        wait = NEVER if needed > limit.amount else end - now
        return word._replace(code=Code.QUOTA_EXCEEDED, wait=wait)

    def _level(self, limit: Limit, now: int) -> int:
        full = limit.burst * LENGTH[limit.window]
        level, since = self.levels.get(limit.counter, (full, now))
        return min(full, level + (now - since) * limit.amount)

    def _smooth(self, limit: Limit, now: int, needed: int) -> Read:
        length, level = LENGTH[limit.window], self._level(limit, now)

        def until(units: int) -> int:
            missing = units * length - level
            return -(-missing // limit.amount) if missing > 0 and limit.amount else 0

        word = Read(level // length, until(limit.burst), Code.OK, 0)
        if needed * length <= level:
            return word
        never = needed > limit.burst or limit.amount == 0
        return word._replace(code=Code.RATE_LIMITED, wait=NEVER if never else until(needed))

    def spend(self, limit: Limit, now: int, cost: int) -> None:
        """Take units; nothing is touched when there are none to take."""
        if cost == 0:
            return
        if limit.algorithm == "calendar":
            place = (limit.counter, window_of(limit.window, now)[0])
            self.used[place] = self.used.get(place, 0) + cost
        else:
            level = self._level(limit, now) - cost * LENGTH[limit.window]
            self.levels[limit.counter] = (level, now)

    def decide(
        self, limits: Sequence[Limit], now: int, costs: Sequence[int | None], *,
        rank: Code = Code.OK, spend: bool = True,
    ) -> Outcome:  # fmt: skip
        """All or none: the whole decision, and what it spends."""
        words = [self.read(x, now, cost) for x, cost in zip(limits, costs, strict=True)]
        failed = [(place, w) for place, w in enumerate(words, 1) if w.code is not Code.OK]
        code, wait = rank, 0
        if rank is Code.OK and failed:
            longest = max(failed, key=lambda f: (f[1].wait == NEVER, f[1].wait, -f[1].code))
            code, wait = longest[1].code, longest[1].wait
        if code is Code.OK and spend:
            for limit, cost in zip(limits, costs, strict=True):
                self.spend(limit, now, cost or 0)
            words = [self.read(limit, now, 0) for limit in limits]
        shown = [n for word in words for n in (word.remaining, word.reset)]
        return Outcome(code, wait, shown, [n for place, w in failed for n in (place, w.code)])


def changed(limit: Limit, *, amount: int, burst: int) -> Limit:
    """The same counter under another amount."""
    return replace(limit, amount=amount, burst=burst if limit.algorithm == "smooth" else 0)
