"""Dry runs spend nothing, so they are bounded: 50 a second a gateway, anywhere."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from tests.cast import Cast
from tests.invariants.crowd import REQUEST
from tests.invariants.traffic import Gate, body, logged
from tests.processes import check_servers

RATE, PROCESSES, THREADS, EACH = 50, 3, 9, 60


def second(store: "redis.Redis") -> int:
    """Redis' own clock, by which they are counted."""
    now: Any = store.time()
    return int(now[0])


def test_a_flood_of_dry_runs_is_bounded_and_checks_are_not(
    acme: Cast, globex: Cast, store: "redis.Redis"
) -> None:
    key = acme.issue(scopes=["chat:write"], limits=[body("day", 100, "day", "calendar")])
    theirs = globex.issue(scopes=["chat:write"])
    with check_servers(PROCESSES) as fleet:

        def flood(place: int) -> Counter[int]:
            with Gate(fleet[place % PROCESSES], acme) as gate:
                asked = [gate.check(key, request=REQUEST, dry_run=True) for _ in range(EACH)]
            assert {x.body["code"] for x in asked if x.status == 429} <= {"TOO_MANY_REQUESTS"}
            return Counter(x.status for x in asked)

        with ThreadPoolExecutor(THREADS) as pool, Gate(fleet[0], acme) as gate:
            began = second(store)
            floods = pool.map(flood, range(THREADS))
            meanwhile = [gate.check(key, request=REQUEST).body["code"] for _ in range(20)]
            with Gate(fleet[1], globex) as other:
                answer = other.check(theirs, request=REQUEST, dry_run=True)
            told = sum(floods, Counter[int]())
            seconds = second(store) - began + 1
            assert gate.check(key, request=REQUEST).body["limits"][0]["remaining"] == 100 - 21
    assert told.keys() <= {200, 429}
    assert RATE <= told[200] <= RATE * seconds
    assert told[429] == THREADS * EACH - told[200] > 0
    assert meanwhile == ["OK"] * 20
    assert answer.status == 200, "another gateway has its own"
    assert len(logged([key])) == 21
