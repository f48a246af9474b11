"""POST keys/<id>/revoke, suspend, resume."""

import pytest
import redis

from portal.core.redis import client
from tests.api.answers import is_problem, keys_of, pointers

ACTS = {"revoke": "revoked", "suspend": "suspended"}


@pytest.fixture
def path(acme):
    return f"{keys_of(acme)}/{acme.issue().key.id}"


@pytest.mark.parametrize(("act", "state"), ACTS.items())
def test_it_holds_when_it_has_answered(api, acme, path, act, state):
    answer = api("POST", f"{path}/{act}", {"reason": "left"}, token=acme.token)

    assert answer.status == 200
    assert answer.body["key"]["state"] == state
    assert answer.body["propagation"] == "complete"
    assert answer.headers["etag"] == '"2"'


@pytest.mark.parametrize(("act", "state"), ACTS.items())
def test_again_is_the_same_and_no_new_event(api, acme, path, act, state, owner_db):
    answers = [
        api("POST", f"{path}/{act}", {"reason": "left"}, token=acme.token) for _ in range(2)
    ]

    assert answers[0].body == answers[1].body
    entries = owner_db.execute(
        "SELECT count(*) FROM ledger_entry WHERE object_id = %s AND type = %s",
        [path.rpartition("/")[2], f"key.{state}"],
    ).fetchone()
    assert entries == (1,)


def test_a_suspended_key_is_resumed(api, acme, path):
    api("POST", f"{path}/suspend", {"reason": "odd"}, token=acme.token)

    answer = api("POST", f"{path}/resume", {"reason": "fine"}, token=acme.token)

    assert answer.body["key"]["state"] == "active"


def test_a_revoked_key_never_comes_back(api, acme, path):
    api("POST", f"{path}/revoke", {"reason": "left"}, token=acme.token)

    is_problem(api("POST", f"{path}/resume", {"reason": "x"}, token=acme.token), 409, "CONFLICT")


@pytest.mark.parametrize("act", ["revoke", "suspend", "resume"])
@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "r" * 513}, {"reason": 1}, {"reason": None}]
)
def test_a_reason_is_needed(api, acme, path, act, body):
    answer = api("POST", f"{path}/{act}", body, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["/reason"]


def test_no_body_at_all_is_no_reason(api, acme, path):
    is_problem(api("POST", f"{path}/revoke", token=acme.token), 400, "REQUEST_INVALID")
    assert api("GET", path, token=acme.token).body["state"] == "active"


def test_the_reason_and_who_are_in_the_ledger(api, acme, path, owner_db):
    answer = api("POST", f"{path}/revoke", {"reason": "Ben left us"}, token=acme.token)

    (kind, body), = owner_db.execute(
        "SELECT e.actor_kind, p.body FROM ledger_entry e JOIN ledger_payload p ON p.entry_id = e.id"
        " WHERE e.request_id = %s",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert kind == "service"
    assert "Ben left us" in body


def test_with_redis_away_the_key_is_revoked_and_the_answer_says_pending(
    api, acme, path, monkeypatch
):
    dead = redis.Redis(unix_socket_path="/nowhere/redis.sock", retry=None)
    for module in ("outbox", "throttle"):
        monkeypatch.setattr(f"portal.core.{module}.client", lambda: dead)

    answer = api("POST", f"{path}/revoke", {"reason": "left"}, token=acme.token)

    assert (answer.status, answer.body["propagation"]) == (200, "pending")
    assert answer.body["key"]["state"] == "revoked"
    monkeypatch.undo()
    assert client().ping()


def test_a_viewer_may_not(api, acme, path):
    token = acme.token_of("viewer")

    is_problem(api("POST", f"{path}/revoke", {"reason": "x"}, token=token), 403, "FORBIDDEN")
    assert api("GET", path, token=token).body["state"] == "active"


def test_a_query_parameter_is_refused(api, acme, path):
    answer = api("POST", f"{path}/revoke?force=1", {"reason": "x"}, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["?force"]
