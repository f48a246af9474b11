"""A trial says exactly what a check's dry run of the same key says, without its secret."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis

from keys import asking
from keys.codes import Code
from keys.issuing import Issued
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from keys.trying import Trial, try_out
from portal.core.clock import now
from portal.core.names import name, prefix
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from tests.cast import Cast
from tests.invariants.traffic import Gate, body
from tests.processes import CheckServer

CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}
KEYS: dict[str, dict[str, Any]] = {
    "open": {},
    "narrow": {"scopes": ["chat:write"], "allowed_cidrs": ["203.0.113.0/24"],
               "allowed_models": ["gpt-4o"]},
    "test": {"environment": "test", "scopes": ["models:read"]},
    "ending": {"expires_at": "2999-01-01T00:00:00Z"},
    "limited": {"scopes": ["chat:write"], "limits": [
        body("rate", 3, "minute", "smooth"), body("month", 5, "month", "calendar"),
        body("tokens", 100, "day", "calendar", unit="tokens"),
        body("ours", 4, "month", "calendar", shared_by="tenant"),
    ]},
}  # fmt: skip
QUESTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"request": CHAT},
    {"request": CHAT, "scopes": ["models:read", "nothing:here"]},
    {"request": {**CHAT, "ip": "198.51.100.7"}},
    {"request": {**CHAT, "model": "o9"}},
    {"request": {"method": "GET", "path": "/v1/models/a"}},
    {"request": {"method": "DELETE", "path": "/v1/models"}, "environment": "test"},
    {"request": {"path": "/v1/%2e%2e/chat"}},
    {"usage": {"requests": 4, "tokens": 101}},
    {"usage": {"tokens": 0}},
    {"usage": {}},
    {"subject": "user-42", "purpose": "service-provision", "environment": "live"},
    {"purpose": "service-provision"},
)


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def tried(cast: Cast, key: Issued, question: dict[str, Any], actor: Actor | None = None) -> Trial:
    """What a trial by the owner says."""
    return try_out(
        actor=actor or cast.owner, key_id=key.key.id, tenant_id=cast.tenant.id, **question
    )


def told(trial: Trial) -> tuple[bool, list[dict[str, str]]]:
    """The trial in an answer's shape."""
    return trial.allowed, [{"code": code.name, "detail": words} for code, words in trial.failures]


def agrees(cast: Cast, gate: Gate, key: Issued, question: dict[str, Any]) -> list[str]:
    """Both answer the same; which codes those are."""
    answer = gate.check(key, dry_run=True, **question).body
    trial = tried(cast, key, question)
    assert told(trial) == (answer["allowed"], answer["failures"]), question
    assert trial.limits is not None
    assert [(x.name, x.unit, x.window, x.limit, x.remaining) for x in trial.limits] == [
        (x["name"], x["unit"], x["window"], x["limit"], x["remaining"]) for x in answer["limits"]
    ]
    return [failure["code"] for failure in answer["failures"]]


@pytest.mark.parametrize("kind", KEYS)
def test_a_trial_of_any_key_answers_what_a_dry_run_does(acme: Cast, gate: Gate, kind: str) -> None:
    key = acme.issue(**{"scopes": [], **KEYS[kind]})
    for question in QUESTIONS:
        agrees(acme, gate, key, question)


