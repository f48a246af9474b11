"""Limits as a state machine: whatever is asked, changed and waited, script and model agree."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from keys.codes import Code
from portal.core.ids import base62
from tests.fuzz.effort import MORE
from tests.invariants.model import LENGTH, Limit, Model, changed
from tests.invariants.scripted import Script
from tests.processes import CheckServer

MOST = 104_249_991  # the largest amount of a smooth limit by day
AMOUNTS = st.one_of(
    st.integers(5, 40), st.sampled_from([97, 1_000, 12_345, 12_345]), st.sampled_from([0, 1, MOST])
)
COSTS = st.one_of(st.integers(1, 9), st.integers(0, 3), st.sampled_from([None, 50, 777, MOST]))
STEPS = st.one_of(
    st.integers(0, 3),
    st.integers(4, 3_000),
    st.integers(3_000, 200_000),
    st.sampled_from([3_600_000, 86_400_000, 31 * 86_400_000]),
)
LIMITS = st.one_of(
    st.builds(
        Limit, st.just(""), st.just("calendar"), AMOUNTS, st.sampled_from([*LENGTH, "month"])
    ),
    st.builds(Limit, st.just(""), st.just("smooth"), AMOUNTS, st.sampled_from([*LENGTH]), AMOUNTS),
)
KEYS = 3
DEMANDS = st.tuples(
    st.integers(0, KEYS - 1),
    st.lists(COSTS, min_size=4, max_size=4),
    st.booleans(),
    st.sampled_from(["spend", "spend", "spend", "spend", "dry run", "refused"]),
    st.integers(0, 400),
)


class Limits(RuleBasedStateMachine):
    """Three keys, each under some of its own limits and some of the ones that all share."""

    script: Script

    @initialize(
        shared=st.lists(LIMITS, min_size=1, max_size=2),
        own=st.lists(st.lists(LIMITS, max_size=2), min_size=KEYS, max_size=KEYS),
        now=st.sampled_from([1_830_297_599_990, 1_861_919_999_500, 1_900_000_000_000]),
    )
    def limits(self, shared: list[Limit], own: list[list[Limit]], now: int) -> None:
        run = base62(8)
        self.limits_: list[Limit] = []
        for place, limit in enumerate([*shared, *(x for limits in own for x in limits)]):
            named = Limit(
                f"{run}-{place}", limit.algorithm, limit.amount, limit.window, limit.burst
            )
            self.limits_.append(named)
        self.under: list[list[int]] = []
        begin = len(shared)
        for limits in own:
            self.under.append([*range(len(shared)), *range(begin, begin + len(limits))])
            begin += len(limits)
        self.model, self.now = Model(), now

    @rule(passed=STEPS)
    def time_passes(self, passed: int) -> None:
        self.now += passed

    @rule(data=st.data(), amount=AMOUNTS, burst=AMOUNTS)
    def a_limit_is_changed(self, data: Any, amount: int, burst: int) -> None:
        place = data.draw(st.integers(0, len(self.limits_) - 1))
        self.limits_[place] = changed(self.limits_[place], amount=amount, burst=burst)

    @rule(demands=st.lists(DEMANDS, min_size=4, max_size=12))
    def keys_are_checked(self, demands: list[tuple[int, list[int | None], bool, str, int]]) -> None:
        for key, drawn, turned, kind, passed in demands:
            limits = [self.limits_[place] for place in self.under[key]][:: -1 if turned else 1]
            costs, spend = drawn[: len(limits)], kind != "dry run"
            rank = Code.SCOPE_MISSING if kind == "refused" else Code.OK
            said = self.script.decide(limits, costs, rank=rank, spend=spend)
            assert said == self.model.decide(limits, self.now, costs, rank=rank, spend=spend)
            self.now += passed
            self.script.freeze(self.now)

    @invariant()
    def it_is_as_late_as_it_is(self) -> None:
        if hasattr(self, "now"):
            self.script.freeze(self.now)


@pytest.fixture
def machine(checker: CheckServer) -> Any:
    Limits.script = Script()
    yield Limits
    Limits.script.close()


def test_the_script_says_what_the_model_says(machine: type[Limits]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=MORE or 40, stateful_step_count=40, derandomize=not MORE, deadline=None,
            database=None, phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
