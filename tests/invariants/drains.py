"""Drains that are ended in every way, and what PostgreSQL must have afterwards."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import redis

from keys.decision.link import Link
from keys.draining import stream
from keys.issuing import Issued
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.traffic import Gate, Told, body
from tests.plugin import ROOT
from tests.processes import CheckServer

Database = psycopg.Connection[Any]
LIMIT = body("all of it", 10**9, "day", "calendar", unit="tokens")
CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "m"}

# Forks drains, so that each begins within a millisecond: "kill SECONDS" or "stop STATEMENTS".
ZYGOTE = """
import asyncio, os, signal, sys, time
import psycopg
from keys.decision.link import Link
from keys.draining.__main__ import main

def counted(method, left):
    async def call(*arguments, **more):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return await method(*arguments, **more)
    return call

for line in sys.stdin:
    how, number = line.split()
    child = os.fork()
    if not child:
        if how == "stop":
            left = [int(number)]
            Link.call = counted(Link.call, left)
            psycopg.AsyncConnection.execute = counted(psycopg.AsyncConnection.execute, left)
        asyncio.run(main())
        os._exit(0)
    if how == "kill":
        time.sleep(float(number))
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@contextlib.contextmanager
def zygote() -> Iterator[Callable[[str], None]]:
    """`order("kill 0.01")`: a drain that begins now and is ended so."""
    process = subprocess.Popen(
        [sys.executable, "-c", ZYGOTE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdin and process.stdout

    def order(text: str) -> None:
        assert process.stdin and process.stdout
        print(text, file=process.stdin, flush=True)
        assert process.stdout.readline() == "ended\n"

    with process:
        yield order
        process.stdin.close()


async def _drain() -> None:
    link = Link(os.environ["REDIS_URL"], 5)
    url = os.environ["DATABASE_CHECK_URL"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        held = await stream.place(connection)
        era = (await link.call("GET", name("era"))).decode()
        await stream.trim_written(link, held, era)
        more = True
        while more:
            held, more = await stream.drain(link, connection, era, held)
    link.close()


async def left_over() -> list[tuple[str, int, int]]:
    """Of each entry that is left its id, decisions and bytes."""
    link = Link(os.environ["REDIS_URL"], 5)
    stretch = await stream.read(link, stream.START)
    link.close()
    return stretch.fill if stretch else []


def drain_all() -> None:
    """What is in the stream now, in this process."""
    asyncio.run(_drain())


class Load:
    """Threads that ask about one key until told to stop, and what they were told."""

    def __init__(self, server: CheckServer, cast: Cast, key: Issued, chance: random.Random) -> None:
        self.told: list[tuple[dict[str, int], Told]] = []
        self.ended = threading.Event()
        seeds = [chance.random() for _ in range(4)]
        work = (threading.Thread(target=self._work, args=(server, cast, key, s)) for s in seeds)
        self.threads = list(work)

    def _work(self, server: CheckServer, cast: Cast, key: Issued, seed: float) -> None:
        chance = random.Random(seed)
        with Gate(server, cast) as gate:
            while not self.ended.is_set():
                usage = {"tokens": chance.choice([0, 1, 7, 10**9])}
                self.told.append((usage, gate.check(key, usage, request=CHAT)))

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def assert_written_once(db: Database, key: Issued, told: list[tuple[dict[str, int], Told]]) -> None:
    """Decisions, windows, hours and last use are what was answered, one for one."""
    answered = {answer.body["decision_id"]: answer.body["code"] for _, answer in told}
    assert len(answered) == len(told) > 0
    rows = db.execute("SELECT id, code FROM keys_decision WHERE key_id = %s", [key.key.id])
    written = rows.fetchall()
    assert len(written) == len(told)
    assert dict(written) == answered
    granted = sum(usage["tokens"] for usage, answer in told if answer.body["code"] == "OK")
    windows = db.execute(
        "SELECT coalesce(sum(used), 0) FROM keys_quotawindow WHERE tenant_id = %s",
        [key.key.tenant_id],
    ).fetchone()
    assert windows == (granted,)
    hours = db.execute(
        "SELECT code, sum(decisions), coalesce(sum((units->>'tokens')::bigint), 0)"
        " FROM keys_hourlyusage WHERE key_id = %s GROUP BY code",
        [key.key.id],
    ).fetchall()
    assert {code: n for code, n, _ in hours} == dict(Counter(answered.values()))
    assert sum(units for *_, units in hours) == granted
    used = db.execute(
        "SELECT last_used_at = (SELECT max(at) FROM keys_decision d WHERE d.key_id = u.key_id AND"
        " code = 'OK') FROM keys_secretuse u WHERE key_id = %s",
        [key.key.id],
    ).fetchall()
    assert used == [(True,)]


def assert_empty(store: "redis.Redis") -> None:
    fill = store.mget(name("log:decisions"), name("log:bytes"))
    assert (store.xlen(name("log")), fill) == (0, ["0", "0"])


def issue(cast: Cast) -> Issued:
    return cast.issue(scopes=["chat:write"], limits=[LIMIT])
