"""I1, by real processes: exactly the amount, never less, however many ask at once.

Four check processes, sixteen threads each. What was decided is taken from the script's own log.
"""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from keys.codes import Code
from keys.issuing import Issued
from portal.core.clock import UTC, milliseconds
from tests.cast import Cast
from tests.invariants.model import Limit
from tests.invariants.traffic import (
    Demand,
    assert_never_faster,
    assert_replays,
    assert_told_as_logged,
    body,
    clock_at,
    drive,
    granted,
    lasting,
    logged,
    seeded,
    these,
)
from tests.processes import CheckServer, check_servers

Fleet = list[CheckServer]
NOON = milliseconds(dt.datetime(2030, 6, 15, 12, tzinfo=UTC))


@pytest.fixture(autouse=True)
def far_from_any_edge() -> Iterator[None]:
    with clock_at(NOON):
        yield


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with check_servers(4) as running:
        yield running


def issue(cast: Cast, limits: list[dict[str, Any]], count: int) -> list[Issued]:
    """So many keys of the tenant, each under these limits."""
    return [cast.issue(limits=limits) for _ in range(count)]


def under(
    cast: Cast, keys: list[Issued], limits: list[dict[str, Any]]
) -> dict[str, list[tuple[str, Limit]]]:
    """Each key's units and limits, for the model."""
    return {
        issued.key.id: [
            (x["unit"], Limit.of(issued.key.id if x["shared_by"] == "key" else cast.tenant.id, x))
            for x in limits
        ]
        for issued in keys
    }


def shuffled(chance: random.Random, keys: list[Issued], count: int, *costs: int) -> list[Demand]:
    return [(chance.choice(keys), {"requests": chance.choice(costs)}) for _ in range(count)]


@pytest.mark.parametrize("cost", [1, 7])
@pytest.mark.parametrize(("shared_by", "keys"), [("key", 1), ("tenant", 4)])
def test_a_calendar_limit_grants_the_floor_of_amount_by_cost(
    acme: Cast, fleet: Fleet, cost: int, shared_by: str, keys: int,
    owner_db: psycopg.Connection[Any], drained: Callable[[], None],
) -> None:  # fmt: skip
    chance = seeded()
    amount = 200 * cost + cost // 2
    issued = issue(acme, [body("m", amount, "month", "calendar", shared_by=shared_by)], keys)
    told = drive(fleet, acme, these(shuffled(chance, issued, 500, cost)))
    decisions = logged(issued)
    assert_told_as_logged(told, decisions)
    codes = [d.code for d in decisions]
    assert codes[:200] == [Code.OK] * 200
    assert set(codes[200:]) == {Code.QUOTA_EXCEEDED}
    drained()
    of = issued[0].key.id if shared_by == "key" else acme.tenant.id
    counter = Limit.of(of, body("m", amount, "month", "calendar")).counter
    used = "SELECT used FROM keys_quotawindow WHERE counter = %s"
    assert owner_db.execute(used, [counter]).fetchall() == [(200 * cost,)]


@pytest.mark.parametrize("costs", [(1,), (7,), (1, 7)])
@pytest.mark.parametrize("shared_by", ["key", "tenant"])
def test_a_smooth_limit_is_never_faster_and_never_slower_than_its_bucket(
    acme: Cast, fleet: Fleet, costs: tuple[int, ...], shared_by: str
) -> None:
    chance = seeded()
    rate = 40 * max(costs)
    limits = [body("s", rate, "second", "smooth", shared_by=shared_by, burst=rate // 3)]
    keys = issue(acme, limits, 1 if shared_by == "key" else 3)
    more = lasting(0.8, lambda: (chance.choice(keys), {"requests": chance.choice(costs)}))
    told = drive(fleet, acme, more)
    decisions = logged(keys)
    assert_told_as_logged(told, decisions)
    assert {d.code for d in decisions} == {Code.OK, Code.RATE_LIMITED}
    assert_never_faster(decisions, limits[0])
    assert_replays(decisions, under(acme, keys, limits))


def test_several_limits_at_once_are_each_exact(acme: Cast, fleet: Fleet) -> None:
    chance = seeded()
    limits = [
        body("smooth", 300, "second", "smooth", burst=40),
        body("day", 2_000, "day", "calendar", unit="tokens"),
        body("all", 250, "month", "calendar", shared_by="tenant"),
        body("all-tokens", 9_000, "second", "smooth", unit="tokens", shared_by="tenant"),
    ]
    keys = issue(acme, limits, 3)

    def demand() -> Demand:
        usage = {"requests": chance.choice((1, 1, 7)), "tokens": chance.choice((0, 3, 70))}
        # A unit that is not stated must have something left, and takes nothing.
        for unit in chance.sample(sorted(usage), chance.choice((0, 0, 1))):
            del usage[unit]
        return chance.choice(keys), usage

    told = drive(fleet, acme, lasting(1.5, demand))
    decisions = logged(keys)
    assert_told_as_logged(told, decisions)
    assert_replays(decisions, under(acme, keys, limits))
    assert granted(decisions) == 250
    assert_never_faster(decisions, limits[3], "tokens")
    for issued in keys:
        own = [d for d in decisions if d.key == issued.key.id]
        assert_never_faster(own, limits[0])
        assert granted(own, "tokens") <= 2_000
    assert {d.code for d in decisions} == {Code.OK, Code.RATE_LIMITED, Code.QUOTA_EXCEEDED}


def test_two_tenants_with_equal_limits_never_spend_each_others(
    acme: Cast, globex: Cast, fleet: Fleet
) -> None:
    chance = seeded()
    limits = [body("all", 50, "day", "calendar", shared_by="tenant")]
    ours, theirs = issue(acme, limits, 2), issue(globex, limits, 1)
    drive(fleet, acme, these(shuffled(chance, ours, 120, 1)))
    assert granted(logged(ours)) == 50
    drive(fleet, globex, these(shuffled(chance, theirs, 80, 1)))
    assert granted(logged(theirs)) == 50
