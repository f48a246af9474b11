"""A credential in any page's address is taken out of it, kept nowhere, and recorded."""

from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.cast import Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser

EVERYWHERE = [
    "/admin/", "/admin/ledger/", "/admin/records/", "/admin/keys/", "/admin/keys/new/",
    "/admin/decisions/", "/admin/usage/", "/admin/limits/", "/admin/apis/", "/admin/gateways/",
    "/admin/tenants/", "/admin/people/", "/admin/security/", "/admin/outbox/", "/t/",
    "/admin/tenancy/api/", "/admin/keys/apikey/",
]  # fmt: skip


@pytest.mark.parametrize("path", EVERYWHERE)
def test_no_page_keeps_a_credential_in_its_address(acme: Cast, sol: Browser, path: str) -> None:
    issued = acme.issue()
    secret = issued.secret.reveal()
    page = sol.get(path, q=f"{secret} x", other=secret)
    assert page.status == 302
    assert secret[:24] not in page.goes_to
    shown = sol.get(page.goes_to)
    assert shown.status == 200
    assert "looks like a credential" in shown.text
    assert secret[9:] not in shown.html
    assert "pasted=1" not in shown.html, "no link keeps the warning"
    assert "credential.exposed denied" in events_of(issued.key.id)


def test_a_tenants_own_pages_keep_none_either(acme: Cast, ada: Browser) -> None:
    secret = acme.issue().secret.reveal()
    for name in ("", "keys/", "ledger/", "decisions/", "usage/", "limits/"):
        page = ada.get(f"/t/{acme.tenant.slug}/{name}", q=secret)
        assert page.status == 302
        assert secret not in page.goes_to
        assert "looks like a credential" in ada.get(page.goes_to).text


def test_signing_in_first_takes_no_credential_along(acme: Cast, nobody: Client) -> None:
    secret = acme.issue().secret.reveal()
    answer = nobody.get("/admin/keys/", {"q": secret})
    assert answer["Location"] == "/admin/keys/?pasted=1"
    assert nobody.get(answer["Location"])["Location"] == (
        "/admin/login/?next=/admin/keys/%3Fpasted%3D1"
    )


@pytest.mark.parametrize("wrap", ["{}", "{}#", "a={}&b"])
def test_the_sign_in_page_goes_on_to_no_address_with_a_credential(
    acme: Cast, nobody: Client, wrap: str
) -> None:
    secret = acme.issue().secret.reveal()
    for written in (secret, secret.replace("_", "%5F")):
        asked = {"next": f"/admin/keys/?q={wrap.format(written)}"}
        answer = nobody.get("/admin/login/", asked)
        assert 'name="next" value=""' in answer.text
        assert written not in answer.text
    answer = nobody.get("/admin/login/", {"next": "/admin/keys/?q=acme"})
    assert 'name="next" value="/admin/keys/?q=acme"' in answer.text


def test_who_begins_the_second_step_first_leaves_no_session_behind(
    nobody: Client, owner_db: "psycopg.Connection[Any]"
) -> None:
    count = "SELECT count(*) FROM tenancy_session"
    before = owner_db.execute(count).fetchone()
    for path in ("/admin/login/code/", "/admin/login/recovery/"):
        answer = nobody.get(path)
        assert answer["Location"] == "/admin/login/?late=1"
        assert "That took too long" in nobody.get(answer["Location"]).text
    assert owner_db.execute(count).fetchone() == before
    assert "That took too long" not in nobody.get("/admin/login/").text


@pytest.mark.parametrize("path", ["/admin/tenancy/person/", "/admin/keys/apikey/", "/admin/"])
def test_who_has_no_role_on_the_platform_is_not_sent_round_in_a_circle(
    acme: Cast, ada: Browser, path: str
) -> None:
    seen = [path]
    while (page := ada.get(seen[-1])).status == 302:
        assert page.goes_to not in seen
        seen.append(page.goes_to)
    assert page.status in (200, 403)
    assert ada.get("/admin/login/", next="/admin/security/").goes_to == "/admin/security/"
