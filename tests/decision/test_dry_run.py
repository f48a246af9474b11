"""`dry_run`: why would this be refused? All that would, in the contract's order, for free."""

from collections.abc import Iterator
from typing import Any

import pytest

from keys.codes import Code
from keys.suspension import suspend_key
from portal.core import configuration
from tests.cast import Cast
from tests.invariants.traffic import Gate, body, logged
from tests.processes import CheckServer

CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}
LIMITS = [
    body("rate", 5, "day", "smooth"),
    body("month", 5, "month", "calendar", shared_by="tenant"),
    body("tokens", 100, "month", "calendar", unit="tokens"),
]


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def codes(answer: dict[str, Any]) -> list[str]:
    """The codes of a dry run's failures."""
    return [failure["code"] for failure in answer["failures"]]


def test_a_dry_run_says_what_would_be_and_spends_nothing(acme: Cast, gate: Gate) -> None:
    key = acme.issue(scopes=["chat:write"], limits=LIMITS)
    for _ in range(7):
        answer = gate.check(key, {"requests": 5}, request=CHAT, dry_run=True).body
        assert (answer["allowed"], answer["code"], answer["failures"]) == (True, "OK", [])
        assert [x["remaining"] for x in answer["limits"]] == [5, 5, 100]
    assert gate.check(key, {"requests": 5}, request=CHAT).body["code"] == "OK"


def test_a_dry_run_tells_every_part_that_would_fail_in_the_contracts_order(
    acme: Cast, gate: Gate
) -> None:
    key = acme.issue(
        scopes=["models:read"], limits=LIMITS, allowed_cidrs=["198.51.100.0/24"],
        allowed_models=["gpt-5"],
    )  # fmt: skip
    suspend_key(actor=acme.owner, key_id=key.key.id, reason="a test")
    usage = {"requests": 6, "tokens": 101}
    answer = gate.check(
        key, usage, request=CHAT, environment="test", subject="user-42", purpose="training",
        dry_run=True,
    ).body  # fmt: skip
    assert answer["allowed"] is False
    assert answer["code"] == "KEY_SUSPENDED"
    assert codes(answer) == [
        "KEY_SUSPENDED", "ENVIRONMENT_MISMATCH", "IP_NOT_ALLOWED", "SCOPE_MISSING",
        "MODEL_NOT_ALLOWED", "PURPOSE_UNKNOWN", "QUOTA_EXCEEDED", "QUOTA_EXCEEDED", "RATE_LIMITED",
    ]  # fmt: skip
    assert all(failure["detail"] for failure in answer["failures"])
    assert [Code[code] for code in codes(answer)] == sorted(Code[code] for code in codes(answer))


def test_a_dry_run_has_the_code_and_wait_that_the_check_itself_gets(acme: Cast, gate: Gate) -> None:
    key = acme.issue(scopes=["chat:write"], limits=LIMITS)
    assert gate.check(key, {"requests": 5}, request=CHAT).body["code"] == "OK"
    dry = gate.check(key, {"requests": 1, "tokens": 1}, request=CHAT, dry_run=True).body
    wet = gate.check(key, {"requests": 1, "tokens": 1}, request=CHAT).body
    assert codes(dry) == ["QUOTA_EXCEEDED", "RATE_LIMITED"]
    assert dry["code"] == wet["code"]
    assert dry["retry_after"] - wet["retry_after"] in (0, 1)
    assert "failures" not in wet
    never = gate.check(key, {"requests": 6}, request=CHAT, dry_run=True).body
    assert never["retry_after"] is None


def test_a_dry_run_is_not_a_decision_of_the_log(acme: Cast, gate: Gate) -> None:
    key = acme.issue(scopes=["chat:write"], limits=LIMITS)
    gate.check(key, request=CHAT, dry_run=True)
    gate.check(key, {"requests": 9}, request=CHAT, dry_run=True)
    assert logged([key]) == []
    gate.check(key, request=CHAT)
    assert [d.code for d in logged([key])] == [Code.OK]


def test_a_dry_run_needs_the_same_proof_of_the_key(acme: Cast, globex: Cast, gate: Gate) -> None:
    foreign = globex.issue(scopes=["chat:write"])
    answer = gate.check(foreign, request=CHAT, dry_run=True).body
    assert (answer["code"], answer["key"], answer["limits"]) == ("KEY_UNKNOWN", None, [])
    assert answer.get("failures", []) == []


def test_dry_runs_are_limited_for_each_gateway_and_checks_are_not(
    acme: Cast, globex: Cast, gate: Gate, checker: CheckServer
) -> None:
    key, rate = acme.issue(scopes=["chat:write"], limits=LIMITS), configuration.DRY_RUN_RATE()
    statuses = [gate.check(key, request=CHAT, dry_run=True).status for _ in range(rate * 4)]
    assert statuses[:rate] == [200] * rate
    assert 429 in statuses
    assert gate.check(key, request=CHAT).body["code"] == "OK"
    with Gate(checker, globex) as theirs:
        other = globex.issue(scopes=["chat:write"])
        assert theirs.check(other, request=CHAT, dry_run=True).status == 200
