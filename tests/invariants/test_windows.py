"""I1 at the edges: windows are UTC's, months have 28 to 31 days, and time never goes back."""

import calendar as months
import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from keys.changing import change_key
from keys.codes import Code
from keys.definitions import parse_key_patch, parse_limit_patch
from keys.limits import change_shared_limit
from portal.core.clock import UTC, milliseconds
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.model import LENGTH, NEVER, window_of
from tests.invariants.scripted import Script, calendar, smooth
from tests.invariants.traffic import (
    Gate,
    assert_never_faster,
    assert_told_as_logged,
    body,
    clock_at,
    drive,
    granted,
    lasting,
    logged,
    seeded,
)
from tests.processes import CheckServer, check_servers

DAY = LENGTH["day"]


@pytest.fixture
def script(checker: CheckServer) -> Iterator[Script]:
    script = Script()
    yield script
    script.close()


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture(scope="module")
def fleet() -> Iterator[list[CheckServer]]:
    with check_servers(4) as running:
        yield running


def utc(*moment: int) -> int:
    return milliseconds(dt.datetime(*moment, tzinfo=UTC))  # type: ignore[misc,arg-type]  # numbers


EDGES = [
    utc(2026, 12, 31), utc(2027, 1, 1), utc(2027, 3, 1), utc(2028, 2, 29), utc(2028, 3, 1),
    utc(2028, 5, 1), utc(2100, 3, 1), utc(2400, 2, 29), utc(2400, 3, 1),
]  # fmt: skip


@pytest.mark.parametrize("window", ["second", "minute", "hour", "day"])
@pytest.mark.parametrize("edge", EDGES)
def test_a_window_is_full_to_its_last_millisecond_and_empty_in_the_next(
    script: Script, window: str, edge: int
) -> None:
    limit = calendar(7, window)
    script.freeze(edge - 1)
    assert script.decide([limit], [7]) == (Code.OK, 0, [0, 1], [])
    assert script.decide([limit], [1]) == (Code.QUOTA_EXCEEDED, 1, [0, 1], [1, Code.QUOTA_EXCEEDED])
    script.freeze(edge)
    assert script.decide([limit], [7]) == (Code.OK, 0, [0, LENGTH[window]], [])
    script.freeze(edge + LENGTH[window] - 1)
    assert script.decide([limit], [1]).wait == 1


@pytest.mark.parametrize("years", [range(2027, 2041), range(2095, 2106), range(2396, 2402)])
def test_a_month_has_the_days_that_it_has(script: Script, years: range) -> None:
    limit = calendar(1, "month")
    for year in years:
        for month in range(1, 13):
            start, days = utc(year, month, 1), months.monthrange(year, month)[1]
            script.freeze(start)
            assert script.decide([limit], [1]) == (Code.OK, 0, [0, days * DAY], []), (year, month)
            script.freeze(start + days * DAY - 1)
            assert script.decide([limit], [1]).wait == 1, (year, month)


def test_an_edge_of_all_windows_at_once_renews_them_all(script: Script) -> None:
    limits = [calendar(5, window) for window in (*LENGTH, "month")]
    script.freeze(utc(2027, 1, 1) - 1)
    assert script.decide(limits, [5] * 5).shown == [0, 1] * 5
    script.freeze(utc(2027, 1, 1))
    assert script.decide(limits, [5] * 5).code is Code.OK
    assert script.decide(limits, [1] * 5).wait == 31 * DAY


def test_time_that_goes_back_gives_no_window_a_second_time(script: Script) -> None:
    limits, edge = [calendar(3), smooth(60, burst=3)], utc(2029, 7, 1)
    script.freeze(edge)
    assert script.decide(limits, [3, 3]).code is Code.OK
    script.store.set(name("offset"), edge - 30_000 - 10**13)
    assert script.decide(limits, [1, 1]).shown == [0, 60_000, 0, 3_000]
    assert script.ask().now == edge


