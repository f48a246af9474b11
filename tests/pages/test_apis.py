"""The list of Apis, and making one."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from portal.core.ids import base62
from portal.tenancy.apis import create_api
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.models import Api
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser

LIST = "/admin/apis/"
NEW = "/admin/apis/new/"


def own_api(cast: Cast, name: str, slug: str = "own", **more: Any) -> Api:
    """An Api of the tenant's own."""
    return create_api(actor=OPERATOR, slug=slug, name=name, tenant_id=cast.tenant.id, **more)


def count_of(slug: str) -> int:
    with platform_scope("tests count"):
        return Api.objects.filter(slug=slug).count()


def test_an_api_is_listed_with_how_much_it_has(acme: Cast, sol: Browser) -> None:
    page = sol.get(LIST, q=acme.api.slug)
    assert page.status == 200
    assert f"{acme.api.slug} · {acme.api.id} Copy the platform 4 1 5 1 1" in page.text


def test_an_api_is_found_by_name_slug_id_and_scope(acme: Cast, globex: Cast, sol: Browser) -> None:
    word = base62(8).lower()
    api = own_api(acme, f"Things {word}", scopes=[ScopeDefinition(f"only:{word}")])
    for text in (f"Things {word}", f"only:{word}", api.id):
        page = sol.get(LIST, q=text)
        assert api.id in page.html
        assert globex.api.id not in page.html


def test_apis_are_filtered_by_owner_and_risk_and_sorted(acme: Cast, sol: Browser) -> None:
    word = base62(8)
    mild = own_api(acme, f"{word} b", slug="mild")
    risky = own_api(acme, f"{word} a", slug="risky", scopes=[ScopeDefinition("x", "high")])
    page = sol.get(LIST, q=word, tenant=acme.tenant.slug, risk="high")
    assert risky.id in page.html
    assert mild.id not in page.html
    assert mild.id not in sol.get(LIST, q=word, tenant="-").html
    first = sol.get(LIST, q=word, sort="name").html
    assert first.index(risky.id) < first.index(mild.id)
    last = sol.get(LIST, q=word, sort="-name").html
    assert last.index(mild.id) < last.index(risky.id)


def test_an_unknown_filter_is_told_and_left_out(sol: Browser) -> None:
    page = sol.get(LIST, risk="medium", sort="colour")
    assert page.status == 400
    assert "Risk: there is no such choice" in page.text
    assert "can't be sorted by that" in page.text


def test_nothing_found_offers_a_way_out(acme: Cast, sol: Browser) -> None:
    page = sol.get(LIST, q=base62(12))
    assert "No APIs match what you asked for." in page.text


def test_the_file_holds_what_is_found_and_no_formulas(acme: Cast, sol: Browser) -> None:
    api = own_api(acme, "=HYPERLINK(1)")
    answer = sol.get(LIST, format="csv", tenant=acme.tenant.slug)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.html)))
    assert [row["id"] for row in rows] == [api.id]
    assert rows[0]["name"] == "'=HYPERLINK(1)"


def test_a_pasted_credential_leaves_the_address(acme: Cast, sol: Browser) -> None:
    page = sol.get(LIST, q=f"x {acme.gateway_token}")
    assert page.status == 302
    assert page.goes_to == "/admin/apis/?pasted=1"
    assert "looks like a credential" in sol.get(page.goes_to).text


def test_an_api_is_made_and_shown(sol: Browser) -> None:
    slug = f"new-{base62(6).lower()}"
    page = sol.send(NEW, name="New <b>one</b>", slug=slug)
    assert page.status == 302
    shown = sol.get(page.goes_to)
    assert "New &lt;b&gt;one&lt;/b&gt; was created" in shown.html
    assert "No route is known" in shown.text
    assert events_of(page.goes_to.split("/")[-2]) == ["api.created success"]


def test_an_api_of_a_tenant_is_its_own(acme: Cast, sol: Browser) -> None:
    page = sol.send(NEW, name="Own", slug="own", tenant=acme.tenant.slug)
    shown = sol.get(page.goes_to)
    assert f"of {acme.tenant.name} alone" in shown.text
    assert "Granted to" not in shown.text


def test_a_form_that_is_sent_twice_makes_one_api(sol: Browser) -> None:
    slug = f"once-{base62(6).lower()}"
    fields = {**sol.get(NEW).fields(), "name": "Once", "slug": slug}
    first, second = sol.post(NEW, **fields), sol.post(NEW, **fields)
    assert first.goes_to == second.goes_to
    assert "This form was sent before" in sol.get(second.goes_to).text
    assert count_of(slug) == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "1 to 128 characters are needed."),
        ({"name": "x" * 129}, "1 to 128 characters are needed."),
        ({"name": "a\u202eb"}, "Control, format and bidirectional characters are not taken."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"slug": "Not A Slug"}, "1 to 63 of a-z, 0-9"),
        ({"slug": ""}, "1 to 63 of a-z, 0-9"),
        ({"tenant": "nobody-at-all"}, "There is no such tenant."),
        ({"once": "forged"}, "This form is too old or not yours."),
        ({"once": ""}, "This form is too old or not yours."),
    ],
)
def test_what_is_wrong_stands_by_its_field_and_nothing_is_made(
    sol: Browser, typed: dict[str, str], said: str
) -> None:
    slug = f"bad-{base62(6).lower()}"
    page = sol.send(NEW, **{"name": "Kept & shown", "slug": slug, **typed})
    assert page.status in (400, 409)
    assert said in page.text
    assert typed.get("slug", slug) in page.html
    assert "name" in typed or "Kept &amp; shown" in page.html
    assert count_of(slug) == 0


def test_a_slug_that_is_taken_is_said_by_its_field(acme: Cast, sol: Browser) -> None:
    page = sol.send(NEW, name="Again", slug=acme.api.slug)
    assert page.status == 409
    assert "Choose another one." in page.text
    assert count_of(acme.api.slug) == 1


def test_the_auditor_sees_apis_and_makes_none(acme: Cast, sol: Browser, ira: Browser) -> None:
    page = ira.get(LIST, q=acme.api.slug)
    assert page.status == 200
    assert "Create API" not in page.text
    assert "Create API" in sol.get(LIST).text
    slug = f"ira-{base62(6).lower()}"
    fields = {**sol.get(NEW).fields(), "name": "Ira's", "slug": slug}
    assert ira.get(NEW).status == 403
    assert ira.post(NEW, **fields).status == 403
    assert count_of(slug) == 0
    assert "access.refused denied" in events_of("new")


def test_the_list_asks_little_of_the_database(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for n in range(12):
        own_api(
            acme, f"Api {n}", slug=f"api-{n}", scopes=[ScopeDefinition("a"), ScopeDefinition("b")]
        )
    with queries() as told:
        assert sol.get(LIST, tenant=acme.tenant.slug).status == 200
    assert len(told) <= 15
