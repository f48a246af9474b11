"""Limits as a state machine over real processes: asked anywhere, changed, flushed, they agree.

What test_limits_model.py shows of the script alone, of the product around it: snapshots, verbs,
batches, the drain, and what comes back after a loss.
"""

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from keys.changing import change_key
from keys.codes import Code
from keys.definitions import parse_key_patch, parse_limit_patch
from keys.limits import change_shared_limit
from keys.models import Limit as Row
from portal.core.clock import UTC, milliseconds
from portal.core.ids import base62
from portal.core.names import name
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast, make_cast
from tests.fuzz.effort import MORE
from tests.invariants.drains import drain_all
from tests.invariants.model import NEVER, Limit, Model, Outcome
from tests.invariants.test_limits_model import AMOUNTS, LIMITS, STEPS
from tests.invariants.traffic import Gate, Told, body
from tests.processes import check_servers

KEYS, PROCESSES, OWN = 2, 3, 4
"""Keys, check processes, and the most limits of a key's own."""
UNITS = st.sampled_from(["requests", "tokens"])
COSTS = st.one_of(st.integers(0, 3), st.integers(1, 9), st.sampled_from([50, 777]))
USAGE = st.none() | st.dictionaries(UNITS, COSTS, max_size=2)
KEY = st.integers(0, KEYS - 1)
EVERYWHERE: list[dict[str, int] | None] = [{"requests": 0, "tokens": 0}] * PROCESSES
SETS = st.lists(st.tuples(LIMITS, UNITS), max_size=2)
BACK = st.sampled_from([3_600_000, 86_400_000, 10**13])
YEAR = dt.datetime.now(UTC).year + 1
"""Played in years to come: what PostgreSQL's own clock says is over does not come back."""
BEGINNINGS = [
    milliseconds(dt.datetime(YEAR, 12, 31, 23, 59, 59, tzinfo=UTC)) + 990,
    milliseconds(dt.datetime(YEAR, 3, 1, tzinfo=UTC)) - 700,
    milliseconds(dt.datetime(YEAR + 1, 5, 17, 12, 30, tzinfo=UTC)),
]


