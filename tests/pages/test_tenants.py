"""Tenants: the list, making one, its page, suspending and resuming."""

from collections.abc import Callable
from typing import Any

import pytest

from keys.models import ApiKey
from portal.core.ids import base62
from portal.tenancy.models import Tenant
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser

LIST = "/admin/tenants/"
NEW = "/admin/new/tenant/"


def new_slug() -> str:
    return f"made-{base62(8)}".lower()


def count() -> int:
    with platform_scope("a test"):
        return Tenant.objects.count()


def test_a_tenant_is_found_by_its_name_slug_or_id(acme: Cast, globex: Cast, sol: Browser) -> None:
    for text in (acme.tenant.slug, acme.tenant.id):
        page = sol.get(LIST, q=text)
        assert page.status == 200
        assert acme.tenant.slug in page.html
        assert globex.tenant.slug not in page.html


def test_nothing_found_is_said(sol: Browser) -> None:
    assert "Nothing found" in sol.get(LIST, q="no such tenant").text


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(nobody: Any) -> None:
    answer = nobody.get("/admin/tenants/?q=a")
    assert answer.status_code == 302
    assert answer["Location"] == "/admin/login/?next=/admin/tenants/%3Fq%3Da"


def test_the_list_is_a_file_whose_cells_no_spreadsheet_computes(sol: Browser) -> None:
    slug = new_slug()
    create_tenant(actor=OPERATOR, slug=slug, name="=1+1")
    answer = sol.get(LIST, q=slug, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f',"{slug}","\'=1+1",' in answer.html


def test_a_tenant_is_made_and_shown(sol: Browser, ira: Browser) -> None:
    slug = new_slug()
    answer = sol.send(NEW, name="Made", slug=slug)
    assert answer.goes_to == f"{LIST}{slug}/"
    page = sol.get(answer.goes_to)
    assert "Made was created." in page.text
    assert "Suspend tenant" in page.text
    assert "Suspend tenant" not in ira.get(answer.goes_to).text


def test_the_form_sent_twice_makes_one(sol: Browser) -> None:
    slug = new_slug()
    fields = {**sol.get(NEW).fields(), "name": "Once", "slug": slug}
    assert sol.post(NEW, **fields).status == 302
    before = count()
    assert sol.post(NEW, **fields).goes_to == f"{LIST}{slug}/"
    assert count() == before


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"name": "", "slug": "fine"}, "1 to 128 characters"),
        ({"name": "x" * 129, "slug": "fine"}, "1 to 128 characters"),
        ({"name": "fine", "slug": ""}, "1 to 63 of a-z"),
        ({"name": "fine", "slug": "Not A Slug"}, "1 to 63 of a-z"),
        ({"name": "fine", "slug": "x" * 64}, "1 to 63 of a-z"),
        ({"name": "turned \u202e around", "slug": "fine"}, "bidirectional"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_made(
    sol: Browser, typed: dict[str, str], words: str
) -> None:
    before = count()
    page = sol.send(NEW, **typed)
    assert page.status == 400
    assert words in page.text
    assert 'class="error"' in page.html
    kept = page.fields()
    assert {name: kept[name][0] for name in typed} == typed
    assert count() == before


def test_a_taken_slug_is_said(acme: Cast, sol: Browser) -> None:
    page = sol.send(NEW, name="Again", slug=acme.tenant.slug)
    assert page.status == 409
    assert "This slug is taken." in page.text


def test_an_auditor_looks_and_changes_nothing(acme: Cast, ira: Browser) -> None:
    assert ira.get(LIST).status == 200
    assert "Create tenant" not in ira.get(LIST).text
    assert ira.get(NEW).status == 403
    before = count()
    assert ira.post(NEW, name="x", slug=new_slug()).status == 403
    assert ira.post(f"{LIST}{acme.tenant.slug}/suspend/", reason="x").status == 403
    assert count() == before


def test_a_tenant_is_suspended_and_resumed_for_a_reason(acme: Cast, sol: Browser) -> None:
    path = f"{LIST}{acme.tenant.slug}/"
    empty = sol.send(f"{path}suspend/", reason="")
    assert empty.status == 400
    assert "1 to 512 characters" in empty.text
    assert sol.get(path).text.count("It is suspended.") == 0
    assert sol.send(f"{path}suspend/", reason="unpaid").goes_to == path
    assert "It is suspended." in sol.get(path).text
    assert sol.send(f"{path}resume/", reason="paid").goes_to == path
    assert "It is suspended." not in sol.get(path).text
    assert events_of(acme.tenant.id)[-2:] == [
        "tenant.suspended success", "tenant.resumed success",
    ]  # fmt: skip


def test_an_unknown_tenant_is_no_page(sol: Browser) -> None:
    for path in ("no-such-tenant", "no-such-tenant/suspend", "no-such-tenant/members/new"):
        assert sol.get(f"{LIST}{path}/").status == 404


def test_a_tenants_page_asks_the_database_little(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for name in range(5):
        acme.issue(name=f"key {name}")
    for path in (LIST, f"{LIST}{acme.tenant.slug}/", NEW):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path
    with platform_scope("a test"):
        assert ApiKey.objects.filter(tenant=acme.tenant).count() == 5
