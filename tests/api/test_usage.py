"""GET usage: what keys were used for, by hour, key and code."""

import datetime as dt

import pytest

from keys.models import ApiKey
from tests.api.answers import Api, Database, is_problem, pointers, usage_of
from tests.cast import Cast

HOUR = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def used(acme: Cast, owner_db: Database) -> ApiKey:
    """An hour of a key of Acme's."""
    key = acme.issue().key
    for code, decisions, units in (
        ("OK", 5, '{"requests": 5, "tokens": 70}'),
        ("RATE_LIMITED", 2, "{}"),
    ):
        owner_db.execute(
            "INSERT INTO keys_hourlyusage VALUES (%s, %s, %s, %s, %s, %s)",
            [acme.tenant.id, key.id, HOUR, code, decisions, units],
        )
    return key


def test_it_tells_decisions_and_units(api: Api, acme: Cast, used: ApiKey) -> None:
    answer = api("GET", usage_of(acme), token=acme.token)

    assert answer.status == 200
    assert answer.body["next"] is None
    told = {row["code"]: (row["decisions"], row["units"]) for row in answer.body["results"]}
    assert told == {"OK": (5, {"requests": 5, "tokens": 70}), "RATE_LIMITED": (2, {})}
    assert {row["key"] for row in answer.body["results"]} == {used.id}


def test_it_sums_by_what_is_asked(api: Api, acme: Cast, used: ApiKey) -> None:
    rows = api("GET", f"{usage_of(acme)}?group=key", token=acme.token).body["results"]

    assert rows == [{"key": used.id, "decisions": 7, "units": {"requests": 5, "tokens": 70}}]


def test_a_foreign_key_has_no_usage_like_one_that_is_none(
    api: Api, acme: Cast, globex: Cast, used: ApiKey
) -> None:
    answers = [
        api("GET", f"{usage_of(globex)}?key={key}", token=globex.token)
        for key in (used.id, "key_000000000000")
    ]

    assert answers[0].content == answers[1].content
    assert answers[0].body["results"] == []


@pytest.mark.parametrize("since", ["2020-01-01T00:00:00%2B01:00", "2020-01-01T00:00:00+01:00"])
def test_an_offset_is_read_with_and_without_its_escape(api: Api, acme: Cast, since: str) -> None:
    until = "2020-01-02T00:00:00Z"

    assert (
        api("GET", f"{usage_of(acme)}?since={since}&until={until}", token=acme.token).status == 200
    )


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=2020-01-01T00:00:00Z", "?since"),
        ("since=2020-01-01", "?since"),
        ("since=2020-01-01T00:00:00", "?since"),
        ("since=0001-01-01T00:00:00%2B23:59", "?since"),
        ("until=never", "?until"),
        ("group=tenant", "?group"),
        ("group=key,key", "?group"),
        ("group=", "?group"),
        ("key=%00", "?key"),
        ("limit=5", "?limit"),
    ],
)
def test_what_is_wrong_is_pointed_at(api: Api, acme: Cast, query: str, pointer: str) -> None:
    answer = api("GET", f"{usage_of(acme)}?{query}", token=acme.token)

    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [pointer]


def test_it_needs_its_scope(api: Api, acme: Cast) -> None:
    token = acme.token_of("owner", ["keys:read"])

    is_problem(api("GET", usage_of(acme), token=token), 403, "FORBIDDEN")