class Limits(RuleBasedStateMachine):
    """A tenant whose keys are each under limits of their own and some that they share."""

    gates: list[Gate]
    cast: Cast
    store: "redis.Redis"

    @initialize(
        shared=SETS, own=st.lists(SETS, min_size=KEYS, max_size=KEYS),
        now=st.sampled_from(BEGINNINGS), back=BACK,
    )  # fmt: skip
    def keys_are_issued(self, shared: Any, own: Any, now: int, back: int) -> None:
        run = base62(6)  # the tenant is every run's, and shares limits by name
        self.shared = [
            {**defined(f"{run} {n}", *x), "shared_by": "tenant"} for n, x in enumerate(shared)
        ]
        self.own = [[defined(f"own {n}", *x) for n, x in enumerate(limits)] for limits in own]
        self.joined = [set(range(len(shared))) for _ in own]
        self.left: list[list[dict[str, Any]]] = [[] for _ in own]
        self.named = OWN
        self.keys = [self.cast.issue(scopes=["chat:write"], limits=x) for x in self.under()]
        self.model, self.now = Model(), now
        self.drained: dict[tuple[str, int], int] = {}
        self.redis_loses_its_memory(back=back, gate=0, drained=False)

    def under(self) -> list[list[dict[str, Any]]]:
        return [
            [*(self.shared[place] for place in sorted(joined)), *own]
            for joined, own in zip(self.joined, self.own, strict=True)
        ]

    def put_under(self, key: int) -> None:
        """The key's limits are what they are here, and every process knows it."""
        patch = parse_key_patch({"limits": self.under()[key]})
        done = change_key(actor=self.cast.owner, key_id=self.keys[key].key.id, patch=patch)
        assert done.propagation == "complete"
        self.a_key_is_checked(0, key, EVERYWHERE, refused=False)

    def freeze(self, back: int, *, flush: bool = False) -> None:
        """It is `now`, and Redis' own clock stands `back` milliseconds before."""
        clock: Any = self.store.time()
        pipe: Any = self.store.pipeline(transaction=True)
        if flush:
            pipe.flushdb()
        offset = self.now - back - clock[0] * 1000
        pipe.mset({name("offset"): offset, name("clock"): self.now}).execute()

    @rule(passed=STEPS, back=BACK)
    def time_passes(self, passed: int, back: int) -> None:
        self.now += passed
        self.freeze(back)

    def expected(self, key: int, usage: dict[str, int] | None, rank: Code) -> Outcome:
        limits = self.under()[key]
        owners = [self.cast.tenant.id if x["shared_by"] == "tenant" else self.keys[key].key.id
                  for x in limits]  # fmt: skip
        costs = [({"requests": 1} if usage is None else usage).get(x["unit"]) for x in limits]
        read = [Limit.of(owner, x) for owner, x in zip(owners, limits, strict=True)]
        return self.model.decide(read, self.now, costs, rank=rank)

    @rule(
        gate=st.integers(0, PROCESSES - 1), key=KEY, usages=st.lists(USAGE, min_size=2, max_size=6),
        refused=st.sampled_from([False, False, False, True]),
    )  # fmt: skip
    def a_key_is_checked(
        self, gate: int, key: int, usages: list[dict[str, int] | None], refused: bool
    ) -> None:
        for place, usage in enumerate(usages):
            asked = {"scopes": ["files:write"]} if refused else {}
            told = self.gates[(gate + place) % PROCESSES].check(self.keys[key], usage, **asked)
            rank = Code.SCOPE_MISSING if refused else Code.OK
            assert_same(told, self.expected(key, usage, rank))

    @rule(key=KEY, usage=USAGE, times=st.integers(2, 9))
    def a_key_is_checked_everywhere_at_once(
        self, key: int, usage: dict[str, int] | None, times: int
    ) -> None:
        with ThreadPoolExecutor(times) as pool:
            told = [*pool.map(lambda gate: gate.check(self.keys[key], usage), self.gates[:times])]
        due = [self.expected(key, usage, Code.OK) for _ in range(times)]
        assert Counter(x.body["code"] for x in told) == Counter(x.code.name for x in due)

    @rule(key=KEY, place=st.integers(0, OWN - 1), amount=AMOUNTS, burst=AMOUNTS)
    def a_keys_own_limit_is_changed(self, key: int, place: int, amount: int, burst: int) -> None:
        if place < len(self.own[key]):
            self.own[key][place] = changed(self.own[key][place], amount, burst)
            self.put_under(key)

    @rule(key=KEY, limit=LIMITS, unit=UNITS, first=st.booleans())
    def a_key_gets_one_more(self, key: int, limit: Limit, unit: str, first: bool) -> None:
        if len(self.own[key]) < OWN:
            self.named += 1
            place = 0 if first else len(self.own[key])
            self.own[key].insert(place, defined(f"own {self.named}", limit, unit))
            self.put_under(key)

    @rule(key=KEY, place=st.integers(0, OWN - 1))
    def a_key_loses_one(self, key: int, place: int) -> None:
        if place < len(self.own[key]):
            self.left[key].append(self.own[key].pop(place))
            self.put_under(key)

    @rule(key=KEY, amount=AMOUNTS, burst=AMOUNTS)
    def a_key_gets_one_back(self, key: int, amount: int, burst: int) -> None:
        """The same counter: what was counted before it went is counted still."""
        if self.left[key] and len(self.own[key]) < OWN:
            self.own[key].append(changed(self.left[key].pop(), amount, burst))
            self.put_under(key)

    @rule(key=KEY, place=st.integers(0, 1))
    def a_key_leaves_or_joins_a_shared_one(self, key: int, place: int) -> None:
        if place < len(self.shared):
            self.joined[key] ^= {place}
            self.put_under(key)

    @rule(place=st.integers(0, 1), amount=AMOUNTS, burst=AMOUNTS)
    def a_shared_limit_is_changed(self, place: int, amount: int, burst: int) -> None:
        if place < len(self.shared):
            now = self.shared[place] = changed(self.shared[place], amount, burst)
            with tenant_scope(self.cast.tenant.id):
                row = Row.objects.get(tenant_id=self.cast.tenant.id, key=None, name=now["name"])
            patch = parse_limit_patch({m: now[m] for m in ("amount", "burst") if m in now})
            change_shared_limit(actor=self.cast.owner, limit_id=row.id, patch=patch)
            for key in range(KEYS):
                self.a_key_is_checked(0, key, EVERYWHERE, refused=False)

    @rule()
    def the_drain_runs(self) -> None:
        drain_all()
        self.drained = dict(self.model.used)

    @rule(back=BACK, gate=st.integers(0, PROCESSES - 1), drained=st.booleans())
    def redis_loses_its_memory(self, back: int, gate: int, drained: bool) -> None:
        """What was not drained is granted again; buckets of older limits begin empty."""
        if drained:
            self.the_drain_runs()
        self.freeze(back, flush=True)
        assert self.gates[gate].check(self.keys[0], {"requests": 0, "tokens": 0}).status == 200
        era: Any = self.store.get(name("era"))
        began = int(era.rpartition(":")[2])
        self.model.used = dict(self.drained)
        self.model.levels = Levels(began) if began else {}
        for key in range(KEYS):
            self.a_key_is_checked(gate, key, [{"requests": 1, "tokens": 1}], refused=False)


