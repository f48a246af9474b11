"""I1 after Redis lost its memory: only what was granted since the last drain is granted twice."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis
from psycopg_pool import AsyncConnectionPool

from keys.codes import Code
from keys.decision.link import Link
from keys.decision.script import StoreUnavailable
from keys.draining.restoring import Restorer
from keys.issuing import Issued
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.model import Limit
from tests.invariants.scripted import Script, smooth
from tests.invariants.traffic import (
    Demand,
    Gate,
    Logged,
    Told,
    assert_never_faster,
    assert_replays,
    body,
    drive,
    granted,
    lasting,
    logged,
    read_log,
    seeded,
    these,
)
from tests.processes import CheckServer, check_servers, drain_process

Fleet = list[CheckServer]
Owner = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with check_servers(4) as running:
        yield running


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture
def script(checker: CheckServer) -> Iterator[Script]:
    script = Script()
    yield script
    script.close()


def forget(keys: list[Issued]) -> list[Logged]:
    """Redis loses everything; what nobody had drained of these keys."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        pipe = store.pipeline(transaction=True)
        pipe.xrange(name("log"))
        pipe.flushdb()
        return read_log(pipe.execute()[0], keys)


def written(owner_db: Owner, keys: list[Issued]) -> list[Logged]:
    """What the drain wrote of these keys, by time, grants first within a millisecond."""
    rows = owner_db.execute(
        "SELECT round(extract(epoch FROM at) * 1000)::bigint, code, key_id, units, id"
        " FROM keys_decision WHERE key_id = ANY(%s)",
        [[issued.key.id for issued in keys]],
    ).fetchall()
    found = [Logged(at, Code[code], key, units, id) for at, code, key, units, id in rows]
    return sorted(found, key=lambda d: (d.at, -d.code))


def allowed(told: list[Told]) -> set[str]:
    return {answer.body["decision_id"] for answer in told if answer.body.get("allowed")}


def ones(keys: list[Issued], count: int) -> Callable[[], Demand | None]:
    return these([(keys[n % len(keys)], {"requests": 1}) for n in range(count)])


@pytest.mark.parametrize("undrained", [0, 60])
def test_after_a_loss_exactly_what_was_not_drained_is_granted_again(
    acme: Cast, fleet: Fleet, drained: Callable[[], None], undrained: int
) -> None:
    keys = [acme.issue(limits=[body("m", 300, "month", "calendar", shared_by="tenant")])] * 2
    assert len(allowed(drive(fleet, acme, ones(keys, 100)))) == 100
    drained()
    drive(fleet, acme, ones(keys, undrained))
    assert granted(forget(keys)) == undrained
    drive(fleet, acme, ones(keys, 400))
    assert granted(logged(keys)) == 300 - 100


def test_a_loss_amid_traffic_grants_no_more_than_what_the_drain_had_not_seen(
    acme: Cast, fleet: Fleet, drained: Callable[[], None], owner_db: Owner
) -> None:
    chance = seeded()
    limits = [body("m", 700, "month", "calendar", shared_by="tenant")]
    keys = [acme.issue(limits=limits) for _ in range(3)]
    lost: list[Logged] = []
    loss = threading.Thread(target=lambda: lost.extend(forget(keys)))
    asked = 0

    def demand() -> Demand:
        nonlocal asked
        asked += 1
        if asked == 120:
            loss.start()
        return chance.choice(keys), {"requests": chance.choice((1, 7))}

    with drain_process():
        told = drive(fleet, acme, lasting(1.6, demand))
    loss.join()
    drained()
    ever = {d.id: d for d in [*written(owner_db, keys), *lost]}
    assert allowed(told) <= {d.id for d in ever.values() if d.code is Code.OK}
    assert 700 <= granted([*ever.values()]) <= 700 + granted(lost)
    assert {answer.status for answer in told} <= {200, 503}


def test_an_era_that_ends_while_the_counters_stay_grants_nothing_twice(
    acme: Cast, fleet: Fleet, drained: Callable[[], None], owner_db: Owner, store: "redis.Redis"
) -> None:
    limits = [body("m", 300, "month", "calendar"), body("s", 200, "second", "smooth", burst=45)]
    key = acme.issue(limits=limits)
    before = store.get(name("era"))
    ends = [threading.Timer(after, store.delete, [name("era")]) for after in (0.3, 0.6, 0.7)]
    for end in ends:
        end.start()
    told = drive(fleet, acme, lasting(2, lambda: (key, {"requests": 1})))
    assert store.get(name("era")) not in (None, before)
    drained()
    decisions = written(owner_db, [key])
    assert granted(decisions) == 300
    assert allowed(told) <= {d.id for d in decisions if d.code is Code.OK}
    assert_never_faster(decisions, limits[1])
    assert_replays(decisions, {key.key.id: [("requests", Limit.of(key.key.id, x)) for x in limits]})


