"""POST keys/<id>/revoke, suspend, resume."""

from typing import Any

import pytest

from portal.core.redis import client
from tests.api.answers import Api, Database, is_problem, keys_of, no_redis, pointers
from tests.cast import Cast

ACTS = {"revoke": "revoked", "suspend": "suspended"}


@pytest.fixture
def path(acme: Cast) -> str:
    return f"{keys_of(acme)}/{acme.issue().key.id}"


@pytest.mark.parametrize(("act", "state"), ACTS.items())
def test_it_holds_when_it_has_answered(
    api: Api, acme: Cast, path: str, act: str, state: str
) -> None:
    answer = api("POST", f"{path}/{act}", {"reason": "left"}, token=acme.token)

    assert answer.status == 200
    assert answer.body["key"]["state"] == state
    assert answer.body["propagation"] == "complete"
    assert answer.headers["etag"] == '"2"'


@pytest.mark.parametrize(("act", "state"), ACTS.items())
def test_again_is_the_same_and_no_new_event(
    api: Api, acme: Cast, path: str, act: str, state: str, owner_db: Database
) -> None:
    answers = [api("POST", f"{path}/{act}", {"reason": "left"}, token=acme.token) for _ in range(2)]

    assert answers[0].body == answers[1].body
    entries = owner_db.execute(
        "SELECT count(*) FROM ledger_entry WHERE object_id = %s AND type = %s",
        [path.rpartition("/")[2], f"key.{state}"],
    ).fetchone()
    assert entries == (1,)


def test_a_suspended_key_is_resumed(api: Api, acme: Cast, path: str) -> None:
    api("POST", f"{path}/suspend", {"reason": "odd"}, token=acme.token)

    answer = api("POST", f"{path}/resume", {"reason": "fine"}, token=acme.token)

    assert answer.body["key"]["state"] == "active"


def test_a_revoked_key_never_comes_back(api: Api, acme: Cast, path: str) -> None:
    api("POST", f"{path}/revoke", {"reason": "left"}, token=acme.token)

    is_problem(api("POST", f"{path}/resume", {"reason": "x"}, token=acme.token), 409, "CONFLICT")


@pytest.mark.parametrize("act", ["revoke", "suspend", "resume"])
@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "r" * 513}, {"reason": 1}, {"reason": None}]
)
def test_a_reason_is_needed(api: Api, acme: Cast, path: str, act: str, body: Any) -> None:
    answer = api("POST", f"{path}/{act}", body, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["/reason"]


def test_no_body_at_all_is_no_reason(api: Api, acme: Cast, path: str) -> None:
    is_problem(api("POST", f"{path}/revoke", token=acme.token), 400, "REQUEST_INVALID")
    assert api("GET", path, token=acme.token).body["state"] == "active"


def test_the_reason_and_who_are_in_the_ledger(
    api: Api, acme: Cast, path: str, owner_db: Database
) -> None:
    answer = api("POST", f"{path}/revoke", {"reason": "Ben left us"}, token=acme.token)

    ((kind, body),) = owner_db.execute(
        "SELECT e.actor_kind, p.body FROM ledger_entry e JOIN ledger_payload p ON p.entry_id = e.id"
        " WHERE e.request_id = %s",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert kind == "service"
    assert "Ben left us" in body


def test_with_redis_away_the_key_is_revoked_and_the_answer_says_pending(
    api: Api, acme: Cast, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = no_redis()
    for module in ("outbox", "throttle"):
        monkeypatch.setattr(f"portal.core.{module}.client", lambda: dead)

    answer = api("POST", f"{path}/revoke", {"reason": "left"}, token=acme.token)

    assert (answer.status, answer.body["propagation"]) == (200, "pending")
    assert answer.body["key"]["state"] == "revoked"
    monkeypatch.undo()
    assert client().ping()


def test_a_viewer_may_not(api: Api, acme: Cast, path: str) -> None:
    token = acme.token_of("viewer")

    is_problem(api("POST", f"{path}/revoke", {"reason": "x"}, token=token), 403, "FORBIDDEN")
    assert api("GET", path, token=token).body["state"] == "active"


def test_a_query_parameter_is_refused(api: Api, acme: Cast, path: str) -> None:
    answer = api("POST", f"{path}/revoke?force=1", {"reason": "x"}, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["?force"]
