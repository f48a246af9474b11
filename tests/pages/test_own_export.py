"""`/t/<slug>/ledger/`: a tenant's people read and take away their own slice, and no other's."""

import json

import pytest

from portal.tenancy.models import Person
from portal.tenancy.scope import platform_scope
from tests.cast import Cast
from tests.pages.browser import Browser, Page


def browser_of(cast: Cast, role: str) -> Browser:
    with platform_scope("a test signs someone in"):
        return Browser(Person.objects.get(id=getattr(cast, role).id))


def exported(browser: Browser, cast: Cast, query: str = "") -> Page:
    return browser.post(f"/t/{cast.tenant.slug}/ledger/export/{query}", format="jsonl")


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_an_export_holds_the_own_tenants_entries_alone(acme: Cast, globex: Cast, role: str) -> None:
    acme.issue(name="ours")
    globex.issue(name="theirs")
    browser = browser_of(acme, role)
    for query in ("", f"?tenant={globex.tenant.id}", f"?tenant={globex.tenant.slug}", "?tenant="):
        page = exported(browser, acme, query)
        assert "api key “theirs”" not in page.text and "key “theirs”" not in page.text, query
        assert page.status == 200 or query, "without a filter there is a file"
        if page.status == 200:
            told = [json.loads(line) for line in page.html.splitlines()]
            assert {one["tenant"] for one in told} == {acme.tenant.id}, query
            assert any("ours" in one["sentence"] for one in told)
    assert exported(browser, acme).status == 200


def test_a_developer_exports_nothing(acme: Cast) -> None:
    assert exported(browser_of(acme, "developer"), acme).status == 403


def test_a_foreign_tenants_export_is_not_there(acme: Cast, globex: Cast) -> None:
    assert exported(browser_of(acme, "owner"), globex).status == 404


def test_taking_it_away_is_written_into_the_own_ledger(acme: Cast) -> None:
    ada = browser_of(acme, "owner")
    exported(ada, acme)
    assert "ledger.exported" in ada.get(f"/t/{acme.tenant.slug}/ledger/").text
