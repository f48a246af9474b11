"""One Api: its scopes, its routes, whom it is granted to, and which route a request takes."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.ids import base62
from portal.tenancy.apis import change_scopes, definition_of, replace_routes
from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
from portal.tenancy.models import Api, ApiGrant, Route, Scope
from portal.tenancy.pages.route_lines import lines_of, read
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, ROUTES, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page


def at(cast: Cast, *rest: str) -> str:
    return "/".join(["/admin/apis", cast.api.id, *rest, ""])


def routes_of(cast: Cast) -> set[str]:
    with platform_scope("tests look at routes"):
        return {f"{r} {' '.join(r.scopes)}" for r in Route.objects.filter(api=cast.api)}


def scopes_of(cast: Cast) -> dict[str, tuple[str, str]]:
    with platform_scope("tests look at scopes"):
        rows = Scope.objects.filter(api=cast.api)
        return {row.name: (row.risk, row.description) for row in rows}


def granted(cast: Cast, other: Cast) -> bool:
    with platform_scope("tests look at grants"):
        rows = ApiGrant.objects.filter(api=cast.api, tenant=other.tenant, withdrawn_at=None)
        return rows.exists()


def saved(browser: Browser, path: str, page: Page) -> Page:
    """The second step, as the page offers it."""
    return browser.post(path, **page.fields(), step="save")


def test_the_page_shows_what_an_api_has(acme: Cast, sol: Browser) -> None:
    page = sol.get(at(acme))
    for words in (
        "4 scopes, 1 of high risk", "files:write no description High risk",
        "POST /v1/chat/completions chat:write", "Granted to", acme.tenant.slug, "edge",
        "created api",
    ):  # fmt: skip
        assert words in page.text
    assert f"/admin/ledger/?target={acme.api.id}" in page.html


def test_routes_are_searched(acme: Cast, sol: Browser) -> None:
    for text in ("embeddings", "embeddings:write"):
        page = sol.get(at(acme), q=text)
        assert "POST /v1/embeddings" in page.text
        assert "/v1/files" not in page.text
    assert "No routes match" in sol.get(at(acme), q=base62(12)).text


def test_an_api_that_is_not_there_is_not_found(sol: Browser) -> None:
    for path in ("/admin/apis/api_nothing/", "/admin/apis/api_nothing/scopes/"):
        assert sol.get(path).status == 404


def test_a_page_of_many_asks_little_of_the_database(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    scopes = [ScopeDefinition(f"s{n}", description="x") for n in range(250)]
    change_scopes(actor=OPERATOR, api_id=acme.api.id, scopes=scopes)
    routes = [RouteDefinition("GET", f"/v1/{n}", [f"s{n % 250}"]) for n in range(1_000)]
    replace_routes(actor=OPERATOR, api_id=acme.api.id, routes=routes)
    for path in (at(acme), at(acme, "scopes"), at(acme, "routes"), at(acme, "grant")):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path
    page = sol.get(at(acme))
    assert "1 to 50 of 1,000 routes" in page.text


# ---- Scopes


def test_scopes_are_added_and_described_after_a_look_at_the_difference(
    acme: Cast, sol: Browser
) -> None:
    path, before = at(acme, "scopes"), scopes_of(acme)
    typed = {
        "s0-description": "Ask a <model>", "s4-name": "admin:all", "s4-risk": "high",
        "s4-description": "All of it",
    }  # fmt: skip
    page = sol.send(path, **typed, step="compare")
    assert page.status == 200
    assert "admin:all Added none high risk: All of it" in page.text
    assert "Ask a &lt;model&gt;" in page.html
    assert scopes_of(acme) == before
    done = saved(sol, path, page)
    assert done.goes_to == at(acme)
    after = scopes_of(acme)
    assert after["admin:all"] == ("high", "All of it")
    assert after["chat:write"] == ("low", "Ask a <model>")
    assert events_of(acme.api.id)[-1] == "api.changed success"


def test_scopes_as_they_are_are_not_saved(acme: Cast, sol: Browser) -> None:
    before = events_of(acme.api.id)
    page = sol.send(at(acme, "scopes"), step="compare")
    assert "Nothing differs. Nothing was saved." in page.text
    assert events_of(acme.api.id) == before


def test_more_rows_keep_what_was_typed(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "scopes"), add="rows", **{"s4-name": "kept:here"})
    assert page.status == 200
    assert page.fields()["s4-name"] == ["kept:here"]
    assert "s9-name" in page.fields()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"s4-name": "Not Good"}, "1 to 64 of a-z, 0-9 and _ . : - are needed."),
        ({"s4-name": "x" * 65}, "1 to 64 of a-z, 0-9 and _ . : - are needed."),
        ({"s4-description": "no name"}, "1 to 64 of a-z, 0-9 and _ . : - are needed."),
        ({"s4-name": "chat:write"}, "This name stands twice."),
        ({"s4-name": "a:b", "s4-risk": "medium"}, "`low` or `high` is needed."),
        ({"s4-name": "a:b", "s4-description": "x" * 257}, "1 to 256 characters are needed."),
        ({"s4-name": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_scope_is_said_by_its_field(
    acme: Cast, sol: Browser, typed: dict[str, str], said: str
) -> None:
    before = scopes_of(acme)
    for step in ("compare", "save"):
        page = sol.send(at(acme, "scopes"), **typed, step=step)
        assert page.status == 400
        assert said in page.text
        for name, value in typed.items():
            assert "\0" in value or name.endswith("risk") or page.fields()[name] == [value]
    assert scopes_of(acme) == before


def test_a_stale_form_of_scopes_says_what_changed_and_keeps_what_was_typed(
    acme: Cast, sol: Browser
) -> None:
    path = at(acme, "scopes")
    fields = {**sol.get(path).fields(), "s4-name": "mine:all", "step": "save"}
    later = ScopeDefinition("theirs:all")
    change_scopes(actor=OPERATOR, api_id=acme.api.id, scopes=[later])
    page = sol.post(path, **fields)
    assert page.status == 412
    assert "tests changed api" in page.text
    assert "mine:all" in page.html
    assert "mine:all" not in scopes_of(acme)
    again = sol.post(path, **page.fields(), step="compare")
    assert "mine:all Added" in again.text
    assert saved(sol, path, again).status == 302
    assert {"mine:all", "theirs:all"} <= set(scopes_of(acme))


# ---- Routes


def test_routes_are_replaced_after_a_look_at_the_difference(acme: Cast, sol: Browser) -> None:
    path, before = at(acme, "routes"), routes_of(acme)
    text = "\n".join([
        "POST /v1/chat/completions chat:write purpose=\"to answer\" consent", "",
        "GET  /v1/models/*   models:read", "DELETE /v1/files/* files:write",
    ])  # fmt: skip
    page = sol.send(path, routes=text, step="compare")
    assert page.status == 200
    assert "Requests to 3 routes that go are refused with ROUTE_UNKNOWN" in page.text
    assert "1 route will ask for something else. 1 route comes to be known." in page.text
    line = "POST /v1/chat/completions chat:write"
    assert f'Changed {line} {line} purpose="to answer" consent' in page.text
    assert "GET /v1/models/* " not in page.text
    assert routes_of(acme) == before
    assert saved(sol, path, page).goes_to == at(acme)
    assert routes_of(acme) == {
        "POST /v1/chat/completions chat:write", "GET /v1/models/* models:read",
        "DELETE /v1/files/* files:write",
    }  # fmt: skip
    assert "3 routes now" in sol.get(at(acme)).text


def test_no_route_at_all_says_its_price_first(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "routes"), routes="", step="compare")
    assert "every check that states a path is refused with ROUTE_UNKNOWN" in page.text
    assert saved(sol, at(acme, "routes"), page).status == 302
    assert routes_of(acme) == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GET /a\n\nget /b", "Line 3: A method in capitals, or `*`, is needed."),
        ("GET", "Line 1: A method and a path are needed"),
        ("GET /a//b", "Line 1: No request's path could be this"),
        ("GET /a\nGET /b nothing:here", "Line 2: The Api has no such scope."),
        ("GET /a\nGET /a", "Line 2: This method and pattern stand twice."),
        ('GET /a purpose="x', "Line 1: The purpose's quotes are not closed."),
        ("GET /a purpose=" + "x" * 65, "Line 1: 1 to 64 characters are needed."),
        ("GET /a\0", "Null characters are not allowed."),
        ("\n".join(f"GET /{n}" for n in range(1_001)), "At most 1000 are taken."),
        ("\n".join("nonsense" for n in range(30)), "And 10 more."),
    ],
)
def test_a_wrong_route_is_said_by_its_line(acme: Cast, sol: Browser, text: str, said: str) -> None:
    before = routes_of(acme)
    for step in ("compare", "save"):
        page = sol.send(at(acme, "routes"), routes=text, step=step)
        assert page.status == 400
        assert said in page.text
        assert "\0" in text or page.fields()["routes"] == [text]
    assert routes_of(acme) == before


def test_too_long_a_text_is_not_looked_at(acme: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "routes"), routes="x" * 500_001, step="compare")
    assert page.status == 400
    assert "This is too long" in page.text


def test_a_stale_form_of_routes_is_refused_by_the_verb_itself(acme: Cast, sol: Browser) -> None:
    path = at(acme, "routes")
    fields = {**sol.get(path).fields(), "routes": "GET /mine", "step": "save"}
    replace_routes(actor=OPERATOR, api_id=acme.api.id, routes=ROUTES[:1])
    assert sol.post(path, **{**fields, "step": "compare"}).status == 412
    page = sol.post(path, **fields)
    assert page.status == 412
    assert "tests changed api" in page.text
    assert page.fields()["routes"] == ["GET /mine"]
    assert routes_of(acme) == {"POST /v1/chat/completions chat:write"}
    for forged in ("", "forged"):
        assert sol.post(path, **{**fields, "definition": forged}).status == 412
    with platform_scope("tests look at an Api"):
        stands = definition_of(Api.objects.get(id=acme.api.id))
    assert page.fields()["definition"] == [stands]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]),
                min_size=1, max_size=12).filter(str.strip)  # fmt: skip


@given(
    st.lists(st.sampled_from(["consent", "scope", "purpose", "chat:write"]), unique=True),
    st.one_of(st.just(""), NAMES),
    st.booleans(),
)
def test_a_route_reads_back_as_what_it_was(
    scopes: Sequence[str], purpose: str, consent: bool
) -> None:
    route = RouteDefinition("GET", "/v1/*/x/**", scopes, purpose, consent)
    told = read(lines_of([route]))
    assert told.faults.errors == []
    assert told.routes == [route]


# ---- Tenants


def test_an_api_is_granted_to_a_tenant(acme: Cast, globex: Cast, sol: Browser) -> None:
    page = sol.send(at(acme, "grant"), tenant=globex.tenant.slug)
    assert page.goes_to == at(acme)
    assert granted(acme, globex)
    assert events_of(acme.api.id)[-1] == "api.granted success"


@pytest.mark.parametrize(
    ("slug", "said"),
    [("", "Choose a tenant."), ("nobody", "There is no such tenant."),
     ("x" * 5_000, "There is no such tenant."), ("a\0", "Null characters are not allowed.")],
)  # fmt: skip
def test_a_grant_to_nobody_is_said_by_its_field(
    acme: Cast, globex: Cast, sol: Browser, slug: str, said: str
) -> None:
    before = events_of(acme.api.id)
    page = sol.send(at(acme, "grant"), tenant=slug)
    assert page.status == 400
    assert said in page.text
    assert events_of(acme.api.id) == before


def test_a_grant_says_its_price_before_it_is_withdrawn(acme: Cast, sol: Browser) -> None:
    path = at(acme, "withdraw", acme.tenant.id)
    page = sol.get(path)
    assert "every check of one is KEY_UNKNOWN" in page.text
    assert "1 gateway loses the tenant" in page.text
    assert granted(acme, acme)
    empty = sol.send(path, reason=" ")
    assert empty.status == 400
    assert "1 to 512 characters are needed." in empty.text
    long = sol.send(path, reason="x" * 513)
    assert long.fields()["reason"] == ["x" * 513]
    assert granted(acme, acme)
    done = sol.send(path, reason="their contract ended")
    assert done.goes_to == at(acme)
    assert not granted(acme, acme)
    assert events_of(acme.api.id)[-1] == "api.withdrawn success"
    assert "It was withdrawn already" in sol.get(path).text


def test_a_grant_that_never_was_is_not_found(acme: Cast, globex: Cast, sol: Browser) -> None:
    assert sol.get(at(acme, "withdraw", globex.tenant.id)).status == 404
    assert sol.post(at(acme, "withdraw", globex.tenant.id), reason="x").status == 404


# ---- Who may


@pytest.mark.parametrize("page", ["scopes", "routes", "grant", "withdraw"])
def test_the_auditor_changes_nothing_and_the_try_is_recorded(
    acme: Cast, sol: Browser, ira: Browser, page: str
) -> None:
    path = at(acme, page, *([acme.tenant.id] if page == "withdraw" else []))
    assert sol.get(path).status == 200
    assert ira.get(path).status == 403
    before = routes_of(acme), scopes_of(acme)
    sent = {"reason": "x", "tenant": acme.tenant.slug, "routes": "", "step": "save"}
    assert ira.post(path, **sent).status == 403
    assert (routes_of(acme), scopes_of(acme)) == before
    assert granted(acme, acme)
    assert events_of(acme.api.id)[-1] == "access.refused denied"


def test_the_auditor_is_offered_nothing(acme: Cast, sol: Browser, ira: Browser) -> None:
    for words in ("Change scopes", "Replace routes", "Withdraw", "Grant to a tenant"):
        assert words in sol.get(at(acme)).text
        assert words not in ira.get(at(acme)).text


# ---- The route that a request takes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("POST /v1/chat/completions", "POST /v1/chat/completions Known Needs chat:write"),
        ("GET /v1/models/gpt?x=1", "GET /v1/models/* Known Needs models:read"),
        ("GET /v1/nothing", "No route of the API matches."),
        ("post /v1/files", "Methods are told apart by case"),
        ("GET /v1//models", "Two programs could read this path differently"),
        ("GET v1", "Two programs could read this path differently"),
    ],
)
def test_the_decision_s_own_table_says_which_route_it_is(
    acme: Cast, ira: Browser, asked: str, said: str
) -> None:
    page = ira.get(at(acme, "try"), request=asked)
    assert page.status == 200
    assert said in page.text


@pytest.mark.parametrize("asked", ["POST", "x" * 5_000])
def test_a_request_that_is_none_is_said_by_its_field(acme: Cast, sol: Browser, asked: str) -> None:
    page = sol.get(at(acme, "try"), request=asked)
    assert page.status == 400
    assert 'id="request_error"' in page.html


def test_a_key_in_a_tested_path_leaves_the_address(acme: Cast, sol: Browser) -> None:
    page = sol.get(at(acme, "try"), request=f"GET /v1/models?key={acme.gateway_token}")
    assert page.goes_to == f"{at(acme, 'try')}?pasted=1"
    assert acme.gateway_token not in sol.get(page.goes_to).html
