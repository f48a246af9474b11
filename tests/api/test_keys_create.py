"""POST keys: a key comes into being, and its secret is told once."""

from typing import Any

import pytest

from portal.core import tokens
from tests.api.answers import Api, Database, is_problem, keys_of, pointers
from tests.cast import Cast

NEW = {"name": "checkout", "environment": "live", "scopes": []}
A_LIMIT = {
    "name": "minute", "unit": "requests", "amount": 60, "window": "minute",
    "algorithm": "smooth", "shared_by": "key",
}  # fmt: skip


def test_the_answer_holds_the_key_and_its_secret(api: Api, acme: Cast) -> None:
    answer = api("POST", keys_of(acme), NEW, token=acme.token)

    assert answer.status == 201
    shape = tokens.parse(answer.body["secret"])
    assert shape is not None
    assert (shape.brand, shape.environment) == ("csk", "live")
    assert [secret["kid"] for secret in answer.body["key"]["secrets"]] == [shape.kid]
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"{keys_of(acme)}/{answer.body['key']['id']}"
    assert answer.headers["cache-control"] == "no-store"


def test_the_secret_is_told_once(api: Api, acme: Cast) -> None:
    made = api("POST", keys_of(acme), NEW, token=acme.token)

    read = api("GET", made.headers["location"], token=acme.token)

    assert read.status == 200
    assert made.body["secret"][21:] not in read.content.decode()
    assert read.body == made.body["key"]


def test_every_member_is_kept_as_it_was_given(api: Api, acme: Cast) -> None:
    given = {
        **NEW,
        "environment": "test",
        "scopes": ["chat:write", "models:read"],
        "limits": [A_LIMIT | {"burst": 90}],
        "allowed_cidrs": ["203.0.113.0/24", "2001:db8::/32"],
        "allowed_models": ["gpt-4o"],
        "purposes": ["service-provision"],
        "metadata": {"team": "checkout"},
        "expires_at": "2999-01-01T00:00:00Z",
        "owner": acme.memberships["developer"].id,
        "api": acme.api.slug,
    }

    key = api("POST", keys_of(acme), given, token=acme.token).body["key"]

    assert {name: key[name] for name in given} == given
    assert key["tenant"] == acme.tenant.slug
    assert key["state"] == "active"
    assert key["last_used_at"] is None


def test_the_owner_is_the_tokens_creator_unless_named(api: Api, acme: Cast) -> None:
    token = acme.token_of("developer", ["keys:write"])

    key = api("POST", keys_of(acme), NEW, token=token).body["key"]

    assert key["owner"] == acme.memberships["developer"].id


def test_names_need_not_be_unique(api: Api, acme: Cast) -> None:
    assert {api("POST", keys_of(acme), NEW, token=acme.token).status for _ in range(2)} == {201}


def test_a_scope_of_high_risk_needs_approval(api: Api, acme: Cast) -> None:
    answer = api(
        "POST", keys_of(acme), {**NEW, "scopes": ["chat:write", "files:write"]}, token=acme.token
    )

    is_problem(answer, 403, "APPROVAL_REQUIRED")
    assert pointers(answer) == ["/scopes/1"]


def test_another_tenants_membership_is_no_owner(api: Api, acme: Cast, globex: Cast) -> None:
    foreign = globex.memberships["owner"].id

    answers = [
        api("POST", keys_of(acme), {**NEW, "owner": owner}, token=acme.token)
        for owner in (foreign, "mem_000000000000")
    ]

    is_problem(answers[0], 400, "REQUEST_INVALID")
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "n" * 129}, "/name"),
        ({"name": 7}, "/name"),
        ({"environment": "prod"}, "/environment"),
        ({"scopes": ["nothing:here"]}, "/scopes/0"),
        ({"scopes": "chat:write"}, "/scopes"),
        ({"scopes": ["chat:write"] * 65}, "/scopes"),
        ({"api": "nothing"}, "/api"),
        ({"id": "key_mine"}, "/id"),
        ({"state": "active"}, "/state"),
        ({"nmae": "x"}, "/nmae"),
        ({"expires_at": "yesterday"}, "/expires_at"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"allowed_cidrs": ["203.0.113.1/24"]}, "/allowed_cidrs/0"),
        ({"allowed_cidrs": ["0.0.0.0/0"]}, "/allowed_cidrs/0"),
        ({"allowed_cidrs": ["fe80::1%eth0"]}, "/allowed_cidrs/0"),
        ({"metadata": {"a": {"b": "c"}}}, "/metadata/a"),
        ({"metadata": {"a": "x" * 2100}}, "/metadata"),
        ({"limits": [A_LIMIT] * 9}, "/limits"),
        ({"limits": [A_LIMIT | {"amount": -1}]}, "/limits/0/amount"),
        ({"limits": [A_LIMIT | {"amount": 1.5}]}, "/limits/0/amount"),
        ({"limits": [A_LIMIT | {"amount": True}]}, "/limits/0/amount"),
        ({"limits": [A_LIMIT | {"window": "year"}]}, "/limits/0/window"),
        ({"limits": [A_LIMIT | {"unit": "Requests"}]}, "/limits/0/unit"),
        ({"limits": [A_LIMIT | {"algorithm": "calendar", "burst": 5}]}, "/limits/0/burst"),
        ({"limits": [A_LIMIT, A_LIMIT]}, "/limits/1/name"),
    ],
)
def test_what_is_wrong_is_pointed_at(api: Api, acme: Cast, change: Any, pointer: str) -> None:
    answer = api("POST", keys_of(acme), {**NEW, **change}, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointer in pointers(answer)


@pytest.mark.parametrize("missing", sorted(NEW))
def test_a_missing_member_is_named(api: Api, acme: Cast, missing: str) -> None:
    body = {name: value for name, value in NEW.items() if name != missing}

    answer = api("POST", keys_of(acme), body, token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [f"/{missing}"]


def test_a_viewer_may_not_and_the_attempt_is_recorded(
    api: Api, acme: Cast, owner_db: Database
) -> None:
    answer = api("POST", keys_of(acme), NEW, token=acme.token_of("viewer"))

    is_problem(answer, 403, "FORBIDDEN")
    recorded = owner_db.execute(
        "SELECT outcome FROM ledger_entry WHERE type = 'access.refused' AND request_id = %s",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert recorded == [("denied",)]


def test_a_token_does_no_more_than_its_scopes(api: Api, acme: Cast) -> None:
    token = acme.token_of("owner", ["keys:read", "limits:write"])

    is_problem(api("POST", keys_of(acme), NEW, token=token), 403, "FORBIDDEN")
    assert api("GET", keys_of(acme), token=token).status == 200