class Levels(dict[str, tuple[int, int]]):
    """Buckets that are empty since the era began, unless more is known of them."""

    def __init__(self, began: int) -> None:
        super().__init__()
        self.began = began

    def get(self, counter: str, default: Any = None) -> Any:
        """What is known, else nothing at the era's beginning."""
        return super().get(counter, (0, self.began))


def defined(title: str, limit: Limit, unit: str) -> dict[str, Any]:
    """A drawn limit as a REST body."""
    burst = limit.burst if limit.algorithm == "smooth" else None
    return body(title, limit.amount, limit.window, limit.algorithm, unit=unit, burst=burst)


def changed(limit: dict[str, Any], amount: int, burst: int) -> dict[str, Any]:
    """The same counter under another amount."""
    return {**limit, "amount": amount, **({"burst": burst} if "burst" in limit else {})}


def assert_same(told: Told, due: Outcome) -> None:
    """Code, wait and what is left, as the model has them."""
    assert (told.status, told.body["code"]) == (200, due.code.name)
    wait = None if due.wait in (NEVER, 0) else -(-due.wait // 1000)
    assert told.body["retry_after"] == wait
    shown = [n for x in told.body["limits"] for n in (x["remaining"], x["resets_in"])]
    assert shown == [n if i % 2 == 0 else -(-n // 1000) for i, n in enumerate(due.shown)]


@pytest.fixture(scope="module")
def machine() -> Iterator[type[Limits]]:
    with check_servers(PROCESSES) as fleet, redis.Redis.from_url(
        os.environ["REDIS_URL"], decode_responses=True
    ) as Limits.store:  # fmt: skip
        Limits.cast = make_cast("acme", owner="Ada")
        Limits.gates = [Gate(fleet[n % PROCESSES], Limits.cast) for n in range(9)]
        yield Limits
        # The next era begins now, and not in the years that were played here.
        Limits.store.flushdb()
        assert Limits.gates[0].check(Limits.cast.issue()).body["code"] == "OK"
        for gate in Limits.gates:
            gate.connection.close()


def test_processes_say_what_the_model_says(machine: type[Limits]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=MORE or 25, stateful_step_count=30, derandomize=not MORE, deadline=None,
            database=None, phases=[Phase.generate, *([Phase.shrink] if MORE else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
