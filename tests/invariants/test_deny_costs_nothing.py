"""I7: a refused request spends no quota, whichever limit or rule refuses and in whatever order."""

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from keys.codes import Code
from keys.decision.script import ERR
from keys.issuing import Issued
from keys.suspension import resume_key, suspend_key
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.model import NEVER
from tests.invariants.scripted import Script, calendar, check, smooth
from tests.invariants.traffic import Gate, body, drive, granted, logged, seeded, these
from tests.processes import CheckServer, check_servers

NOON = 1_830_340_800_000
CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}
RULES: dict[str, dict[str, Any]] = {
    "SCOPE_MISSING": {"scopes": ["models:read"]},
    "ROUTE_UNKNOWN": {"request": {**CHAT, "path": "/nowhere"}},
    "IP_NOT_ALLOWED": {"request": {**CHAT, "ip": "198.51.100.1"}},
    "MODEL_NOT_ALLOWED": {"request": {**CHAT, "model": "gpt-5"}},
    "ENVIRONMENT_MISMATCH": {"environment": "test"},
    "PURPOSE_UNKNOWN": {"subject": "user-42", "purpose": "training"},
}


@pytest.fixture
def script(checker: CheckServer) -> Iterator[Script]:
    script = Script()
    script.freeze(NOON)
    yield script
    script.close()


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture
def key(acme: Cast) -> Issued:
    return acme.issue(
        scopes=["chat:write"], allowed_cidrs=["203.0.113.0/24"], allowed_models=["gpt-4o"],
        limits=[
            body("own", 9, "month", "calendar"), body("rate", 9, "day", "smooth"),
            body("all", 9, "day", "calendar", shared_by="tenant"),
        ],
    )  # fmt: skip


@pytest.mark.parametrize("short", range(4))
def test_a_limit_that_refuses_leaves_the_others_as_they_were_in_any_order(
    script: Script, short: int
) -> None:
    limits = [calendar(9), smooth(9), calendar(9, "month"), smooth(9, "day", burst=9)]
    assert script.decide(limits, [3] * 4).code is Code.OK
    assert script.decide([limits[short]], [6]).code is Code.OK
    before = script.memory(limits)
    for order in permutations(range(4)):
        refused = script.decide([limits[place] for place in order], [1] * 4)
        assert refused.code in (Code.QUOTA_EXCEEDED, Code.RATE_LIMITED)
        assert refused.failed[::2] == [order.index(short) + 1]
        assert script.memory(limits) == before
    others = [limit for place, limit in enumerate(limits) if place != short]
    assert script.decide(others, [6] * 3).code is Code.OK


@pytest.mark.parametrize("costs", list(permutations([1, 10, None, 0])))
def test_a_cost_that_can_never_fit_spends_nothing_beside_ones_that_do(
    script: Script, costs: list[int | None]
) -> None:
    limits = [calendar(9), smooth(9), calendar(9, "month"), smooth(9, "day")]
    before = script.memory(limits)
    assert script.decide(limits, costs).wait == NEVER
    assert script.memory(limits) == before


@pytest.mark.parametrize("rank", [code for code in Code if code < Code.QUOTA_EXCEEDED])
def test_what_the_rules_refuse_is_not_charged(script: Script, rank: Code) -> None:
    limits = [calendar(9), smooth(9)]
    before = script.memory(limits)
    refused = script.decide(limits, [1, 1], rank=rank)
    assert (refused.code, refused.wait, refused.shown[::2]) == (rank, 0, [9, 9])
    assert script.memory(limits) == before


def test_an_end_that_has_passed_is_not_charged(script: Script) -> None:
    limits = [calendar(9), smooth(9)]
    before = script.memory(limits)
    ended = script.decide(limits, [1, 1], ends=[NOON, Code.KEY_EXPIRED])
    assert (ended.code, ended.shown[::2]) == (Code.KEY_EXPIRED, [9, 9])
    assert script.memory(limits) == before
    assert script.decide(limits, [1, 1], ends=[NOON + 1, Code.KEY_EXPIRED]).code is Code.OK


def test_refusals_do_not_hold_back_what_refills(script: Script) -> None:
    """A bucket that were written at every refusal would lose the part of a unit that is due."""
    limit = smooth(7, burst=7)
    assert script.decide([limit], [7]).code is Code.OK
    for passed in range(1, 8_572, 10):
        script.freeze(NOON + passed)
        assert script.decide([limit], [1]).code is Code.RATE_LIMITED
    script.freeze(NOON + 8_572)
    assert script.decide([limit], [1]).code is Code.OK


@pytest.mark.parametrize("value", ["words", "1.5", " 2", "7:7", "1:2:3:4"])
def test_a_counter_that_holds_no_number_spends_nothing_elsewhere(
    script: Script, value: str
) -> None:
    good, bad = [calendar(9), smooth(9)], [calendar(9), smooth(9)]
    script.store.set(name("q", bad[0].counter, str(NOON)), value)
    script.store.set(name("b", bad[1].counter), value)
    before = script.memory([*good, *bad])
    for broken in bad:
        assert script.ask(check([*good, broken], [1] * 3)).answers[0][0] == ERR
        assert script.memory([*good, *bad]) == before


@pytest.mark.parametrize("code", RULES)
def test_a_request_that_a_rule_refuses_leaves_every_limit(
    key: Issued, gate: Gate, code: str
) -> None:
    refused = gate.check(key, {"requests": 9}, **{"request": CHAT, **RULES[code]}).body
    assert (refused["code"], [x["remaining"] for x in refused["limits"]]) == (code, [9, 9, 9])
    assert gate.check(key, {"requests": 9}, request=CHAT).body["code"] == "OK"


def test_a_suspended_keys_requests_leave_every_limit(acme: Cast, key: Issued, gate: Gate) -> None:
    suspend_key(actor=acme.owner, key_id=key.key.id, reason="a test")
    assert gate.check(key, {"requests": 9}, request=CHAT).body["code"] == "KEY_SUSPENDED"
    resume_key(actor=acme.owner, key_id=key.key.id, reason="a test")
    assert gate.check(key, {"requests": 9}, request=CHAT).body["code"] == "OK"


def test_what_is_malformed_or_not_ours_to_ask_leaves_every_limit(
    key: Issued, gate: Gate, globex: Cast, checker: CheckServer
) -> None:
    assert gate.check(key, {"requests": -1}, request=CHAT).status == 400
    with Gate(checker, globex) as theirs:
        assert theirs.check(key, request=CHAT).body["code"] == "KEY_UNKNOWN"
    assert gate.check(key, {"requests": 9}, request=CHAT).body["code"] == "OK"


def test_refusals_among_many_threads_cost_the_granted_nothing(acme: Cast) -> None:
    chance = seeded()
    shared = body("all", 120, "month", "calendar", shared_by="tenant")
    spent = acme.issue(limits=[shared, body("own", 0, "day", "calendar")])
    slow = acme.issue(limits=[body("slow", 10, "day", "smooth"), shared])
    free = acme.issue(limits=[shared])
    demands = [(key, {"requests": 1}) for key in (spent, slow, free) for _ in range(200)]
    chance.shuffle(demands)
    with check_servers(4) as fleet:
        drive(fleet, acme, these(demands))
    decisions = logged([spent, slow, free])
    assert granted(decisions) == 120
    assert granted([d for d in decisions if d.key == slow.key.id]) <= 10
    assert {d.code for d in decisions if d.key == spent.key.id} == {Code.QUOTA_EXCEEDED}
