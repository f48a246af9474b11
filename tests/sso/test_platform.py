"""The platform's own provider: roles by a claim, and who is created by it."""

from typing import Any

import pytest

from portal.tenancy.models import ExternalIdentity, IdentityProvider, Person
from portal.tenancy.people import create_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.pages.app import Visitor, someone
from tests.pages.browser import Browser, Page, staff
from tests.sso.conftest import address_in, set_up
from tests.sso.nameserver import NameServer
from tests.sso.provider import Idp, Server


def go(visitor: Visitor) -> str:
    return address_in(visitor.post("/sso/platform/"))


def sign_in(idp: Idp, visitor: Visitor) -> Page:
    return visitor.get(idp.approve(go(visitor)))


def person_of(idp: Idp) -> Person:
    with platform_scope("a test looks for someone"):
        identity = ExternalIdentity.objects.select_related("person").get(
            issuer=idp.issuer, subject=idp.subject
        )
        return identity.person


def test_off_unless_configured(visitor: Visitor) -> None:
    with platform_scope("a test turns all of them off"):
        on = IdentityProvider.objects.filter(is_active=True)
        ids = list(on.values_list("id", flat=True))
        on.update(is_active=False)
    try:
        assert "through" not in visitor.get("/admin/login/").text
        for path in ("/sso/", "/sso/platform/", "/sso/at/acme/"):
            assert visitor.get(path).status == 404, path
            assert visitor.post(path).status == 404, path
    finally:
        with platform_scope("a test turns them on again"):
            IdentityProvider.objects.filter(id__in=ids).update(is_active=True)


def test_the_sign_in_page_has_its_button(own: Idp, visitor: Visitor) -> None:
    assert "Sign in through Head office" in visitor.get("/admin/login/").text
    assert visitor.get("/sso/platform/").status == 200
    assert own.asked == []  # to look at it asks nobody, and begins nothing


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        ("secops", "security_admin"),
        (["evidence"], "auditor"),
        (["secops", "audit"], "security_admin"),
        (["other"], ""),
        (None, ""),
    ],
)
def test_the_claim_gives_the_platform_role(
    own: Idp, visitor: Visitor, groups: Any, role: str
) -> None:
    own.bend["groups"] = groups
    page = sign_in(own, visitor)
    assert page.status == 302 and person_of(own).platform_role == role
    assert page.goes_to == ("/admin/" if role else "/t/")
    assert visitor.get("/admin/").status == (200 if role else 403)
    assert visitor.get("/admin/security/").status == 200  # no tenant's: nothing is bound


def test_each_sign_in_follows_the_claim(own: Idp) -> None:
    own.bend["groups"] = "secops"
    first = Visitor()
    sign_in(own, first)
    assert first.get("/admin/people/").status == 200
    own.bend["groups"] = "audit"
    sign_in(own, Visitor())
    assert person_of(own).platform_role == "auditor"
    own.bend["groups"] = None
    sign_in(own, Visitor())
    assert person_of(own).platform_role == ""
    assert first.get("/admin/people/").status == 403


def test_without_a_claim_it_changes_no_role(own: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    own.bend["groups"] = "secops"
    sign_in(own, Visitor())
    monkeypatch.setenv("OIDC_ROLE_CLAIM", "")
    own.bend["groups"] = None
    sign_in(own, Visitor())
    assert person_of(own).platform_role == "security_admin"


def test_nobody_is_created_outside_of_its_domains_or_taken_over(
    own: Idp, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    own.bend |= {"groups": "secops", "email": "x@elsewhere.example"}
    assert sign_in(own, Visitor()).status == 403
    own.bend["email"] = f"sol@{domain}"
    create_person(actor=OPERATOR, email=f"sol@{domain}", name="Sol")
    page = sign_in(own, Visitor())
    assert page.status == 409 and "mail address already" in page.text
    monkeypatch.setenv("OIDC_DOMAINS", "")
    own.bend["email"] = f"new@{domain}"
    assert sign_in(own, Visitor()).status == 403


def test_its_second_factor_has_to_be_said_or_ours_is_asked_for(own: Idp, visitor: Visitor) -> None:
    own.bend |= {"groups": "secops", "amr": ["pwd"]}
    assert sign_in(own, visitor).goes_to == "/sso/factor/"
    assert visitor.get("/admin/people/").status == 302


def test_the_last_security_admin_stays_one_whatever_the_claim_says(
    own: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.bend["groups"] = "secops"
    sign_in(own, Visitor())
    person = person_of(own)
    with platform_scope("a test leaves one alone"):
        others = Person.objects.filter(platform_role="security_admin").exclude(id=person.id)
        ids = list(others.values_list("id", flat=True))
        others.update(is_active=False)
    try:
        own.bend["groups"] = None
        assert sign_in(own, Visitor()).status == 302
        assert person_of(own).platform_role == "security_admin"
    finally:
        with platform_scope("a test puts the others back"):
            Person.objects.filter(id__in=ids).update(is_active=True)


def test_a_person_finds_their_provider_by_their_domain(
    own: Idp, visitor: Visitor, domain: str, acme: Cast, providers: Server,
    nameserver: NameServer, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("OIDC_PRIVATE_NETWORKS", "127.0.0.0/8")
    on = set_up(acme, Idp(providers), nameserver)
    assert visitor.get("/sso/").status == 200
    first = address_in(visitor.post("/sso/", {"email": f"any.one@{domain.upper()}"}))
    assert first.startswith(own.issuer)
    second = address_in(visitor.post("/sso/", {"email": f"x@{on.domain}"}))
    assert second.startswith(on.idp.issuer)
    for email in ("x@nowhere.example", "", "x", f"x@sub.{domain}"):
        page = visitor.post("/sso/", {"email": email})
        assert page.status == 400 and "No organisation" in page.text, email


def test_where_one_was_going_is_kept_and_never_another_site(own: Idp, visitor: Visitor) -> None:
    own.bend["groups"] = "secops"
    kept = "/admin/keys/?tenant=acme"
    for wanted, led in (
        (kept, kept), ("https://evil.example/", "/admin/"), ("//evil.example", "/admin/"),
    ):  # fmt: skip
        visitor = Visitor()
        address = address_in(visitor.post("/sso/platform/", {"next": wanted}))
        assert visitor.get(own.approve(address)).goes_to == led


def test_who_was_here_before_is_invited_and_ties_their_account(own: Idp, domain: str) -> None:
    who = someone("Ira", "auditor")
    sol = Browser(staff("Sol", "security_admin"))
    path = f"/admin/people/{who.person.id}/"
    assert "Invite to Head office" in sol.get(path).text
    assert sol.send(f"{path}sso/").goes_to == path
    own.bend |= {"email": who.person.email, "groups": "audit"}
    assert sign_in(own, Visitor()).status == 403  # an address ties nobody to anything
    browser = Visitor()
    browser.sign_in(who)
    fields = browser.get("/sso/link/").fields()
    sent = {"invitation": fields["invitation"][0], "code": who.code()}
    page = browser.get(own.approve(address_in(browser.post("/sso/link/", sent))))
    assert page.goes_to == "/sso/link/" and person_of(own) == who.person
    assert sign_in(own, Visitor()).goes_to == "/admin/"