def test_a_smooth_limit_knows_no_edge(script: Script) -> None:
    limit, edge = smooth(60, burst=10), utc(2027, 1, 1)
    script.freeze(edge - 1)
    assert script.decide([limit], [10]).code is Code.OK
    script.freeze(edge + 998)
    assert script.decide([limit], [1]) == (
        Code.RATE_LIMITED, 1, [0, 9_001], [1, Code.RATE_LIMITED],
    )  # fmt: skip
    script.freeze(edge + 999)
    assert script.decide([limit], [1]).code is Code.OK


@pytest.mark.parametrize(("burst", "at_once"), [(5, 5), (60, 60), (200, 200)])
def test_a_burst_is_what_may_come_at_once_smaller_or_larger_than_the_amount(
    script: Script, burst: int, at_once: int
) -> None:
    limit, now = smooth(60, burst=burst), utc(2027, 6, 1)
    script.freeze(now)
    assert script.decide([limit], [burst + 1]).wait == NEVER
    assert script.decide([limit], [at_once]).code is Code.OK
    assert script.decide([limit], [1]).wait == 1_000
    script.freeze(now + 10 * LENGTH["day"])
    assert script.decide([limit], [0]).shown == [burst, 0]


def test_an_amount_of_nothing_admits_only_nothing(script: Script) -> None:
    for limit in (calendar(0), smooth(0), smooth(60, burst=0)):
        assert script.decide([limit], [1]).wait == NEVER
        assert script.decide([limit], [None]).wait == NEVER
        assert script.decide([limit], [0]).code is Code.OK


def test_a_bucket_that_never_refills_is_spent_once(script: Script) -> None:
    limit, now = smooth(0, burst=5), utc(2027, 6, 1)
    script.freeze(now)
    assert script.decide([limit], [5]).code is Code.OK
    script.freeze(now + 300 * DAY)
    assert script.decide([limit], [1]) == (Code.RATE_LIMITED, NEVER, [0, 0], [1, Code.RATE_LIMITED])


