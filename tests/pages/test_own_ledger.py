"""A tenant's slice of the ledger: its own entries, whole, and no word of anybody else's."""

import csv
import io
import json
from typing import Any

import pytest

from audit.ledger.events import BY_TYPE
from audit.ledger.models import Entry
from keys.revocation import revoke_key
from portal.tenancy.memberships import change_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import resume_tenant, suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/ledger/{rest}"


def latest(cast: Cast) -> Entry:
    with platform_scope("a test"):
        return Entry.objects.filter(tenant_id=cast.tenant.id).latest("occurred_at")


@pytest.fixture
def happened(acme: Cast, globex: Cast) -> Cast:
    """Something in each tenant, and something of the platform's."""
    for cast in (acme, globex):
        key = cast.issue(name=f"key of {cast.tenant.slug}").key
        revoke_key(actor=cast.owner, key_id=key.id, reason="no longer needed")
    return acme


def test_it_shows_its_own_entries_and_no_others(ada: Browser, happened: Cast, globex: Cast) -> None:
    page = ada.get(at(happened))
    assert page.status == 200
    assert f"key of {happened.tenant.slug}" in page.text
    assert globex.tenant.slug not in page.html and "Cy" not in page.text
    with platform_scope("a test"):
        own = Entry.objects.filter(tenant_id=happened.tenant.id).count()
    assert f"of {own} entries" in page.text


def test_nothing_in_it_is_the_platforms(ada: Browser, happened: Cast) -> None:
    for path in (at(happened), at(happened, f"{latest(happened).id}/"), at(happened, "export/")):
        page = ada.get(path)
        assert page.status == 200
        for words in ("Platform", "Any tenant", "All tenants", "/admin/keys", "/admin/ledger"):
            assert words not in page.html, (path, words)
        assert 'name="tenant"' not in page.html


def test_the_types_to_choose_from_are_a_tenants(ada: Browser, happened: Cast) -> None:
    page = ada.get(at(happened))
    for type in ("key.issued", "membership.changed", "invitation.sent", "ledger.exported"):
        assert f'<option value="{type}"' in page.html, type
    for type in ("mail.read", "login.failed", "person.created", "setup_link.made"):
        assert type in BY_TYPE and f'<option value="{type}"' not in page.html, type
    assert ada.get(at(happened), type="login.failed").status == 400


def test_what_is_recorded_without_a_tenant_is_of_those_types_alone() -> None:
    """The nouns that a tenant cannot choose are those that no tenant's entry has."""
    from audit.pages.asked import of_a_tenant

    with platform_scope("a test looks at everything that tests recorded"):
        rows = Entry.objects.exclude(tenant_id=None).values_list("type", flat=True).distinct()
        assert not {type for type in rows if not of_a_tenant(type)}


def test_entries_are_filtered_and_found(ada: Browser, happened: Cast, globex: Cast) -> None:
    path, there = at(happened), "no longer needed"
    for asked in (
        {"type": "key.revoked"}, {"outcome": "success"}, {"actor": happened.owner.id},
        {"q": happened.owner.id},
    ):  # fmt: skip
        assert there in ada.get(path, **asked).text, asked
    for asked in ({"actor": globex.owner.id}, {"outcome": "denied"}, {"until": "2020-01-01"}):
        assert there not in ada.get(path, **asked).text, asked
    with platform_scope("a test"):
        cy = globex.memberships["owner"].person.email
        ada_email = happened.memberships["owner"].person.email
    assert there in ada.get(path, q=ada_email).text
    assert "Nothing found" in ada.get(path, q=cy).text


def test_the_platforms_acts_on_it_stand_there_with_their_reason(ada: Browser, acme: Cast) -> None:
    at_: dict[str, Any] = {"actor": OPERATOR, "tenant_id": acme.tenant.id}
    suspend_tenant(**at_, reason="unpaid since May")
    resume_tenant(**at_, reason="paid")
    page = ada.get(at(acme), type="tenant.suspended")
    assert "unpaid since May" in page.text


def test_one_requests_entries_stand_together(ada: Browser, ben: Browser, acme: Cast) -> None:
    page = ada.send(
        f"/t/{acme.tenant.slug}/members/{acme.memberships['developer'].id}/role/", role="viewer"
    )
    request = page.headers["x-request-id"]
    entry = latest(acme)
    assert entry.request_id == request
    shown = ada.get(at(acme, f"{entry.id}/"))
    assert f"{at(acme)}?request={request}" in shown.html
    assert "1 entry" in shown.text
    together = ada.get(at(acme), request=request)
    assert "membership.changed" in together.text and "of 1 entry" in together.text


def test_an_entry_leads_to_the_tenants_own_pages(ada: Browser, happened: Cast) -> None:
    entry = latest(happened)
    page = ada.get(at(happened, f"{entry.id}/"))
    assert f'href="/t/{happened.tenant.slug}/keys/{entry.object_id}/"' in page.html
    assert "/admin/tenants/" not in page.html and "/admin/people/" not in page.html


def test_another_tenants_entry_is_no_page(ada: Browser, happened: Cast, globex: Cast) -> None:
    assert ada.get(at(happened, f"{latest(globex).id}/")).status == 404


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_an_export_holds_its_own_alone_and_is_itself_an_entry(
    ada: Browser, happened: Cast, globex: Cast, format: str
) -> None:
    page = ada.post(at(happened, "export/"), format=format)
    assert page.status == 200
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(page.html)))
    else:
        rows = [json.loads(line) for line in page.html.splitlines()]
    assert rows and {row["tenant"] for row in rows} == {happened.tenant.id}
    assert globex.tenant.id not in page.html
    entry = latest(happened)
    assert (entry.type, entry.tenant_id) == ("ledger.exported", happened.tenant.id)
    assert "exported" in ada.get(at(happened), type="ledger.exported").text


def test_a_developer_reads_and_exports_none(ben: Browser, happened: Cast) -> None:
    for rest in ("", "export/", f"{latest(happened).id}/"):
        assert ben.get(at(happened, rest)).status == 403
    assert ben.post(at(happened, "export/"), format="csv").status == 403
    assert "Ledger" not in ben.get(f"/t/{happened.tenant.slug}/keys/").text


def test_who_becomes_a_developer_loses_it_at_once(ada: Browser, vera: Browser, acme: Cast) -> None:
    assert vera.get(at(acme)).status == 200
    change_role(
        actor=acme.owner, tenant_id=acme.tenant.id, role="developer",
        membership_id=acme.memberships["viewer"].id,
    )  # fmt: skip
    assert vera.get(at(acme)).status == 403
