"""Idempotency-Key: a POST that is repeated does nothing the second time."""

import datetime as dt
import json
import threading
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from audit.ledger.recording import record
from portal.tenancy.models import IdempotencyRecord
from tests.api.answers import Answer, Api, Database, is_problem, keys_of, pointers
from tests.cast import Cast

NEW = {"name": "once", "environment": "live", "scopes": []}


def create(api: Api, acme: Cast, key: str = "first", body: Any = NEW, token: Any = None) -> Answer:
    return api(
        "POST", keys_of(acme), body, token=token or acme.token, headers={"Idempotency-Key": key}
    )


def rows(owner_db: Database, acme: Cast) -> list[Any]:
    return owner_db.execute(
        "SELECT route, key, status, object_id FROM tenancy_idempotencyrecord WHERE tenant_id = %s",
        [acme.tenant.id],
    ).fetchall()


def count(api: Api, acme: Cast) -> int:
    return len(api("GET", keys_of(acme), token=acme.token).body["results"])


def test_a_repeat_answers_the_same_key_and_no_secret(api: Api, acme: Cast) -> None:
    first, again = create(api, acme), create(api, acme)

    assert (first.status, again.status) == (201, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.body == {"key": first.body["key"], "secret": None}
    assert count(api, acme) == 1


def test_a_replay_shows_what_stands_now(api: Api, acme: Cast) -> None:
    key = create(api, acme).body["key"]
    path = f"{keys_of(acme)}/{key['id']}"
    api("PATCH", path, {"name": "renamed"}, token=acme.token, headers={"If-Match": '"1"'})

    again = create(api, acme)

    assert again.body["key"]["name"] == "renamed"
    assert again.headers["etag"] == '"2"'


def test_the_order_of_members_makes_no_other_request(api: Api, acme: Cast) -> None:
    create(api, acme)

    again = create(api, acme, body=dict(reversed(NEW.items())))

    assert again.status == 200


def test_another_body_is_422_and_does_nothing(api: Api, acme: Cast) -> None:
    create(api, acme)

    is_problem(create(api, acme, body={**NEW, "name": "x"}), 422, "IDEMPOTENCY_MISMATCH")
    assert count(api, acme) == 1


def test_a_refused_request_leaves_the_key_free(api: Api, acme: Cast) -> None:
    is_problem(create(api, acme, body={"name": "x"}), 400, "REQUEST_INVALID")

    assert create(api, acme).status == 201


def test_what_is_kept_is_no_body_and_no_secret(api: Api, acme: Cast, owner_db: Database) -> None:
    secret = create(api, acme).body["secret"]

    (row,) = owner_db.execute(
        "SELECT row_to_json(r)::text FROM tenancy_idempotencyrecord r WHERE tenant_id = %s",
        [acme.tenant.id],
    ).fetchall()
    assert secret[21:60] not in row[0]
    assert "once" not in row[0]
    assert [row[:3] for row in rows(owner_db, acme)] == [("keys", "first", 201)]


def test_it_is_scoped_to_credential_route_and_tenant(api: Api, acme: Cast, globex: Cast) -> None:
    made = create(api, acme)
    others = [
        create(api, acme, token=acme.token_of("developer")),
        create(api, globex),
        api(
            "POST", f"{keys_of(acme)}/{made.body['key']['id']}/suspend", {"reason": "r"},
            token=acme.token, headers={"Idempotency-Key": "first"},
        ),
    ]  # fmt: skip

    assert [answer.status for answer in others] == [201, 201, 200]
    assert not any("idempotency-replayed" in answer.headers for answer in others)


@pytest.mark.parametrize("act", ["revoke", "suspend"])
def test_a_repeated_act_is_one_act(api: Api, acme: Cast, act: str, owner_db: Database) -> None:
    path = f"{keys_of(acme)}/{acme.issue().key.id}"
    headers = {"Idempotency-Key": "act"}
    first, again = (
        api("POST", f"{path}/{act}", {"reason": "r"}, token=acme.token, headers=headers)
        for _ in range(2)
    )

    assert first.body == again.body
    assert again.headers["idempotency-replayed"] == "true"
    assert len(rows(owner_db, acme)) == 1


def test_a_late_repeat_of_suspend_suspends_nothing(api: Api, acme: Cast) -> None:
    path = f"{keys_of(acme)}/{acme.issue().key.id}"
    headers = {"Idempotency-Key": "act"}
    api("POST", f"{path}/suspend", {"reason": "r"}, token=acme.token, headers=headers)
    api("POST", f"{path}/resume", {"reason": "r"}, token=acme.token)

    again = api("POST", f"{path}/suspend", {"reason": "r"}, token=acme.token, headers=headers)

    assert again.headers["idempotency-replayed"] == "true"
    assert again.body["key"]["state"] == "active"


def test_another_key_under_the_same_name_is_another_request(api: Api, acme: Cast) -> None:
    paths = [f"{keys_of(acme)}/{acme.issue().key.id}/suspend" for _ in range(2)]
    headers = {"Idempotency-Key": "act"}
    answers = [
        api("POST", path, {"reason": "r"}, token=acme.token, headers=headers) for path in paths
    ]

    assert answers[0].status == 200
    is_problem(answers[1], 422, "IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize("key", ["", " ", "two words", "k" * 256, "caf\xe9", "a\tb"])
def test_a_key_of_another_shape_is_refused(api: Api, acme: Cast, key: str) -> None:
    answer = create(api, acme, key)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["Idempotency-Key"]


@pytest.mark.parametrize("key", ["k", "k" * 255, '"quoted"', "!~"])
def test_any_visible_ascii_is_taken(api: Api, acme: Cast, key: str) -> None:
    assert create(api, acme, key).status == 201


def test_after_a_day_the_key_is_free_and_the_row_is_gone(
    api: Api, acme: Cast, owner_db: Database
) -> None:
    first = create(api, acme).body["key"]["id"]
    owner_db.execute(
        "UPDATE tenancy_idempotencyrecord SET created_at = created_at - %s WHERE tenant_id = %s",
        [dt.timedelta(hours=24, seconds=1), acme.tenant.id],
    )

    again = create(api, acme)

    assert again.status == 201
    assert [row[3] for row in rows(owner_db, acme)] == [again.body["key"]["id"]]
    assert again.body["key"]["id"] != first


def test_a_change_that_fails_after_all_leaves_neither_key_nor_row(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch, owner_db: Database
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the ledger is full")

    monkeypatch.setattr("keys.issuing.record", fails)
    assert create(api, acme).status == 500
    monkeypatch.undo()

    assert rows(owner_db, acme) == []
    assert count(api, acme) == 0
    assert create(api, acme).status == 201


def test_a_row_that_fails_leaves_no_key(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no row")

    monkeypatch.setattr(IdempotencyRecord.objects, "create", fails)
    assert create(api, acme).status == 500
    monkeypatch.undo()

    assert count(api, acme) == 0


def test_while_the_first_is_under_way_the_second_is_409(
    api: Api, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, let_go = threading.Event(), threading.Event()
    answers: list[int] = []

    def slowly(*args: Any, **kwargs: Any) -> Any:
        inside.set()
        assert let_go.wait(20)
        return record(*args, **kwargs)

    def first() -> None:
        try:
            answers.append(create(api, acme).status)
        finally:
            connections.close_all()

    monkeypatch.setattr("keys.issuing.record", slowly)
    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(20)
    is_problem(create(api, acme), 409, "CONFLICT")
    let_go.set()
    thread.join(20)

    assert answers == [201]
    assert create(api, acme).status == 200
    assert count(api, acme) == 1


def test_sixteen_at_once_make_one_key(acme: Cast, api: Api) -> None:
    barrier = threading.Barrier(16)
    answers: list[int] = []

    def one() -> None:
        client = Client(raise_request_exception=False)
        barrier.wait(20)
        try:
            response = client.post(
                keys_of(acme), json.dumps(NEW), "application/json",
                headers={"Authorization": f"Bearer {acme.token}", "Idempotency-Key": "race"},
            )  # fmt: skip
            answers.append(response.status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert answers.count(201) == 1
    assert set(answers) <= {200, 201, 409}, answers
    assert count(api, acme) == 1


def test_the_lock_ends_with_the_transaction(api: Api, acme: Cast) -> None:
    create(api, acme)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)
