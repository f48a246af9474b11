"""Management tokens on a tenant's own pages: one's own, and everyone's for who governs them."""

import csv
import io
import re
from typing import Any

from portal.tenancy.authentication import proved
from portal.tenancy.management_tokens import create_management_token
from portal.tenancy.models import ManagementToken
from portal.tenancy.scope import tenant_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page

TOKEN = re.compile(r"csm_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/tokens/{rest}"


def make(cast: Cast, role: str, name: str) -> ManagementToken:
    return create_management_token(
        actor=OPERATOR, tenant_id=cast.tenant.id, creator_id=cast.memberships[role].id, name=name,
        scopes=["keys:read"],
    ).token  # fmt: skip


def create(browser: Browser, cast: Cast, **typed: Any) -> Page:
    good = {"name": "ci", "scopes": ["keys:read"], "expiry": "90"}
    return browser.send(at(cast, "new/"), **{**good, **typed})


def test_a_developer_makes_a_token_that_acts_for_them(ben: Browser, acme: Cast) -> None:
    form = ben.get(at(acme, "new/"))
    assert form.fields()["creator"] == [acme.memberships["developer"].id]
    assert "Ada" not in form.text and "subjects:write" not in form.text
    page = create(ben, acme)
    (text,) = set(TOKEN.findall(page.html))
    token = proved(text)
    assert token is not None and token.membership_id == acme.memberships["developer"].id
    assert "Acts for Ben, developer" in page.text
    assert "/admin/tenants" not in page.html
    assert text not in ben.get(at(acme)).html


def test_and_for_nobody_else(ben: Browser, acme: Cast) -> None:
    page = create(ben, acme, creator=acme.memberships["owner"].id)
    assert page.status == 400 and "There is no such member" in page.text
    with tenant_scope(acme.tenant.id):
        assert not ManagementToken.objects.filter(name="ci").exists()


def test_a_developer_sees_and_ends_their_own_alone(ben: Browser, acme: Cast) -> None:
    mine, adas = make(acme, "developer", "mine"), make(acme, "owner", "adas")
    page = ben.get(at(acme))
    assert "Your management tokens" in page.text
    assert mine.id in page.html and adas.id not in page.html
    assert [r["name"] for r in csv.DictReader(io.StringIO(ben.get(at(acme), format="csv").html))] \
        == ["mine"]  # fmt: skip
    assert ben.send(at(acme, f"{mine.id}/revoke/"), reason="done").goes_to == at(acme)
    for act in (ben.get, ben.post):
        assert act(at(acme, f"{adas.id}/revoke/"), reason="x").status == 404
    assert events_of(adas.id) == ["management_token.created success"]


def test_an_owner_governs_everyones(ada: Browser, acme: Cast) -> None:
    bens = make(acme, "developer", "bens")
    page = ada.get(at(acme))
    assert "bens" in page.text and "automation" in page.text
    made = create(ada, acme, creator=acme.memberships["developer"].id)
    assert "Acts for Ben" in made.text
    assert ada.send(at(acme, f"{bens.id}/revoke/"), reason="he left").status == 302
    assert events_of(bens.id)[-1] == "management_token.revoked success"


def test_who_only_looks_has_none(vera: Browser, acme: Cast) -> None:
    for rest in ("", "new/"):
        assert vera.get(at(acme, rest)).status == 403
    assert "Management tokens" not in vera.get(f"/t/{acme.tenant.slug}/members/").text


def test_another_tenants_token_is_no_page(ada: Browser, acme: Cast, globex: Cast) -> None:
    theirs = make(globex, "owner", "theirs")
    assert ada.get(at(acme, f"{theirs.id}/revoke/")).status == 404
    assert ada.post(at(acme, f"{theirs.id}/revoke/"), reason="x").status == 404
    assert "theirs" not in ada.get(at(acme)).text


def test_in_a_suspended_tenant_tokens_are_looked_at(ben: Browser, acme: Cast) -> None:
    mine = make(acme, "developer", "mine")
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    page = ben.get(at(acme))
    assert page.status == 200 and mine.id in page.html and "Create token" not in page.text
    assert ben.get(at(acme, "new/")).status == 403
    assert ben.post(at(acme, f"{mine.id}/revoke/"), reason="x").status == 403


def test_an_empty_list_says_what_a_token_is_for(ben: Browser, acme: Cast) -> None:
    page = ben.get(at(acme))
    assert "acts for you by REST" in page.text and "Create token" in page.text
    assert f"/v1/tenants/{acme.tenant.slug}/keys" in page.text