def test_the_largest_smooth_limits_are_exact_to_the_unit(script: Script) -> None:
    """max(amount, burst) · window just below 2^53, where a double still knows every unit."""
    most = (2**53 - 1) // DAY
    for amount, burst in ((most, most), (1, most), (most, 1), (most - 6, most // 3)):
        limit, now = smooth(amount, "day", burst), utc(2027, 6, 1)
        script.freeze(now)
        assert script.decide([limit], [burst]).code is Code.OK
        due = -(-DAY // amount)
        script.freeze(now + due - 1)
        assert script.decide([limit], [1]).wait == 1
        script.freeze(now + due)
        assert script.decide([limit], [0]).shown[0] == min(burst, due * amount // DAY)


def test_a_unit_not_stated_needs_something_left_and_takes_nothing(script: Script) -> None:
    script.freeze(utc(2027, 6, 1, 12))
    for limit, code in ((calendar(2), Code.QUOTA_EXCEEDED), (smooth(2), Code.RATE_LIMITED)):
        for _ in range(5):
            assert script.decide([limit], [None]).shown[0] == 2
        assert script.decide([limit], [2]).code is Code.OK
        assert script.decide([limit], [None]).code is code
        assert script.decide([limit], [0]).code is Code.OK


def test_the_longest_wait_gives_code_and_wait(script: Script) -> None:
    script.freeze(utc(2027, 6, 1, 12, 0, 50))
    minute, day, slow = calendar(1), calendar(1, "day"), smooth(1, "hour")
    assert script.decide([minute, slow], [1, 1]).code is Code.OK
    later = script.decide([minute, slow], [1, 1])
    assert (later.code, later.wait) == (Code.RATE_LIMITED, 3_600_000)
    assert script.decide([minute, day], [0, 1]).code is Code.OK
    for limits in ([minute, slow, day], [day, slow, minute]):
        longest = script.decide(limits, [1, 1, 1])
        assert (longest.code, longest.wait) == (Code.QUOTA_EXCEEDED, DAY // 2 - 50_000)
        never = script.decide([*limits, smooth(3)], [1, 1, 1, 4])
        assert (never.code, never.wait) == (Code.RATE_LIMITED, NEVER)
    tie = script.decide([smooth(3), calendar(3)], [4, 4])
    assert (tie.code, tie.wait) == (Code.QUOTA_EXCEEDED, NEVER)


def test_waits_are_told_in_whole_seconds_rounded_up(acme: Cast, script: Script, gate: Gate) -> None:
    key = acme.issue(
        limits=[body("m", 1, "minute", "calendar"), body("s", 7, "minute", "smooth", burst=3)]
    )
    script.freeze(utc(2027, 1, 1) - 1)
    assert [x["resets_in"] for x in gate.check(key).body["limits"]] == [1, 9]
    refused = gate.check(key).body
    assert (refused["code"], refused["retry_after"]) == ("QUOTA_EXCEEDED", 1)
    script.freeze(utc(2027, 1, 1) + 30_500)
    assert gate.check(key, {"requests": 4}).body["retry_after"] is None
    assert gate.check(key).body["code"] == "OK"
    assert gate.check(key).body["retry_after"] == 30


def test_a_limit_with_another_amount_goes_on_counting(
    acme: Cast, script: Script, gate: Gate, owner_db: psycopg.Connection[Any]
) -> None:
    shared = body("all", 10, "month", "calendar", shared_by="tenant")
    own = body("own", 10, "hour", "smooth")
    key = acme.issue(limits=[shared, own])
    script.freeze(utc(2027, 6, 1))
    assert gate.check(key, {"requests": 8}).body["code"] == "OK"
    [(limit_id,)] = owner_db.execute(
        "SELECT id FROM keys_limit WHERE tenant_id = %s AND key_id IS NULL", [acme.tenant.id]
    ).fetchall()
    change_shared_limit(
        actor=acme.owner, limit_id=limit_id, patch=parse_limit_patch({"amount": 20})
    )
    shared["amount"], own["amount"] = 20, 9
    change_key(
        actor=acme.owner, key_id=key.key.id, patch=parse_key_patch({"limits": [own, shared]})
    )
    left = {x["name"]: x["remaining"] for x in gate.check(key, {"requests": 0}).body["limits"]}
    assert left == {"all": 12, "own": 2}
    change_shared_limit(actor=acme.owner, limit_id=limit_id, patch=parse_limit_patch({"amount": 5}))
    over = gate.check(key).body
    assert (over["code"], over["limits"][1]["remaining"]) == ("QUOTA_EXCEEDED", 0)


@pytest.mark.parametrize("edge", [utc(2028, 3, 1), utc(2027, 1, 1), utc(2027, 5, 1, 12, 30)])
def test_processes_that_cross_an_edge_grant_the_amount_on_each_side(
    acme: Cast, fleet: list[CheckServer], edge: int
) -> None:
    chance = seeded()
    limits = [
        body("minute", 40, "minute", "calendar"),
        body("month", 10**6, "month", "calendar", shared_by="tenant"),
        body("smooth", 10**6, "second", "smooth"),
    ]
    keys = [acme.issue(limits=limits) for _ in range(2)]
    with clock_at(edge - 700):
        told = drive(fleet, acme, lasting(1.5, lambda: (chance.choice(keys), {"requests": 1})))
    decisions = logged(keys)
    assert_told_as_logged(told, decisions)
    sides = Counter(
        (d.key, window_of("minute", d.at)[0] >= edge) for d in decisions if d.code is Code.OK
    )
    assert sides == {(key.key.id, after): 40 for key in keys for after in (False, True)}
    assert granted(decisions) == 160
    assert_never_faster(decisions, {"amount": 10**6, "window": "second"})
