"""Many threads through several check processes, and what they were told and what was recorded."""

import json
import os
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import redis

from keys.codes import Code
from keys.draining.rollup import Entry
from keys.issuing import Issued
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.model import LENGTH, Limit, Model
from tests.processes import CheckServer

THREADS: Final = 16
"""For each check process, every one with a connection of its own."""
Demand = tuple[Issued, dict[str, int]]


class Logged(NamedTuple):
    """One decision as the script logged it, in the order in which it decided."""

    at: int
    code: Code
    key: str
    units: dict[str, int]
    id: str


class Told(NamedTuple):
    """One answer as a gateway got it."""

    status: int
    body: dict[str, Any]


def seeded() -> random.Random:
    """Chance that a failed run prints and that SEED repeats."""
    seed = int(os.environ.get("SEED") or secrets.randbits(32))
    print(f"SEED={seed}")
    return random.Random(seed)


def body(
    limit_name: str, amount: int, window: str, algorithm: str, *, unit: str = "requests",
    shared_by: str = "key", burst: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A limit's REST body."""
    members: dict[str, Any] = {
        "name": limit_name, "unit": unit, "amount": amount, "window": window,
        "algorithm": algorithm, "shared_by": shared_by,
    }  # fmt: skip
    return members if burst is None else {**members, "burst": burst}


class Gate:
    """One connection to one check server, with a gateway's credential."""

    def __init__(self, server: CheckServer, cast: Cast) -> None:
        self.server, self.connection = server, server.connect()
        self.headers = {
            "Authorization": f"Bearer {cast.gateway_token}", "Content-Type": "application/json",
        }  # fmt: skip

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def check(self, key: Issued, usage: dict[str, int] | None = None, **more: Any) -> Told:
        """One check."""
        question = {"key": key.secret.reveal(), **more}
        if usage is not None:
            question["usage"] = usage
        status, _, content = self.server.call(
            "POST", "/v1/keys/check", headers=self.headers, body=json.dumps(question).encode(),
            connection=self.connection,
        )  # fmt: skip
        return Told(status, json.loads(content))


def drive(
    fleet: Sequence[CheckServer], cast: Cast, next_demand: Callable[[], Demand | None]
) -> list[Told]:
    """16 threads a process ask until there is no next demand; every answer, in no order."""
    told: list[list[Told]] = [[] for _ in range(len(fleet) * THREADS)]
    start = threading.Barrier(len(told))
    lock = threading.Lock()

    def work(place: int) -> None:
        with Gate(fleet[place % len(fleet)], cast) as gate:
            start.wait(30)
            while True:
                with lock:
                    demand = next_demand()
                if demand is None:
                    break
                told[place].append(gate.check(*demand))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(told))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [answer for answers in told for answer in answers]


def these(demands: Sequence[Demand]) -> Callable[[], Demand | None]:
    """Each of them once."""
    left = iter(demands)
    return lambda: next(left, None)


def lasting(seconds: float, choose: Callable[[], Demand]) -> Callable[[], Demand | None]:
    """As many as fit into so many seconds from the first."""
    until: list[float] = []

    def more() -> Demand | None:
        until[:] = until or [time.monotonic() + seconds]
        return choose() if time.monotonic() < until[0] else None

    return more


_packs = msgspec.msgpack.Decoder(list[tuple[str, int, int, list[Any]]])
_entry = msgspec.json.Decoder(Entry)


def logged(keys: Sequence[Issued]) -> list[Logged]:
    """What the script logged about these keys and nobody drained yet, in its own order."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        rows: Any = store.xrange(name("log"))
    return read_log(rows, keys)


def read_log(rows: Any, keys: Sequence[Issued]) -> list[Logged]:
    """The stream's entries as decisions on these keys."""
    wanted = {issued.key.id for issued in keys}
    found = []
    for _, fields in rows:
        for text, rank, at, _ in _packs.decode(fields[b"d"]):
            entry = _entry.decode(text)
            if entry.key in wanted:
                found.append(Logged(at, Code(rank), entry.key, entry.usage, entry.id))
    return found


@contextmanager
def clock_at(moment: int) -> Iterator[None]:
    """It is `moment` (milliseconds since 1970) and time goes on from there."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        seconds, micros = store.time()
        store.delete(name("clock"))
        store.set(name("offset"), moment - seconds * 1000 - micros // 1000)
        try:
            yield
        finally:
            store.delete(name("offset"), name("clock"))


def granted(decisions: Sequence[Logged], unit: str = "requests") -> int:
    """Units of what was allowed."""
    return sum(d.units.get(unit, 0) for d in decisions if d.code is Code.OK)


def assert_told_as_logged(told: Sequence[Told], decisions: Sequence[Logged]) -> None:
    """No answer says more than the log; a 503 is never an allow."""
    codes = {d.id: d.code.name for d in decisions}
    for answer in told:
        if answer.status == 503:
            assert answer.body["code"] == "STORE_UNAVAILABLE"
            continue
        assert answer.status == 200
        assert codes[answer.body["decision_id"]] == answer.body["code"]
        assert answer.body["allowed"] is (answer.body["code"] == "OK")


def assert_never_faster(
    decisions: Sequence[Logged], definition: dict[str, Any], unit: str = "requests"
) -> None:
    """Over all pairs of grants: units in an interval of length d <= burst + floor(d·amount/window).

    Multiplied out, with the sum up to each grant, that is a comparison with the least earlier
    value: exact in integers, in one pass.
    """
    amount, window = definition["amount"], LENGTH[definition["window"]]
    room = definition.get("burst", amount) * window
    total, least = 0, 10**30
    for at, units in ((d.at, d.units.get(unit, 0)) for d in decisions if d.code is Code.OK):
        least = min(least, total * window - at * amount)
        total += units
        assert total * window - at * amount - least <= room, f"too much by {at}"


def assert_replays(decisions: Sequence[Logged], limits: dict[str, list[tuple[str, Limit]]]) -> None:
    """Code by code what the model says: nothing too much, and nothing refused that was due.

    `limits`: for each key's id the units and limits that it is under.
    """
    model = Model()
    for place, d in enumerate(decisions):
        costs = [d.units.get(unit) for unit, _ in limits[d.key]]
        expected = model.decide([limit for _, limit in limits[d.key]], d.at, costs)
        assert d.code is expected.code, f"decision {place} at {d.at} for {d.units}: {d}"
