"""The decision script by itself: one process, a clock that stands still where a test puts it."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from keys.codes import Code
from keys.decision.script import DECIDE, DECIDED, SCRIPT
from portal.core.ids import base62
from portal.core.names import name, prefix
from tests.invariants.model import Limit, Outcome
from tests.processes import CheckServer

LONG_AGO = -(10**13)
"""An offset that puts Redis' clock centuries back, so that the last seen moment stands."""


class Raw(NamedTuple):
    """One script call's answer."""

    now: int
    lease: str
    stamp: str
    answers: list[list[Any]]


def check(
    limits: Sequence[Limit], costs: Sequence[int | None], *,
    rank: Code = Code.OK, spend: bool = True, ends: Sequence[int] = (),
) -> list[Any]:  # fmt: skip
    """A check in the script's own terms, with nothing to believe and nothing to log."""
    flat = [member for limit in limits for member in limit.packed]
    stated = [-1 if cost is None else cost for cost in costs]
    return [DECIDE, [], rank, ends, flat, stated, spend, False]


class Script:
    """Calls decide.lua as a check process does, without one."""

    def __init__(self) -> None:
        self.store = redis.Redis.from_url(os.environ["REDIS_URL"])
        self.run = self.store.register_script(SCRIPT)
        if self.store.get(name("run")) is None:  # another test's flush ended the era
            CheckServer().stop()

    def close(self) -> None:
        """Give the clock back to Redis."""
        self.store.delete(name("offset"), name("clock"))
        self.store.close()

    def freeze(self, at: int) -> None:
        """From now on it is exactly `at`, in milliseconds since 1970."""
        self.store.mset({name("offset"): LONG_AGO, name("clock"): at})

    def ask(self, *checks: list[Any]) -> Raw:
        """One batch."""
        run: Any = self.store.get(name("run"))
        packed = msgspec.msgpack.encode((True, 10**6, 10**9, run.decode(), checks))
        answer: bytes = self.run(keys=[prefix()], args=[packed])
        return Raw(*msgspec.msgpack.decode(answer))

    def decide(
        self, limits: Sequence[Limit], costs: Sequence[int | None], *,
        rank: Code = Code.OK, spend: bool = True, ends: Sequence[int] = (),
    ) -> Outcome:  # fmt: skip
        """One decision that nothing else is believed for; None is a cost that is not stated."""
        answer = self.ask(check(limits, costs, rank=rank, spend=spend, ends=ends)).answers[0]
        assert answer[0] == DECIDED, answer
        _, code, shown, wait, _, failed = answer
        return Outcome(Code(code), wait, shown, failed)

    def memory(self, limits: Sequence[Limit]) -> dict[bytes, Any]:
        """These counters and buckets, byte by byte."""
        found: list[bytes] = []
        for limit in limits:
            found += self.store.scan_iter(name("q", limit.counter, "*"), count=10_000)
            found.append(name("b", limit.counter).encode())
        return {key: self.store.dump(key) for key in sorted(found)}


def calendar(amount: int, window: str = "minute") -> Limit:
    """A calendar limit on a counter of its own."""
    return Limit(base62(12), "calendar", amount, window)


def smooth(amount: int, window: str = "minute", burst: int | None = None) -> Limit:
    """A smooth limit on a bucket of its own."""
    return Limit(base62(12), "smooth", amount, window, amount if burst is None else burst)
