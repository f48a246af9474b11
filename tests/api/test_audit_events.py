"""GET audit/events: the tenant's own ledger, filtered, page by page."""

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest

from portal.core.clock import rfc3339
from portal.tenancy.people import disable_person
from tests.api.answers import Api, is_problem, keys_of, pointers
from tests.api.test_openapi import answer_schema, fits
from tests.cast import OPERATOR, Cast

PATH = "/v1/tenants/{tenant}/audit/events"


def events_of(cast: Cast, query: str = "") -> str:
    return PATH.format(tenant=cast.tenant.slug) + (f"?{query}" if query else "")


def told(api: Api, cast: Cast, query: str = "") -> list[dict[str, Any]]:
    answer = api("GET", events_of(cast, query), token=cast.token)
    assert answer.status == 200, answer.body
    results: list[dict[str, Any]] = answer.body["results"]
    return results


@pytest.fixture
def revoked(api: Api, acme: Cast) -> Any:
    """A key that was made and revoked by REST."""
    made = api("POST", keys_of(acme), {"name": "billing", "environment": "live", "scopes": []},
               token=acme.token).body["key"]  # fmt: skip
    api("POST", f"{keys_of(acme)}/{made['id']}/revoke", {"reason": "leaked it"}, token=acme.token)
    return made


def test_a_change_is_told_as_the_contract_says(api: Api, acme: Cast, revoked: Any) -> None:
    newest, *_ = told(api, acme, f"target={revoked['id']}")
    assert set(newest) == {
        "id", "seq", "type", "sentence", "occurred_at", "actor", "target", "outcome", "request_id",
        "before", "after",
    }  # fmt: skip
    assert newest["type"] == "key.revoked" and newest["outcome"] == "success"
    assert newest["sentence"] == "automation revoked key “billing”: leaked it"
    assert newest["actor"]["kind"] == "service"
    assert newest["target"] == {"type": "key", "id": revoked["id"], "label": "billing"}
    assert newest["before"]["state"] == "active" and newest["after"]["state"] == "revoked"


def test_real_answers_fit_the_schema(api: Api, acme: Cast, revoked: Any) -> None:
    answer = api("GET", events_of(acme), token=acme.token)
    fits(answer.body, answer_schema(PATH, "get", 200))


def test_each_filter_narrows(api: Api, acme: Cast, revoked: Any) -> None:
    newest, oldest = told(api, acme, f"target={revoked['id']}")
    moment = quote(newest["occurred_at"])
    mine = f"target={revoked['id']}&"
    for query, found in {
        "type=key.revoked": [newest], "type=key.issued": [oldest], "type=key.changed": [],
        f"actor={newest['actor']['id']}": [newest, oldest], "actor=per_nobody": [], "actor=": [],
        f"request_id={newest['request_id']}": [newest], "request_id=x": [],
        f"since={moment}": [newest], f"until={moment}": [oldest],
    }.items():  # fmt: skip
        assert told(api, acme, mine + query) == found, query


def test_pages_hold_every_entry_once(api: Api, acme: Cast) -> None:
    for number in range(5):
        acme.issue(name=f"key {number}")
    whole = [each["id"] for each in told(api, acme, "limit=200")]
    seen: list[str] = []
    path: str | None = events_of(acme, "limit=2")
    while path:
        answer = api("GET", path, token=acme.token)
        assert len(answer.body["results"]) <= 2
        seen += [each["id"] for each in answer.body["results"]]
        following = answer.body["next"]
        path = events_of(acme, f"limit=2&cursor={following}") if following else None
    assert seen == whole and len(whole) >= 5


def test_a_list_costs_the_same_queries_however_long_it_is(api: Api, acme: Cast) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for _ in range(2):
        for _ in range(3):
            acme.issue()
        with CaptureQueriesContext(connection) as captured:
            told(api, acme)
        counts.append(len([q for q in captured if "token_used" not in q["sql"]]))
    assert counts[0] == counts[1]


def test_another_tenant_s_entries_are_nowhere(
    api: Api, acme: Cast, globex: Cast, revoked: Any
) -> None:
    request_id = told(api, acme, f"target={revoked['id']}")[0]["request_id"]
    actor = told(api, acme, f"target={revoked['id']}")[0]["actor"]["id"]
    for query in (f"target={revoked['id']}", f"request_id={request_id}", f"actor={actor}"):
        assert told(api, globex, query) == [], query
    foreign = api("GET", events_of(acme), token=globex.token)
    nobody = api("GET", PATH.format(tenant="nobody"), token=globex.token)
    assert foreign.status == nobody.status == 404 and foreign.content == nobody.content


def test_what_belongs_to_the_platform_is_not_the_tenant_s(api: Api, acme: Cast) -> None:
    disable_person(actor=OPERATOR, person_id=acme.viewer.id, reason="left")
    assert [each for each in told(api, acme, "limit=200") if each["type"].startswith("api.c")] == []


def test_a_cursor_is_of_one_tenant_and_this_list(api: Api, acme: Cast, globex: Cast) -> None:
    for _ in range(3):
        globex.issue()
    theirs = api("GET", events_of(globex, "limit=1"), token=globex.token).body["next"]
    listed = api("GET", f"{keys_of(globex)}?limit=1", token=globex.token).body["next"]
    for cast, cursor in ((acme, theirs), (globex, listed), (acme, "x"), (acme, "")):
        answer = api("GET", events_of(cast, f"cursor={cursor}"), token=cast.token)
        is_problem(answer, 400, "REQUEST_INVALID")
        assert pointers(answer) == ["?cursor"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("type=key.eaten", "?type"), ("type=", "?type"), ("since=yesterday", "?since"),
        ("until=2026-01-01", "?until"), ("limit=0", "?limit"), ("limit=201", "?limit"),
        ("tenant=x", "?tenant"), ("actor=a&actor=b", "?actor"), ("target=%00", "?target"),
        (f"request_id={'x' * 257}", "?request_id"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_by_name(api: Api, acme: Cast, query: str, pointer: str) -> None:
    answer = api("GET", events_of(acme, query), token=acme.token)
    is_problem(answer, 400, "REQUEST_INVALID")
    assert pointers(answer) == [pointer]


def test_it_needs_its_scope_and_a_role_that_reads(api: Api, acme: Cast) -> None:
    allowed = acme.token_of("viewer", ["audit:read"])
    assert api("GET", events_of(acme), token=allowed).status == 200
    for token in (acme.token_of("owner", ["keys:read"]), acme.token_of("developer")):
        is_problem(api("GET", events_of(acme), token=token), 403, "FORBIDDEN")
    assert api("GET", events_of(acme)).status == 401
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        assert api(method, events_of(acme), {}, token=acme.token).status == 405


def test_reading_the_ledger_writes_nothing_into_it(api: Api, acme: Cast) -> None:
    before = told(api, acme, "limit=200")
    assert told(api, acme, "limit=200") == before


def test_a_window_of_the_future_is_empty(api: Api, acme: Cast) -> None:
    later = quote(rfc3339(dt.datetime.now(dt.UTC) + dt.timedelta(days=1)) or "")
    assert told(api, acme, f"since={later}") == []
