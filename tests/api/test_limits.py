"""Limits: listed, read, and changed for every key that shares them."""

from typing import Any

import pytest

from tests.api.answers import Api, is_problem, keys_of, limits_of, pointers
from tests.cast import Cast


def limit(name: str, shared_by: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "unit": "requests", "amount": 100, "window": "day",
        "algorithm": "calendar", "shared_by": shared_by, **more,
    }  # fmt: skip


@pytest.fixture
def shared(api: Api, acme: Cast) -> dict[str, Any]:
    """A key with an own and a shared limit; the shared one's row."""
    acme.issue(limits=[limit("own", "key"), limit("all", "tenant")])
    answer = api("GET", f"{limits_of(acme)}?shared_by=tenant", token=acme.token)
    row: dict[str, Any] = answer.body["results"][0]
    return row


def test_all_of_a_tenants_limits_are_listed(api: Api, acme: Cast, shared: dict[str, Any]) -> None:
    answer = api("GET", limits_of(acme), token=acme.token)

    assert {(row["name"], row["shared_by"]) for row in answer.body["results"]} == {
        ("own", "key"), ("all", "tenant"),
    }  # fmt: skip
    assert answer.body["next"] is None


def test_the_list_is_filtered_by_key(api: Api, acme: Cast, shared: dict[str, Any]) -> None:
    key = api("GET", keys_of(acme), token=acme.token).body["results"][0]["id"]

    rows = api("GET", f"{limits_of(acme)}?key={key}", token=acme.token).body["results"]

    assert [(row["name"], row["key"]) for row in rows] == [("own", key)]


def test_one_is_read_with_its_tag(api: Api, acme: Cast, shared: dict[str, Any]) -> None:
    answer = api("GET", f"{limits_of(acme)}/{shared['id']}", token=acme.token)

    assert (answer.body, answer.headers["etag"]) == (shared, '"1"')


def test_a_shared_limit_is_changed_for_all(api: Api, acme: Cast, shared: dict[str, Any]) -> None:
    path = f"{limits_of(acme)}/{shared['id']}"

    answer = api("PATCH", path, {"amount": 7}, token=acme.token, headers={"If-Match": '"1"'})

    assert answer.status == 200
    assert answer.body["limit"] == {**shared, "amount": 7, "version": 2}
    assert answer.body["propagation"] == "complete"
    key = api("GET", keys_of(acme), token=acme.token).body["results"][0]
    assert [row["amount"] for row in key["limits"]] == [100, 7]


def test_another_definition_of_a_shared_limit_is_a_conflict(
    api: Api, acme: Cast, shared: dict[str, Any]
) -> None:
    body = {
        "name": "second", "environment": "live", "scopes": [],
        "limits": [limit("all", "tenant", amount=5)],
    }  # fmt: skip

    answer = api("POST", keys_of(acme), body, token=acme.token)

    is_problem(answer, 409, "CONFLICT")
    assert pointers(answer) == ["/limits/0"]


def test_a_keys_own_limit_is_changed_with_the_key(
    api: Api, acme: Cast, shared: dict[str, Any]
) -> None:
    own = api("GET", f"{limits_of(acme)}?shared_by=key", token=acme.token).body["results"][0]

    answer = api(
        "PATCH", f"{limits_of(acme)}/{own['id']}", {"amount": 7}, token=acme.token,
        headers={"If-Match": '"1"'},
    )  # fmt: skip

    is_problem(answer, 409, "CONFLICT")


@pytest.mark.parametrize(
    ("tag", "status", "code"),
    [
        (None, 428, "PRECONDITION_REQUIRED"),
        ('"9"', 412, "PRECONDITION_FAILED"),
        ("*", 400, "REQUEST_INVALID"),
    ],
)
def test_if_match_is_needed(
    api: Api, acme: Cast, shared: dict[str, Any], tag: Any, status: int, code: str
) -> None:
    headers = {"If-Match": tag} if tag else {}

    answer = api(
        "PATCH", f"{limits_of(acme)}/{shared['id']}", {"amount": 7}, token=acme.token,
        headers=headers,
    )  # fmt: skip

    is_problem(answer, status, code)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount": -1}, "/amount"),
        ({"amount": 1.5}, "/amount"),
        ({"amount": 10**30}, "/amount"),
        ({"window": "hour"}, "/window"),
        ({"burst": 5}, "/burst"),
        ({"amuont": 5}, "/amuont"),
    ],
)
def test_what_is_wrong_is_pointed_at(
    api: Api, acme: Cast, shared: dict[str, Any], body: Any, pointer: str
) -> None:
    answer = api(
        "PATCH", f"{limits_of(acme)}/{shared['id']}", body, token=acme.token,
        headers={"If-Match": '"1"'},
    )  # fmt: skip

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [pointer]


def test_a_developer_reads_limits_and_changes_none(
    api: Api, acme: Cast, shared: dict[str, Any]
) -> None:
    token = acme.token_of("developer")
    path = f"{limits_of(acme)}/{shared['id']}"

    assert api("GET", path, token=token).status == 200
    is_problem(api("PATCH", path, {"amount": 1}, token=token), 403, "FORBIDDEN")
