"""A tenant's own decisions and usage: of its own keys alone, with no tenant to choose."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from keys.models import Decision
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.invariants.traffic import Gate
from tests.pages.browser import Browser, member
from tests.processes import CheckServer

OTHERS = {"/admin/security/", "/admin/logout/", "/t/"}


@pytest.fixture
def gates(acme: Cast, globex: Cast, checker: CheckServer) -> Iterator[tuple[Gate, Gate]]:
    with Gate(checker, acme) as ours, Gate(checker, globex) as theirs:
        yield ours, theirs


@pytest.fixture
def asked(
    acme: Cast, globex: Cast, gates: tuple[Gate, Gate], drained: Callable[[], None]
) -> dict[str, Any]:
    """A key of each tenant was allowed once and refused once."""
    told: dict[str, Any] = {}
    for name, cast, gate in zip(("ours", "theirs"), (acme, globex), gates, strict=True):
        key = cast.issue(name=name, scopes=["chat:write"])
        for scope in ("chat:write", "files:write"):
            gate.check(key, scopes=[scope])
        told[name] = key.key
    drained()
    with platform_scope("a test looks"):
        rows = Decision.objects.filter(key_id__in=[told["ours"].id, told["theirs"].id])
        told["decisions"] = {
            name: list(rows.filter(key_id=told[name].id).order_by("at"))
            for name in ("ours", "theirs")
        }
    return told


def at(cast: Cast, rest: str) -> str:
    return f"/t/{cast.tenant.slug}/{rest}"


def test_the_log_is_of_the_own_keys_alone(
    vera: Browser, acme: Cast, globex: Cast, asked: dict[str, Any]
) -> None:
    for query in ({}, {"tenant": globex.tenant.slug}, {"key": asked["theirs"].id}):
        page = vera.get(at(acme, "decisions/"), **query)
        assert page.status == 200, query
        assert "theirs" not in page.text and 'name="tenant"' not in page.html, query
        assert ("Nothing found" in page.text) is ("key" in query)
    page = vera.get(at(acme, "decisions/"))
    assert "2 of 2 decisions" in page.text and "SCOPE_MISSING" in page.text
    assert globex.gateway.id not in page.html
    leads = set(re.findall(r'(?:href|action)="(/[^"#?]*)', page.html))
    leads = {address for address in leads if not address.startswith("/static/")}
    assert {a for a in leads if not a.startswith(at(acme, ""))} == OTHERS


def test_the_file_has_no_tenant_and_none_of_anothers(
    vera: Browser, acme: Cast, asked: dict[str, Any]
) -> None:
    page = vera.get(at(acme, "decisions/"), format="csv")
    rows = list(csv.DictReader(io.StringIO(page.html)))
    assert {row["key_id"] for row in rows} == {asked["ours"].id} and len(rows) == 2
    assert "tenant_id" not in rows[0]


def test_a_foreign_decision_answers_as_one_that_is_not(
    vera: Browser, acme: Cast, asked: dict[str, Any]
) -> None:
    def told(id: str, when: str = "") -> tuple[int, str]:
        page = vera.get(at(acme, f"decisions/{id}/"), at=when)
        return page.status, page.html.replace(id, "#").replace(page.headers["x-request-id"], "#")

    mine, foreign = (asked["decisions"][name][0] for name in ("ours", "theirs"))
    moment = str(int(foreign.at.timestamp() * 1_000_000))
    random = foreign.id[:-4] + uuid4().hex[:4]
    assert told(mine.id)[0] == 200
    assert told(foreign.id)[0] == told(foreign.id, moment)[0] == 404
    assert told(foreign.id) == told(random)
    assert told(foreign.id, moment) == told(random, moment)


def test_a_decision_leads_to_the_own_pages(ben: Browser, acme: Cast, asked: dict[str, Any]) -> None:
    for decision in asked["decisions"]["ours"]:
        page = ben.get(at(acme, f"decisions/{decision.id}/"))
        assert page.status == 200 and "ours" in page.text and " of Acme" not in page.text
        leads = set(re.findall(r'href="(/[^"#]*)', page.html))
        leads = {a.replace("&amp;", "&") for a in leads if not a.startswith("/static/")}
        assert {a for a in leads if not a.startswith(at(acme, ""))} <= OTHERS
        for address in leads - OTHERS:
            assert ben.get(address).status == 200, address


def test_a_search_for_another_tenants_finds_nothing(
    vera: Browser, acme: Cast, asked: dict[str, Any]
) -> None:
    for name, found in (("ours", True), ("theirs", False)):
        key, decision = asked[name], asked["decisions"][name][0]
        for text in (key.id, f"csk_live_{decision.kid}", decision.gateway_id):
            page = vera.get(at(acme, "decisions/"), q=text)
            assert ("Nothing found" not in page.text) is found, (name, text)


def test_usage_is_of_the_own_keys_alone(
    vera: Browser, acme: Cast, globex: Cast, asked: dict[str, Any]
) -> None:
    page = vera.get(at(acme, "usage/"), tenant=globex.tenant.slug)
    assert page.status == 200 and 'name="tenant"' not in page.html
    assert "Decisions 2 in 24 hours" in page.text and "theirs" not in page.text
    assert "All keys, the last 24 hours" in page.text
    assert globex.api.id not in page.html
    page = vera.get(at(acme, "usage/"), key=asked["theirs"].id)
    assert page.status == 400 and "There is no such key." in page.text
    assert "Decisions 2 in 24 hours" in page.text
    page = vera.get(at(acme, "usage/"), key=asked["ours"].id)
    assert "Usage of ours" in page.text and "Acme" not in page.text.partition("Usage of ours")[2]


def test_usage_is_told_by_api_and_key(
    vera: Browser, acme: Cast, spent: Callable[..., None]
) -> None:
    other = create_api(
        actor=OPERATOR, slug=f"images-{acme.tenant.slug}", name="Images",
        scopes=[ScopeDefinition("images:write", "low", "")],
    )  # fmt: skip
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=other.id)
    chat, image = acme.issue(api=acme.api.slug).key, acme.issue(api=other.slug, name="painter").key
    spent(chat, 100)
    spent(image, 7, "QUOTA_EXCEEDED", 30)
    spent(image, 3)
    for query, decisions in (
        ({}, "103"), ({"api": other.id}, "3"), ({"api": acme.api.id}, "100"),
        ({"key": image.id}, "3"), ({"api": other.id, "period": "7d"}, "10"),
    ):  # fmt: skip
        page = vera.get(at(acme, "usage/"), **query)
        assert f"Decisions {decisions} in" in page.text, query
        assert 'aria-labelledby="chart-title"' in page.html, query
        assert "When it was used, last 7 days" in page.text, query
    page = vera.get(at(acme, "usage/"), api=other.id, period="7d")
    assert 'class="s-limit"' in page.html and "QUOTA_EXCEEDED 7 70.00 %" in page.text
    rows = list(csv.DictReader(io.StringIO(
        vera.get(at(acme, "usage/"), api=other.id, period="7d", format="csv").html
    )))  # fmt: skip
    assert sum(int(row["allowed"]) for row in rows) == 3
    assert sum(int(row["limit"]) for row in rows) == 7


def test_the_heat_is_of_what_was_chosen(
    vera: Browser, sol: Browser, acme: Cast, spent: Callable[..., None]
) -> None:
    one, two = acme.issue(name="one").key, acme.issue(name="two").key
    spent(one, 31, hours_ago=5)
    spent(two, 47, hours_ago=5)
    for path, browser in ((at(acme, "usage/"), vera), ("/admin/usage/", sol)):
        most = {
            name: re.search(r"Most on [^:]*:00 to [^:]*:00: ([\d,]+)\.",
                            browser.get(path, **query).text)
            for name, query in (("one", {"key": one.id}), ("two", {"key": two.id}))
        }  # fmt: skip
        assert {n: m and m[1] for n, m in most.items()} == {"one": "31", "two": "47"}
    whole = vera.get(at(acme, "usage/")).text
    assert re.search(r"Most on [^.]*: 78\.", whole)


def test_pages_of_use_ask_few_questions(
    vera: Browser, acme: Cast, asked: dict[str, Any], gates: tuple[Gate, Gate],
    drained: Callable[[], None], queries: Any,
) -> None:  # fmt: skip
    issued = [acme.issue(name=f"k{n}", scopes=["chat:write"]) for n in range(4)]
    for n in range(64):
        gates[0].check(issued[n % 4], scopes=["chat:write"])
    drained()
    kid = asked["decisions"]["ours"][0].kid
    for path in (
        "decisions/", f"decisions/?kid={kid}&outcome=allowed", "decisions/?code=OK&period=7d",
        f"decisions/{asked['decisions']['ours'][0].id}/", "usage/", "usage/?period=30d",
        f"usage/?api={acme.api.id}", f"usage/?key={asked['ours'].id}",
    ):  # fmt: skip
        vera.get(at(acme, path))
        with queries() as told:
            assert vera.get(at(acme, path)).status == 200, path
        assert len(told) <= 15, (path, [each["sql"][:80] for each in told])


def test_nobody_from_elsewhere_sees_them(
    acme: Cast, globex: Cast, sol: Browser, asked: dict[str, Any]
) -> None:
    mine = asked["decisions"]["ours"][0].id
    for path in ("decisions/", f"decisions/{mine}/", "decisions/?format=csv", "usage/?format=csv"):
        for browser in (member(globex, "owner"), sol):
            assert browser.get(at(acme, path)).status == 404, path
        assert member(acme, "developer").get(at(acme, path)).status == 200, path