def _suspended(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    suspend_key(actor=cast.owner, key_id=key.key.id, reason="a test")


def _revoked(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    revoke_key(actor=cast.owner, key_id=key.key.id, reason="a test")


def _state(state: str) -> Any:
    def turn(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
        owner_db.execute(
            "UPDATE keys_apikey SET state = %s, version = version + 1 WHERE id = %s",
            [state, key.key.id],
        )

    return turn


def _ended(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    past = now() - dt.timedelta(seconds=1)
    owner_db.execute("UPDATE keys_apikey SET expires_at = %s WHERE id = %s", [past, key.key.id])
    owner_db.execute("UPDATE keys_secret SET expires_at = %s WHERE key_id = %s", [past, key.key.id])


def _secret_revoked(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    owner_db.execute("UPDATE keys_secret SET revoked_at = now() WHERE key_id = %s", [key.key.id])


def _owner_gone(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    owner_db.execute(
        "UPDATE tenancy_membership SET is_active = false WHERE id = %s", [key.key.owner_id]
    )


def _tenant_suspended(cast: Cast, key: Issued, owner_db: "psycopg.Connection[Any]") -> None:
    owner_db.execute(
        "UPDATE tenancy_tenant SET status = 'suspended' WHERE id = %s", [cast.tenant.id]
    )


TURNS = {
    "suspended": (_suspended, "KEY_SUSPENDED"),
    "revoked": (_revoked, "KEY_REVOKED"),
    "leaked": (_state("leaked"), "KEY_LEAKED"),
    "pending": (_state("pending"), "KEY_PENDING"),
    "ended": (_ended, "KEY_EXPIRED"),
    "secret revoked": (_secret_revoked, "KEY_REVOKED"),
    "owner gone": (_owner_gone, "OWNER_DISABLED"),
    "tenant suspended": (_tenant_suspended, "TENANT_SUSPENDED"),
}


@pytest.mark.parametrize("turn", TURNS)
def test_whatever_became_of_the_key_a_trial_says_it_first(
    acme: Cast, checker: CheckServer, owner_db: "psycopg.Connection[Any]", turn: str
) -> None:
    key = acme.issue(**KEYS["narrow"])
    act, code = TURNS[turn]
    act(acme, key, owner_db)
    # The check process first hears of the key now: what was written past the verbs bumps nothing.
    with Gate(checker, acme) as gate:
        assert agrees(acme, gate, key, {"request": CHAT}) == [code]
        wrong = {"request": {**CHAT, "ip": "198.51.100.7", "model": "o9"}, "scopes": ["x:y"]}
        assert agrees(acme, gate, key, wrong)[0] == code
        assert len(agrees(acme, gate, key, wrong)) == 4


def test_limits_that_are_used_up_are_told_and_a_trial_spends_nothing(
    acme: Cast, gate: Gate
) -> None:
    key = acme.issue(**KEYS["limited"])
    for _ in range(3):
        assert gate.check(key, {"requests": 1, "tokens": 20}).body["allowed"]
    for _ in range(4):
        codes = agrees(acme, gate, key, {"usage": {"requests": 2, "tokens": 41}})
        assert set(codes) >= {"QUOTA_EXCEEDED"}
    assert [x.remaining for x in tried(acme, key, {}).limits or []][1:] == [2, 40, 1]
    fresh = acme.issue(limits=[body("own", 5, "month", "calendar")])
    for _ in range(3):
        assert tried(acme, fresh, {}).allowed
        assert [x.remaining for x in tried(acme, fresh, {}).limits or []] == [5]


def test_a_trial_stands_in_no_log(acme: Cast, gate: Gate, store: "redis.Redis") -> None:
    key = acme.issue(**KEYS["limited"])
    before = store.xlen(name("log"))
    for question in QUESTIONS:
        tried(acme, key, question)
    assert store.xlen(name("log")) == before
    assert not list(store.scan_iter(f"{prefix()}unknown:*{acme.gateway.id}*"))


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        ({"request": {"ip": "not an address"}}, "/request/ip"),
        ({"request": {"path": "/" + 4096 * "a"}}, "/request/path"),
        ({"request": {"method": "GET\x00"}}, "/request/method"),
        ({"request": {"model": f"csk_live_{12 * 'a'}_{49 * 'b'}"}}, "/request/model"),
        ({"request": {"colour": "red"}}, "/request/colour"),
        ({"subject": "user-42"}, "/purpose"),
        ({"subject": "user-42", "request": CHAT}, "/purpose"),
        ({"subject": 257 * "a", "purpose": "p"}, "/subject"),
        ({"subject": ""}, "/subject"),
        ({"purpose": 65 * "a"}, "/purpose"),
        ({"scopes": 65 * ["a:b"]}, "/scopes"),
        ({"usage": {"requests": -1}}, "/usage"),
        ({"usage": {"requests": 10**12 + 1}}, "/usage"),
        ({"usage": {"Not a unit": 1}}, "/usage"),
        ({"environment": "staging"}, "/environment"),
    ],
)
def test_what_a_check_would_not_understand_is_refused_where_it_stands(
    acme: Cast, question: dict[str, Any], pointer: str
) -> None:
    key = acme.issue()
    with pytest.raises(Refusal) as refused:
        tried(acme, key, question)
    assert refused.value.code == "REQUEST_INVALID"
    assert refused.value.errors[0]["pointer"].startswith(pointer)


def test_only_who_may_see_the_key_may_try_it(acme: Cast, globex: Cast) -> None:
    key = acme.issue()
    assert tried(acme, key, {}, acme.viewer).kid == key.secret.reveal().split("_")[2]
    for actor, code in ((globex.owner, "NOT_FOUND"), (OPERATOR_WITHOUT, "FORBIDDEN")):
        with pytest.raises(Refusal) as refused:
            tried(acme, key, {}, actor)
        assert refused.value.code == code


OPERATOR_WITHOUT = Actor(kind="user", id="per_nobody", label="Nobody", actions=frozenset())


def test_without_redis_nothing_is_allowed_and_the_rules_are_told(
    acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = acme.issue()
    away = redis.Redis(unix_socket_path="/nowhere/redis.sock")
    monkeypatch.setattr(asking, "_script", lambda: away.register_script("return 1"))
    trial = tried(acme, key, {"request": CHAT})
    assert [code for code, _ in trial.failures] == [Code.SCOPE_MISSING, Code.STORE_UNAVAILABLE]
    assert not trial.allowed
    assert trial.limits is None
    assert not tried(acme, key, {}).allowed