def test_a_bucket_older_than_the_era_holds_what_refilled_since(
    acme: Cast, gate: Gate, script: Script
) -> None:
    limits = [body("s", 60, "minute", "smooth", burst=40)]
    old = acme.issue(limits=limits)
    assert gate.check(old, {"requests": 1}).body["limits"][0]["remaining"] == 39
    forget([old])
    refused = gate.check(old).body
    assert (refused["code"], refused["retry_after"]) == ("RATE_LIMITED", 1)
    young = acme.issue(limits=limits)
    assert gate.check(young).body["limits"][0]["remaining"] == 39
    era: Any = script.store.get(name("era"))
    began = int(era.rpartition(b":")[2])
    for passed, left in ((29_999, 29), (30_000, 30), (39_000, 39), (10**9, 40)):
        script.freeze(began + passed)
        answer = gate.check(old, {"requests": 0}).body
        assert answer["limits"][0]["remaining"] == left
    assert gate.check(old, {"requests": 40}).body["code"] == "OK"


def test_a_bucket_that_never_refills_is_empty_after_a_loss(acme: Cast, gate: Gate) -> None:
    key = acme.issue(limits=[body("s", 0, "day", "smooth", burst=5)])
    assert gate.check(key).body["code"] == "OK"
    forget([key])
    refused = gate.check(key).body
    assert (refused["code"], refused["retry_after"]) == ("RATE_LIMITED", None)


def test_an_era_begins_no_earlier_than_the_last_moment_that_was_decided(
    acme: Cast, gate: Gate, script: Script
) -> None:
    """Redis' clock went back an hour: that hour has refilled its buckets already."""
    key = acme.issue(limits=[body("s", 60, "minute", "smooth")])
    time: Any = script.store.time()
    ahead = (time[0] + 3_600) * 1_000
    try:
        script.freeze(ahead)
        script.store.delete(name("era"))
        assert gate.check(key).body["code"] == "RATE_LIMITED"
        script.freeze(ahead + 2_000)
        assert gate.check(key, {"requests": 0}).body["limits"][0]["remaining"] == 2
    finally:
        forget([key])  # an era that begins in an hour is no place for other tests
        gate.check(key)


def test_without_an_era_the_script_decides_and_keeps_nothing(script: Script) -> None:
    limit = smooth(9)
    era: Any = script.store.getdel(name("era"))
    answer = script.ask([0, [], Code.OK, [], limit.packed, [1], True, "an entry"])
    script.store.set(name("era"), era)
    assert answer.answers == [[6]]
    assert not script.store.exists(name("b", limit.counter))
    assert script.decide([limit], [9]).code is Code.OK


def test_a_restoration_that_fails_leaves_the_next_one_free_to_begin(
    checker: CheckServer, store: "redis.Redis"
) -> None:
    async def restore(url: str) -> None:
        link = Link(os.environ["REDIS_URL"], 5)
        async with AsyncConnectionPool(url, min_size=1, open=False, timeout=0.3) as pool:
            try:
                await Restorer(link, pool)()
            finally:
                link.close()

    store.delete(name("era"))
    with pytest.raises(StoreUnavailable):
        asyncio.run(restore("postgresql://nobody@127.0.0.1:1/nothing"))
    asyncio.run(restore(os.environ["DATABASE_CHECK_URL"]))
    assert store.exists(name("era"))


def test_scripts_flushed_amid_traffic_change_nothing(
    acme: Cast, fleet: Fleet, store: "redis.Redis"
) -> None:
    key = acme.issue(limits=[body("m", 300, "month", "calendar")])
    over = threading.Event()

    def flush() -> None:
        while not over.wait(0.02):
            store.script_flush()

    flushing = threading.Thread(target=flush)
    flushing.start()
    told = drive(fleet, acme, ones([key], 600))
    over.set()
    flushing.join()
    assert granted(logged([key])) == 300
    assert len(allowed(told)) <= 300
