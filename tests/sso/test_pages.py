"""The pages of a tenant's provider: its owners' at /t/<slug>/sso/, the platform's in the admin."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.tenancy.models import DeprovisioningToken, IdentityProvider, ProviderDomain
from portal.tenancy.scope import platform_scope
from tests.api.answers import Api
from tests.cast import Cast
from tests.pages.app import Visitor
from tests.pages.browser import Browser, staff
from tests.sso.conftest import Acme, browser_of
from tests.sso.nameserver import NameServer
from tests.sso.provider import CLIENT, SECRET, Idp


@pytest.fixture(params=["owner", "security_admin"])
def editor(request: Any, acme: Cast) -> tuple[Browser, str]:
    """Who may set it up, and where."""
    if request.param == "owner":
        return browser_of(acme, "owner"), f"/t/{acme.tenant.slug}/sso/"
    return Browser(staff("Sol", "security_admin")), f"/admin/tenants/{acme.tenant.slug}/sso/"


def row_of(cast: Cast) -> IdentityProvider:
    with platform_scope("a test reads a provider"):
        return IdentityProvider.objects.get(tenant=cast.tenant)


def test_from_nothing_to_somebody_signed_in(
    editor: tuple[Browser, str], acme: Cast, idp: Idp, nameserver: NameServer, visitor: Visitor
) -> None:
    browser, base = editor
    assert "No provider is set up" in browser.get(base).text
    sent = browser.send(
        f"{base}edit/", name="Acme’s Keycloak", issuer=idp.issuer, client_id=CLIENT, secret=SECRET,
        role_claim="groups", role_map="boss = owner\nkeys=developer", default_role="viewer",
    )  # fmt: skip
    assert sent.status == 302, sent.text
    page = browser.get(base)
    row = row_of(acme)
    assert "Acme’s Keycloak Off" in page.text and SECRET not in page.html
    assert f"/sso/back/{row.id}" in page.text

    sent = browser.send(f"{base}domains/new/", domain=f"{acme.tenant.slug}.example")
    page = browser.get(sent.goes_to)
    name, text = re.findall(r'<dd class="mono">([^ <]+)', page.html)[::2]
    assert browser.send(sent.goes_to).status == 409
    nameserver.records[name] = [text]
    assert browser.send(sent.goes_to).status == 302
    assert browser.send(f"{base}on/", reason="all is set up").status == 302
    page = browser.get(base)
    assert "On" in page.text and "Verified" in page.text and "0 of 3 members" in page.text

    on = Acme(acme, idp, row, f"{acme.tenant.slug}.example").someone(groups=["keys"])
    assert on.sign_in(visitor).goes_to == f"/t/{acme.tenant.slug}/"
    member = on.member()
    assert member is not None and member.role == "developer"
    assert "1 of 4 members" in browser.get(base).text

    assert browser.send(f"{base}off/", reason="trouble").status == 302
    assert Visitor().get(on.door).status == 404


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    editor: tuple[Browser, str], acme: Cast
) -> None:
    browser, base = editor
    page = browser.send(
        f"{base}edit/", name="Kept", issuer="http://plain.example", client_id="",
        role_map="emperor", scopes="email", secret="typed", mfa_amr="a b",
    )  # fmt: skip
    assert page.status == 400 and "Nothing was saved." in page.text
    for name in ("issuer", "client_id", "role_claim", "role_map", "scopes", "mfa_amr"):
        assert f'id="id_{name}_error"' in page.html, name
    assert 'value="Kept"' in page.html and "typed" not in page.html
    with platform_scope("a test looks for a provider"):
        assert not IdentityProvider.objects.filter(tenant=acme.tenant).exists()


def test_a_secret_that_is_not_typed_again_stays(editor: tuple[Browser, str], on: Acme) -> None:
    browser, base = editor
    before = on.row.sealed_secret
    assert browser.send(f"{base}edit/", name="Renamed").status == 302
    row = row_of(on.cast)
    assert (row.name, row.sealed_secret, row.is_active) == ("Renamed", before, True)
    assert browser.send(f"{base}edit/", public="on").status == 302
    assert row_of(on.cast).sealed_secret == ""


def test_two_who_change_it_at_once_do_not_overwrite_each_other(
    editor: tuple[Browser, str], on: Acme
) -> None:
    browser, base = editor
    fields = browser.get(f"{base}edit/").fields()
    browser.send(f"{base}edit/", name="First")
    page = browser.post(f"{base}edit/", **{**fields, "name": "Second"})
    assert page.status == 412 and "changed while you looked at it" in page.text
    assert row_of(on.cast).name == "First"


def test_a_token_is_shown_once(editor: tuple[Browser, str], on: Acme, api: Api) -> None:
    browser, base = editor
    page = browser.get(f"{base}tokens/new/")
    fields = {**page.fields(), "name": "Directory job"}
    made = browser.post(f"{base}tokens/new/", **fields)
    (secret,) = re.findall(r"<output[^>]*>(csd_live_[^<]+)</output>", made.html)
    members = f"/v1/tenants/{on.cast.tenant.slug}/members"
    assert api("GET", members, token=secret).status == 200
    again = browser.post(f"{base}tokens/new/", **fields)
    assert "was created already" in again.text and secret not in again.html
    page = browser.get(base)
    assert "Directory job" in page.text and secret not in page.html
    with platform_scope("a test reads the token"):
        row = DeprovisioningToken.objects.get(provider=on.row)
    revoked = browser.send(f"{base}tokens/{row.id}/revoke/", reason="lost")
    assert revoked.status == 302 and api("GET", members, token=secret).status == 401
    for typed in ({"name": ""}, {"name": "x", "expires_at": "soon"}, {"expires_at": "2020-01-01"}):
        assert browser.send(f"{base}tokens/new/", **{"name": "x", **typed}).status == 400


def test_a_member_is_invited_by_mail(editor: tuple[Browser, str], on: Acme) -> None:
    browser, base = editor
    page = browser.get(f"{base}invite/")
    (email,) = re.findall(r'<option value="(vera-[^"]+)"', page.html)
    assert browser.send(f"{base}invite/", email=email).status == 302
    with platform_scope("a test reads mails"):
        letter = letter_of(Mail.objects.filter(about=on.cast.viewer.id).latest("created_at"))
    assert letter is not None and letter.to == email and "/sso/link/" in letter.text
    assert browser.send(f"{base}invite/", email="nobody@elsewhere.example").status == 400


def test_a_domain_is_removed(editor: tuple[Browser, str], on: Acme) -> None:
    browser, base = editor
    with platform_scope("a test reads domains"):
        domain = ProviderDomain.objects.get(provider=on.row)
    assert browser.send(f"{base}domains/{domain.id}/remove/").status == 302
    assert "nobody becomes a member by signing in" in browser.get(base).text
    assert browser.get(f"{base}domains/{domain.id}/").status == 404


PAGES = ["edit/", "on/", "off/", "invite/", "domains/new/", "tokens/new/"]


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_other_members_see_none_of_it(on: Acme, role: str) -> None:
    browser, base = browser_of(on.cast, role), f"/t/{on.cast.tenant.slug}/sso/"
    for page in ("", *PAGES):
        assert browser.get(base + page).status == 403, page
        assert browser.post(base + page, reason="x", name="x", domain="a.example").status == 403
    assert "Single sign-on" not in browser.get(f"/t/{on.cast.tenant.slug}/").text


def test_an_auditor_looks_and_changes_nothing(on: Acme) -> None:
    ira, base = Browser(staff("Ira", "auditor")), f"/admin/tenants/{on.cast.tenant.slug}/sso/"
    page = ira.get(base)
    assert page.status == 200 and "Turn off" not in page.text and "Change" not in page.text
    for each in PAGES:
        assert ira.get(base + each).status == 403, each
        assert ira.post(base + each, reason="x").status == 403, each
    assert row_of(on.cast).is_active


def test_a_foreign_tenants_and_what_is_not_there_answer_alike(on: Acme, globex: Cast) -> None:
    cy = browser_of(globex, "owner")
    assert cy.get(f"/t/{globex.tenant.slug}/sso/").status == 200
    with platform_scope("a test reads domains"):
        domain = ProviderDomain.objects.get(provider=on.row)
    for path in (f"/t/{on.cast.tenant.slug}/sso/", f"/t/{globex.tenant.slug}/sso/on/",
                 f"/t/{globex.tenant.slug}/sso/domains/{domain.id}/"):  # fmt: skip
        assert cy.get(path).status == 404, path


def test_no_page_asks_much_of_the_database(
    editor: tuple[Browser, str], on: Acme, queries: Callable[[], Any]
) -> None:
    browser, base = editor
    for page in ("", "edit/", "invite/"):
        with queries() as told:
            assert browser.get(base + page).status == 200
        assert len(told) <= 15, page


def test_a_get_changes_nothing(editor: tuple[Browser, str], on: Acme, visitor: Visitor) -> None:
    browser, base = editor
    with platform_scope("a test reads a provider"):
        before = list(IdentityProvider.objects.values())
    asked = len(on.idp.asked)
    for page in ("", *PAGES):
        browser.get(base + page)
    for path in ("/sso/", on.door, "/sso/link/", "/sso/factor/"):
        visitor.get(path)
    assert "countersign" not in visitor.client.cookies
    with platform_scope("a test reads a provider"):
        assert list(IdentityProvider.objects.values()) == before
    assert len(on.idp.asked) == asked
