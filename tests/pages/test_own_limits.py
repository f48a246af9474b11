"""Limits: what is left of each, how it burns down, and the amount of a shared one."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from keys.definitions import LimitPatch
from keys.limits import change_shared_limit
from keys.models import Limit
from keys.pages import limit as limit_page
from keys.revocation import revoke_key
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.invariants.traffic import Gate, body
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page, member
from tests.processes import CheckServer

POOL = body("pool", 1_000, "month", "calendar", unit="tokens", shared_by="tenant")
BUCKET = body("bucket", 60, "minute", "smooth", shared_by="tenant", burst=90)
DAY = body("daily", 100, "day", "calendar")


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/limits/{rest}"


def limit_of(cast: Cast, name: str) -> Limit:
    with platform_scope("a test looks"):
        return Limit.objects.get(tenant=cast.tenant, name=name)


def shown(page: Page) -> list[str]:
    """The limits of a list, in its order."""
    return re.findall(
        r'<th scope="row"><a href="[^"]*/limits/lim_\w+/"[^>]*>([^<]+)</a>', page.html
    )


def diff(page: Page) -> str:
    """The words of the table of differences."""
    table: str = page.text.partition("Field Now After")[2].partition("Save changes")[0]
    return table


def test_the_list_is_of_the_own_limits_shared_ones_first(
    vera: Browser, acme: Cast, globex: Cast, gate: Gate
) -> None:
    issued = acme.issue(name="worker", limits=[DAY, POOL])
    acme.issue(name="helper", limits=[POOL])
    globex.issue(limits=[body("foreign", 5, "day", "calendar")])
    gate.check(issued, {"requests": 75, "tokens": 100})
    page = vera.get(at(acme))
    assert page.status == 200 and shown(page) == ["pool", "daily"]
    assert "pool 2 keys together 1 K tokens a month calendar 900, 90 %" in page.text
    assert "daily worker 100 requests a day calendar 25, 25 %" in page.text
    assert "foreign" not in page.text and 'name="tenant"' not in page.html
    assert 'class="fill warn"' not in page.html
    gate.check(issued, {"requests": 15})
    assert '<rect class="fill warn" width="10"' in vera.get(at(acme)).html


def test_it_is_searched_filtered_sorted_and_kept_as_a_file(vera: Browser, acme: Cast) -> None:
    acme.issue(name="worker", limits=[DAY, POOL, BUCKET])
    for query, names in (
        ({"q": "dai"}, ["daily"]), ({"q": "tokens"}, ["pool"]), ({"q": "work"}, ["daily"]),
        ({"shared_by": "tenant"}, ["bucket", "pool"]), ({"shared_by": "key"}, ["daily"]),
        ({"window": "minute"}, ["bucket"]), ({"algorithm": "calendar"}, ["pool", "daily"]),
        ({"sort": "-amount"}, ["pool", "daily", "bucket"]), ({"sort": "name"},
        ["bucket", "daily", "pool"]),
    ):  # fmt: skip
        assert shown(vera.get(at(acme), **query)) == names, query
    assert "Nothing found" in vera.get(at(acme), q="nothing-like-it").text
    assert vera.get(at(acme), window="fortnight").status == 400
    rows = list(csv.DictReader(io.StringIO(vera.get(at(acme), format="csv").html)))
    assert [(r["name"], r["shared_by"]) for r in rows] == [
        ("bucket", "tenant"), ("pool", "tenant"), ("daily", "key"),
    ]  # fmt: skip
    assert "tenant" not in rows[0]


def test_limits_of_revoked_keys_are_left_out(vera: Browser, ben: Browser, acme: Cast) -> None:
    page = ben.get(at(acme))
    assert "Nothing is limited yet" in page.text and "Create key" in page.text
    assert "Create key" not in vera.get(at(acme)).text
    key = acme.issue(limits=[DAY, POOL]).key
    revoke_key(actor=acme.owner, key_id=key.id, reason="x")
    page = vera.get(at(acme))
    assert shown(page) == ["pool"] and "no key now" in page.text


def test_a_limit_says_what_is_left_and_who_counts_on_it(
    vera: Browser, sol: Browser, acme: Cast, gate: Gate, spent: Callable[..., None]
) -> None:
    one, two = (acme.issue(name=name, limits=[POOL]) for name in ("one", "two"))
    gate.check(one, {"tokens": 300})
    gate.check(two, {"tokens": 200})
    spent(one.key, 1, requests=1, tokens=300)
    spent(two.key, 1, tokens=200)
    limit = limit_of(acme, "pool")
    for browser, path in ((vera, at(acme, f"{limit.id}/")), (sol, f"/admin/limits/{limit.id}/")):
        page = browser.get(path)
        assert page.status == 200
        assert "1,000 tokens a month, calendar, shared by 2 keys" in page.text
        assert "500 of 1,000 tokens are used, 50 %." in page.text
        assert ">one</a>" in page.html and ">two</a>" in page.html
        assert 'aria-labelledby="burn-title"' in page.html and 'class="left"' in page.html


def test_of_many_keys_the_way_to_now_is_drawn_straight(
    vera: Browser, acme: Cast, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.issue(limits=[POOL])
    gate.check(acme.issue(limits=[POOL]), {"tokens": 300})
    path = at(acme, f"{limit_of(acme, 'pool').id}/")
    assert "drawn straight" not in vera.get(path).text
    monkeypatch.setattr(limit_page, "SUMMED", 1)
    monkeypatch.setattr(limit_page, "SHOWN", 1)
    page = vera.get(path)
    assert "drawn straight" in page.text and "300 of 1,000 tokens are used" in page.text
    assert "The first 1 of 2, by name." in page.text


def test_a_smooth_limit_has_no_window_to_burn_down(vera: Browser, acme: Cast, gate: Gate) -> None:
    gate.check(acme.issue(limits=[BUCKET]), {"requests": 30})
    page = vera.get(at(acme, f"{limit_of(acme, 'bucket').id}/"))
    assert page.status == 200 and "of 90 requests" in page.text
    assert "there is no window to burn down" in page.text and 'class="even"' not in page.html


def test_where_nobody_knows_what_is_left_that_is_said(
    vera: Browser, acme: Cast, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keys import asking

    acme.issue(limits=[POOL])
    monkeypatch.setattr(asking, "_text", lambda value: "another run")
    assert ">unknown</span>" in vera.get(at(acme)).html
    page = vera.get(at(acme, f"{limit_of(acme, 'pool').id}/"))
    assert page.status == 200 and "STORE_UNAVAILABLE" in page.text


def test_an_owner_changes_a_shared_amount_after_seeing_the_difference(
    ada: Browser, acme: Cast, gate: Gate
) -> None:
    issued = acme.issue(limits=[POOL])
    gate.check(issued, {"tokens": 600})
    limit = limit_of(acme, "pool")
    path = at(acme, f"{limit.id}/edit/")
    assert path in ada.get(at(acme, f"{limit.id}/")).html
    page = ada.send(path, amount="2,500", step="compare")
    assert page.status == 200 and "Nothing is saved yet." in page.text
    assert "Amount Widens 1,000 tokens a month 1,000 tokens a month 2,500 tokens" in diff(page)
    assert limit_of(acme, "pool").amount == 1_000
    done = ada.post(path, **{**page.fields(), "step": "save"})
    assert done.goes_to == at(acme, f"{limit.id}/")
    assert "pool was changed for all its keys." in ada.get(done.goes_to).text
    assert limit_of(acme, "pool").amount == 2_500
    assert events_of(limit.id) == ["limit.changed success"]
    assert gate.check(issued, {"tokens": 1_900}).body["allowed"]


def test_the_price_of_a_smaller_amount_is_said_first(ada: Browser, acme: Cast, gate: Gate) -> None:
    gate.check(acme.issue(limits=[POOL]), {"tokens": 600})
    path = at(acme, f"{limit_of(acme, 'pool').id}/edit/")
    page = ada.send(path, amount="700", step="compare")
    assert "Its keys may use less than before." in page.text and "Narrows" in page.text
    page = ada.send(path, amount="500", step="compare")
    assert "600 tokens of this month are used already" in page.text
    assert "QUOTA_EXCEEDED" in page.text


def test_a_smooth_limits_burst_follows_its_amount_when_it_is_left_empty(
    ada: Browser, acme: Cast
) -> None:
    acme.issue(limits=[BUCKET])
    path = at(acme, f"{limit_of(acme, 'bucket').id}/edit/")
    page = ada.send(path, amount="120", burst="", step="compare")
    assert "Burst Widens" in diff(page) and "120 requests at once" in diff(page)
    ada.post(path, **{**page.fields(), "step": "save"})
    changed = limit_of(acme, "bucket")
    assert (changed.amount, changed.burst) == (120, 120)
    assert ada.get(path).fields()["burst"] == [""]


def test_who_may_only_look_is_refused_and_that_is_recorded(
    ada: Browser, ben: Browser, vera: Browser, acme: Cast
) -> None:
    acme.issue(limits=[POOL])
    limit = limit_of(acme, "pool")
    path = at(acme, f"{limit.id}/edit/")
    fields = {"amount": "5", "version": "1", "step": "save"}
    for browser in (ben, vera):
        assert path not in browser.get(at(acme, f"{limit.id}/")).html
        assert browser.get(path).status == 403
        assert browser.post(path, **fields).status == 403
    assert limit_of(acme, "pool").amount == 1_000
    assert events_of(limit.id) == ["access.refused denied"] * 2
    assert ada.post(path, **fields).status == 302
    assert limit_of(acme, "pool").amount == 5


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("", "A whole number"), ("many", "A whole number"), ("-1", "A whole number"),
        ("1.5", "A whole number"), ("9" * 30, "A whole number"), ("10000000000000", "whole number"),
    ],
)  # fmt: skip
def test_what_is_no_amount_is_told_beside_the_field_and_kept(
    ada: Browser, acme: Cast, amount: str, words: str
) -> None:
    acme.issue(limits=[POOL])
    path = at(acme, f"{limit_of(acme, 'pool').id}/edit/")
    for step in ("compare", "save"):
        page = ada.send(path, amount=amount, step=step)
        assert page.status == 400, page.text
        found = re.search(r'id="id_amount_error">([^<]*)<', page.html)
        assert found and words in found[1]
        assert page.fields()["amount"] == [amount]
    assert limit_of(acme, "pool").amount == 1_000


def test_what_is_too_much_for_a_smooth_limit_is_told(ada: Browser, acme: Cast) -> None:
    acme.issue(limits=[{**BUCKET, "window": "day"}])
    path = at(acme, f"{limit_of(acme, 'bucket').id}/edit/")
    page = ada.send(path, amount="999999999999", step="compare")
    assert page.status == 400 and "use calendar" in page.text


def test_a_change_meanwhile_is_shown_and_what_was_typed_kept(ada: Browser, acme: Cast) -> None:
    acme.issue(limits=[POOL])
    limit = limit_of(acme, "pool")
    path = at(acme, f"{limit.id}/edit/")
    fields = {**ada.get(path).fields(), "amount": "7"}
    change_shared_limit(actor=acme.owner, limit_id=limit.id, patch=LimitPatch(amount=3))
    page = ada.post(path, **fields, step="save")
    assert page.status == 412 and "What changed since you opened this form" in page.text
    assert "Ada changed" in page.text and page.fields()["amount"] == ["7"]
    assert limit_of(acme, "pool").amount == 3
    page = ada.post(path, **{**page.fields(), "step": "compare"})
    assert "3 tokens a month 3 tokens a month 7 tokens a month" in diff(page)


def test_nothing_that_differs_saves_nothing(ada: Browser, acme: Cast) -> None:
    acme.issue(limits=[POOL])
    path = at(acme, f"{limit_of(acme, 'pool').id}/edit/")
    page = ada.send(path, step="compare")
    assert "Nothing differs. Nothing was saved." in page.text


def test_a_keys_own_limit_is_changed_with_its_key(ada: Browser, ben: Browser, acme: Cast) -> None:
    key = acme.issue(limits=[DAY]).key
    limit = limit_of(acme, "daily")
    with_key = f'href="/t/{acme.tenant.slug}/keys/{key.id}/edit/#limits"'
    for browser in (ada, ben):
        assert with_key in browser.get(at(acme, f"{limit.id}/")).html
    page = ada.get(at(acme, f"{limit.id}/edit/"))
    assert page.status == 200 and with_key in page.html and 'name="amount"' not in page.html
    page = ada.post(at(acme, f"{limit.id}/edit/"), amount="5", version="1", step="save")
    assert page.status == 409 and limit_of(acme, "daily").amount == 100


def test_a_foreign_limit_answers_as_one_that_is_not(ada: Browser, acme: Cast, globex: Cast) -> None:
    acme.issue(limits=[POOL])
    globex.issue(limits=[POOL])
    mine, foreign = limit_of(acme, "pool").id, limit_of(globex, "pool").id

    def told(id: str, path: str, post: bool) -> tuple[int, str]:
        where, fields = at(acme, path.format(id)), {"amount": "1", "version": "1", "step": "save"}
        page = ada.post(where, **fields) if post else ada.get(where)
        return page.status, page.html.replace(id, "#").replace(page.headers["x-request-id"], "#")

    for path, post in (("{}/", False), ("{}/edit/", False), ("{}/edit/", True)):
        assert told(foreign, path, post)[0] == 404, path
        assert told(foreign, path, post) == told("lim_000000000000", path, post), path
        assert told(mine, path, post)[0] != 404, path
    assert limit_of(globex, "pool").amount == 1_000


def test_in_a_suspended_tenant_nothing_is_changed(ada: Browser, acme: Cast) -> None:
    acme.issue(limits=[POOL])
    limit = limit_of(acme, "pool")
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    assert ada.get(at(acme, f"{limit.id}/")).status == 200
    assert ada.get(at(acme, f"{limit.id}/edit/")).status == 403
    assert ada.post(at(acme, f"{limit.id}/edit/"), amount="1", version="1").status == 403


def test_the_admin_sees_every_tenants_and_changes_shared_ones(
    sol: Browser, ira: Browser, acme: Cast, globex: Cast
) -> None:
    for cast in (acme, globex):
        cast.issue(limits=[POOL])
    page = sol.get("/admin/limits/", tenant=acme.tenant.slug)
    assert shown(page) == ["pool"] and "Acme" in page.text
    limit = limit_of(globex, "pool")
    path = f"/admin/limits/{limit.id}/edit/"
    assert ira.get(f"/admin/limits/{limit.id}/").status == 200
    assert ira.get(path).status == 403
    page = sol.send(path, amount="9", step="compare")
    assert sol.post(path, **{**page.fields(), "step": "save"}).status == 302
    assert limit_of(globex, "pool").amount == 9 and limit_of(acme, "pool").amount == 1_000
    assert sol.get("/admin/limits/lim_000000000000/").status == 404


def test_names_that_people_chose_are_escaped(ada: Browser, acme: Cast, gate: Gate) -> None:
    evil = "<script>x</script>"
    gate.check(acme.issue(name=evil, limits=[{**POOL, "name": evil}]))
    limit = limit_of(acme, evil)
    for path in ("", f"{limit.id}/", f"{limit.id}/edit/"):
        html = ada.get(at(acme, path)).html
        assert "<script>x" not in html and "&lt;script&gt;x" in html, path


def test_no_page_of_limits_asks_much(
    ada: Browser, sol: Browser, acme: Cast, gate: Gate, queries: Any
) -> None:
    for n in range(60):
        acme.issue(name=f"k{n}", limits=[{**DAY, "name": f"d{n}"}, POOL])
    limit = limit_of(acme, "pool")
    change_shared_limit(actor=acme.owner, limit_id=limit.id, patch=LimitPatch(amount=3))
    for path in ("", "?q=d&page=2", f"{limit.id}/", f"{limit.id}/edit/", "?format=csv"):
        for browser, where in ((ada, at(acme, path)), (sol, f"/admin/limits/{path}")):
            browser.get(where)
            with queries() as told:
                assert browser.get(where).status == 200, where
            assert len(told) <= 15, (where, [each["sql"][:80] for each in told])


def test_every_role_looks_and_nobody_else(
    acme: Cast, ada: Browser, ben: Browser, vera: Browser, globex: Cast, sol: Browser
) -> None:
    acme.issue(limits=[POOL])
    limit = limit_of(acme, "pool")
    for path in ("", f"{limit.id}/", "?format=csv"):
        for browser in (ada, ben, vera):
            assert browser.get(at(acme, path)).status == 200, path
        for browser in (member(globex, "owner"), sol):
            assert browser.get(at(acme, path)).status == 404, path
