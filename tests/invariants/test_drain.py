"""The drain: whatever is killed when, PostgreSQL has what was answered, nothing less or twice."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest
import redis

from keys.decision.link import Link
from keys.draining import stream
from portal.core.ids import base62
from portal.core.names import name
from portal.core.tokens import checksum
from tests.cast import Cast
from tests.invariants.drains import (
    CHAT,
    Database,
    Load,
    assert_empty,
    assert_written_once,
    drain_all,
    issue,
    left_over,
    zygote,
)
from tests.invariants.traffic import Gate, seeded
from tests.processes import CheckServer, drain_process


def test_it_is_killed_sixty_times_under_load_and_nothing_is_lost_or_twice(
    acme: Cast, checker: CheckServer, owner_db: Database, store: "redis.Redis"
) -> None:
    chance, key = seeded(), issue(acme)
    with zygote() as order, Load(checker, acme, key, chance) as load:
        survived, life = 0, 0.06
        for kill in range(240):
            order(f"kill {chance.uniform(0, life)}")
            if kill < 59:
                continue
            held = owner_db.execute(
                "SELECT count(*) FROM keys_decision WHERE key_id = %s", [key.key.id]
            )
            survived = held.fetchall()[0][0]
            if survived:
                break
            life *= 1.1  # a machine so busy that none came as far as to write
    print(f"{len(load.told)} decisions, {survived} written by drains that were killed")
    assert survived > 0
    drain_all()
    assert_written_once(owner_db, key, load.told)
    assert_empty(store)


def test_it_ends_before_each_statement_in_turn(
    acme: Cast, checker: CheckServer, owner_db: Database, store: "redis.Redis"
) -> None:
    key, told = issue(acme), []
    with zygote() as order, Gate(checker, acme) as gate:
        for statements in (*range(12), *range(12)):
            for _ in range(3):
                told.append(({"tokens": 7}, gate.check(key, {"tokens": 7}, request=CHAT)))
            order(f"stop {statements}")
    drain_all()
    assert_written_once(owner_db, key, told)
    assert_empty(store)


def test_the_real_one_is_killed_and_two_at_once_go_on(
    acme: Cast, checker: CheckServer, owner_db: Database, store: "redis.Redis"
) -> None:
    chance, key = seeded(), issue(acme)
    with Load(checker, acme, key, chance) as load:
        with drain_process() as first:
            time.sleep(chance.uniform(0.5, 0.8))
            first.send_signal(signal.SIGKILL)
        with drain_process(), drain_process():
            time.sleep(2)
            load.__exit__()
            deadline = time.monotonic() + 10
            while store.xlen(name("log")) and time.monotonic() < deadline:
                time.sleep(0.02)
    assert_written_once(owner_db, key, load.told)
    assert_empty(store)


def test_what_two_drains_both_trim_is_taken_off_the_fill_once(
    acme: Cast, checker: CheckServer, store: "redis.Redis"
) -> None:
    async def overtaken() -> None:
        link = Link(os.environ["REDIS_URL"], 5)
        first = await stream.read(link, stream.START, most=2)
        assert first
        second = await stream.read(link, first.last, most=2)
        assert second
        await stream.trim(link, second)
        await stream.trim(link, first)
        await stream.trim(link, first)
        link.close()

    drain_all()
    key = issue(acme)
    for _ in range(5):
        checker.check(acme.gateway_token, key.secret.reveal())
    asyncio.run(overtaken())
    left = asyncio.run(left_over())
    assert len(left) == 1
    assert store.mget(name("log:decisions"), name("log:bytes")) == [str(n) for n in left[0][1:]]


def test_a_place_in_another_era_says_nothing_about_this_ones_entries(
    acme: Cast, checker: CheckServer, owner_db: Database
) -> None:
    key = issue(acme)
    drain_all()
    with Gate(checker, acme) as gate:
        told = [({"tokens": 7}, gate.check(key, {"tokens": 7}))]
    # Redis came back on a machine whose clock is behind, and nobody has drained there yet.
    owner_db.execute("UPDATE keys_drainposition SET era = 'gone:1', position = '9999999999999-0'")
    drain_all()
    assert_written_once(owner_db, key, told)


def unknown_key(code: str) -> str:
    """A key that nobody issued, or one that is mistyped."""
    text = f"csk_live_{base62(12)}_{base62(43)}"
    return text + (checksum(text) if code == "KEY_UNKNOWN" else "zzzzzz")


def waited_for(db: Database, query: str, *arguments: str) -> list[Any]:
    """The rows, as soon as there are any."""
    found: list[Any] = []
    deadline = time.monotonic() + 15
    while not found and time.monotonic() < deadline:
        time.sleep(0.02)
        found = db.execute(query, arguments).fetchall()
    return found


@pytest.mark.parametrize("code", ["KEY_UNKNOWN", "KEY_MALFORMED"])
def test_counts_of_unknown_keys_arrive(
    acme: Cast, checker: CheckServer, owner_db: Database, code: str
) -> None:
    for place in ("203.0.113.1", "203.0.113.2", "2001:db8::1"):
        answer = checker.check(acme.gateway_token, unknown_key(code), request={"ip": place})
        assert answer["code"] == code
    time.sleep(1.2 if code == "KEY_MALFORMED" else 0)
    with drain_process():
        waited_for(
            owner_db, "SELECT 1 FROM keys_unknownkeys WHERE gateway_id = %s", acme.gateway.id
        )
    found = owner_db.execute(
        "SELECT prefix, sum(checks)::int FROM keys_unknownkeys WHERE gateway_id = %s AND code = %s"
        " GROUP BY prefix ORDER BY prefix", [acme.gateway.id, code],
    ).fetchall()  # fmt: skip
    assert found == [("2001:db8::/48", 1), ("203.0.113.0/24", 2)]


def test_counts_of_a_day_without_a_drain_arrive_too(
    owner_db: Database, store: "redis.Redis"
) -> None:
    gateway, minute = f"gw_{base62(12)}", int(time.time() // 60 - 24 * 60) * 60_000
    store.hset(name("unknown", str(minute)), f"{gateway}|203.0.113.0/24|KEY_UNKNOWN", "7")
    store.expire(name("unknown", str(minute)), 60)
    with drain_process():
        found = waited_for(
            owner_db, "SELECT checks FROM keys_unknownkeys WHERE gateway_id = %s", gateway
        )
    assert found == [(7,)]


@pytest.mark.parametrize("code", ["KEY_UNKNOWN", "KEY_MALFORMED"])
def test_counts_are_bounded_whatever_is_guessed_from_where(
    acme: Cast, checker: CheckServer, store: "redis.Redis", code: str
) -> None:
    now = int(time.time() // 60) * 60_000
    minutes = [name("unknown", str(now + n * 60_000)) for n in range(2)]
    for minute in minutes:
        store.hset(minute, mapping={f"gw_x|{n}|KEY_UNKNOWN": 1 for n in range(4096)})
    checker.check(acme.gateway_token, unknown_key(code), request={"ip": "2001:db8:1::1"})
    time.sleep(1.2 if code == "KEY_MALFORMED" else 0)
    found: Any = [store.hkeys(minute) for minute in minutes]
    fields = {field for some in found for field in some}
    store.delete(*minutes)
    ours = {field for field in fields if field.startswith(acme.gateway.id)}
    assert ours == {f"{acme.gateway.id}|other|{code}"}
