"""What is left of limits is what a check at this moment answers, and looking costs nothing."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from keys import asking
from keys.issuing import Issued
from keys.models import ApiKey
from keys.remaining import LimitLeft, remaining_of
from portal.core.clock import milliseconds, now
from portal.core.names import name
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.invariants.scripted import Script
from tests.invariants.traffic import Gate, body
from tests.processes import CheckServer

WINDOWS = ("second", "minute", "hour", "day", "month")
LIMITS = [
    *(body(f"calendar-{w}", 20, w, "calendar", shared_by="tenant") for w in WINDOWS[1:]),
    *(body(f"smooth-{w}", 30, w, "smooth", burst=50) for w in WINDOWS[:-1]),
]


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture(autouse=True)
def era(checker: CheckServer) -> None:
    """A check process has begun one: without it nobody knows what was counted."""


@pytest.fixture
def clock() -> Iterator[Script]:
    """Redis' clock, to be put where a test wants it."""
    script = Script()
    yield script
    script.close()


def left(key: Issued) -> list[LimitLeft]:
    """What is left of one key's limits."""
    with tenant_scope(key.key.tenant_id):
        found = remaining_of([key.key])
    assert found is not None
    return found[key.key.id]


def test_what_is_left_is_what_a_check_answers_at_that_moment(
    acme: Cast, gate: Gate, clock: Script
) -> None:
    keys = [acme.issue(limits=LIMITS) for _ in range(2)]
    chance, at = random.Random(20261123), milliseconds(now())
    for _ in range(60):
        at += chance.choice([0, 1, 999, 61_000, 3_600_000, 40 * 3_600_000])
        clock.freeze(at)
        key = chance.choice(keys)
        gate.check(key, {"requests": chance.choice([0, 1, 3, 7, 25])})
        told = gate.check(key, {"requests": 0}).body["limits"]
        assert [
            {"name": x.name, "unit": x.unit, "window": x.window, "limit": x.amount,
             "remaining": x.remaining, "resets_in": x.resets_in}
            for x in left(key)
        ] == told  # fmt: skip


def test_looking_spends_nothing_and_logs_nothing(acme: Cast, store: "redis.Redis") -> None:
    key = acme.issue(limits=LIMITS)
    left(key)
    before, logged = sorted(store.scan_iter("*")), store.xlen(name("log"))
    first = [x.remaining for x in left(key)]
    for _ in range(5):
        assert [x.remaining for x in left(key)] == first == [20] * 4 + [50] * 4
    assert (sorted(store.scan_iter("*")), store.xlen(name("log"))) == (before, logged)


def test_a_shared_limit_says_so_and_shows_what_others_spent(acme: Cast, gate: Gate) -> None:
    shared = [
        body("ours", 9, "month", "calendar", shared_by="tenant"),
        body("mine", 9, "month", "calendar"),
    ]
    mine, other = acme.issue(limits=shared), acme.issue(limits=shared)
    assert gate.check(other, {"requests": 4}).body["allowed"]
    assert [(x.shared_by, x.remaining) for x in left(mine)] == [("tenant", 5), ("key", 9)]
    assert [(x.shared_by, x.remaining) for x in left(other)] == [("tenant", 5), ("key", 5)]


def test_any_number_of_keys_is_one_query(acme: Cast) -> None:
    issued = [acme.issue(limits=LIMITS[:2]) for _ in range(3)] + [acme.issue()]
    keys = [each.key for each in issued] + [ApiKey(tenant=acme.tenant) for _ in range(300)]
    with tenant_scope(acme.tenant.id), CaptureQueriesContext(connection) as told:
        found = remaining_of(keys)
    assert found is not None
    assert len(told) == 1
    assert [len(found[key.key.id]) for key in issued] == [2, 2, 2, 0]
    assert len(found) == len({key.id for key in keys})


def test_more_keys_than_one_call_takes_are_told_in_their_order(
    acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BATCH", 2)
    keys = [
        acme.issue(limits=[body("own", 100 + place, "month", "calendar")]) for place in range(5)
    ]
    with tenant_scope(acme.tenant.id):
        found = remaining_of([key.key for key in keys])
    assert found is not None
    assert [found[key.key.id][0].remaining for key in keys] == [100, 101, 102, 103, 104]


def test_without_redis_nobody_knows(acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    key = acme.issue(limits=LIMITS)
    away = redis.Redis(unix_socket_path="/nowhere/redis.sock")
    monkeypatch.setattr(asking, "_script", lambda: away.register_script("return 1"))
    with tenant_scope(acme.tenant.id):
        assert remaining_of([key.key]) is None


def test_a_redis_that_lost_its_memory_knows_nothing(acme: Cast, store: "redis.Redis") -> None:
    key = acme.issue(limits=LIMITS)
    store.rename(name("era"), name("era", "away"))
    try:
        with tenant_scope(acme.tenant.id):
            assert remaining_of([key.key]) is None
    finally:
        store.rename(name("era", "away"), name("era"))


def test_a_smooth_limit_holds_its_burst(acme: Cast) -> None:
    key = acme.issue(limits=[body("smooth", 10, "minute", "smooth", burst=25)])
    assert left(key)[0].full == 25
    assert replace(left(key)[0], burst=None).full == 10
