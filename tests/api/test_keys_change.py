"""GET and PATCH of one key: what was read is what is changed."""

from typing import Any

import pytest

from tests.api.answers import Answer, Api, is_problem, keys_of, pointers
from tests.cast import Cast


@pytest.fixture
def path(acme: Cast) -> str:
    return f"{keys_of(acme)}/{acme.issue(name='before', metadata={'a': '1', 'b': '2'}).key.id}"


def patch(api: Api, acme: Cast, path: str, body: Any, tag: Any = '"1"', **more: Any) -> Answer:
    headers = {} if tag is None else {"If-Match": tag}
    return api("PATCH", path, body, token=acme.token, headers=headers, **more)


def test_a_change_raises_the_version_and_holds_at_once(api: Api, acme: Cast, path: str) -> None:
    answer = patch(api, acme, path, {"name": "after"})

    assert answer.status == 200
    assert answer.body["key"]["name"] == "after"
    assert answer.body["propagation"] == "complete"
    assert answer.headers["etag"] == '"2"'
    read = api("GET", path, token=acme.token)
    assert (read.body, read.headers["etag"]) == (answer.body["key"], '"2"')


def test_members_that_are_not_given_stay(api: Api, acme: Cast, path: str) -> None:
    before = api("GET", path, token=acme.token).body

    after = patch(api, acme, path, {"allowed_models": ["m"]}).body["key"]

    assert after == {**before, "allowed_models": ["m"], "version": 2}


def test_a_merge_patch_has_its_own_media_type(api: Api, acme: Cast, path: str) -> None:
    answer = patch(api, acme, path, {"name": "after"}, content_type="application/merge-patch+json")

    assert answer.status == 200


def test_null_takes_away_and_metadata_is_merged(api: Api, acme: Cast, path: str) -> None:
    answer = patch(api, acme, path, {"metadata": {"a": None, "c": "3"}, "expires_at": None})

    assert answer.body["key"]["metadata"] == {"b": "2", "c": "3"}


def test_a_change_without_if_match_is_428(api: Api, acme: Cast, path: str) -> None:
    is_problem(patch(api, acme, path, {"name": "x"}, None), 428, "PRECONDITION_REQUIRED")


@pytest.mark.parametrize("tag", ['"0"', '"2"', 'W/"1"', '""', '"x", "y"'])
def test_a_stale_tag_is_412_and_changes_nothing(api: Api, acme: Cast, path: str, tag: Any) -> None:
    is_problem(patch(api, acme, path, {"name": "x"}, tag), 412, "PRECONDITION_FAILED")
    assert api("GET", path, token=acme.token).body["name"] == "before"


@pytest.mark.parametrize("tag", ["*", " * ", "1", '"1 "', '"1', "", '"1",', '"' + "x" * 2000 + '"'])
def test_what_is_no_tag_is_400(api: Api, acme: Cast, path: str, tag: Any) -> None:
    answer = patch(api, acme, path, {"name": "x"}, tag)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == ["If-Match"]


def test_one_of_several_tags_may_match(api: Api, acme: Cast, path: str) -> None:
    assert patch(api, acme, path, {"name": "x"}, '"9", "1"').status == 200


def test_if_match_is_judged_before_the_body(api: Api, acme: Cast, path: str) -> None:
    is_problem(patch(api, acme, path, None, None, raw=b"{"), 428, "PRECONDITION_REQUIRED")
    is_problem(patch(api, acme, path, None, '"7"', raw=b"{"), 412, "PRECONDITION_FAILED")


def test_the_role_is_judged_before_if_match(api: Api, acme: Cast, path: str) -> None:
    answer = api("PATCH", path, {"name": "x"}, token=acme.token_of("viewer"))

    is_problem(answer, 403, "FORBIDDEN")


def test_the_object_is_judged_before_the_role(api: Api, acme: Cast) -> None:
    answer = api("PATCH", f"{keys_of(acme)}/key_none", {}, token=acme.token_of("viewer"))

    is_problem(answer, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "member", ["id", "tenant", "state", "created_at", "version", "secrets", "environment", "api"]
)
def test_read_only_members_are_pointed_at(api: Api, acme: Cast, path: str, member: str) -> None:
    answer = patch(api, acme, path, {member: "x"})

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [f"/{member}"]


def test_of_two_changes_at_once_one_holds(api: Api, acme: Cast, path: str) -> None:
    first = patch(api, acme, path, {"name": "first"})
    second = patch(api, acme, path, {"name": "second"})

    assert first.status == 200
    is_problem(second, 412, "PRECONDITION_FAILED")


def test_a_scope_of_high_risk_is_not_added_by_a_change(api: Api, acme: Cast, path: str) -> None:
    is_problem(patch(api, acme, path, {"scopes": ["files:write"]}), 403, "APPROVAL_REQUIRED")


def test_a_revoked_key_stays_as_it_is(api: Api, acme: Cast, path: str) -> None:
    api("POST", f"{path}/revoke", {"reason": "over"}, token=acme.token)

    is_problem(patch(api, acme, path, {"name": "x"}, '"2"'), 409, "CONFLICT")
