"""The platform's own provider: roles by a claim, enforcing it, and breaking the glass."""

from typing import Any

import pytest

from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.models import ExternalIdentity, IdentityProvider, Person
from portal.tenancy.people import create_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.pages.app import PASSWORD, Visitor, someone
from tests.pages.browser import Browser, Page, staff
from tests.sso.conftest import address_in, set_up
from tests.sso.nameserver import NameServer
from tests.sso.provider import CLIENT, SECRET, Idp, Server


@pytest.fixture
def domain() -> str:
    return f"{base62(10).lower()}.example"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, idp: Idp, domain: str) -> Idp:
    """The settings name a provider; its people are security admins and auditors by their groups."""
    for name, value in {
        "ISSUER": idp.issuer, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "NAME": "Head office",
        "DOMAINS": domain, "ROLE_CLAIM": "groups", "ADMIN_VALUES": "secops",
        "AUDITOR_VALUES": "audit,evidence", "MFA_AMR": "mfa", "PRIVATE_NETWORKS": "",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"OIDC_{name}", value)
    email = f"{base62(8).lower()}@{domain}"
    idp.bend = {"email": email, "email_verified": True, "amr": ["mfa"]}
    return idp


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


@pytest.fixture
def enforced(own: Idp, monkeypatch: pytest.MonkeyPatch) -> Idp:
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    return own


def alerts_about(person: Person) -> list[Mail]:
    with platform_scope("a test reads mails"):
        return list(Mail.objects.filter(about=person.id, subject__contains="past single sign-on"))


@pytest.mark.parametrize("role", ["auditor", ""])
def test_enforced_nobody_else_signs_in_with_a_password(
    enforced: Idp, visitor: Visitor, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_ENFORCED", "0")
    who = someone("Ira", role)
    assert Visitor().sign_in(who).status == 302
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    page = visitor.give_password(who.person.email, PASSWORD)
    assert page.status == 400 and "Sign in through Head office" in page.text
    # A wrong password tells nobody what role its person has.
    wrong = visitor.give_password(who.person.email, "wrong horse battery staple")
    assert "E-mail or password is not right." in wrong.text
    assert "through Head office: nobody" not in wrong.text


def test_enforced_while_a_code_is_awaited_it_is_too_late(
    own: Idp, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = someone("Ira", "auditor")
    visitor.give_password(who.person.email, PASSWORD)
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    page = visitor.post("/admin/login/code/", {"code": who.code()})
    assert page.status == 400 and "through Head office" in page.text
    assert not visitor.is_signed_in()


def test_enforced_an_invitation_signs_nobody_else_in(enforced: Idp) -> None:
    with pytest.raises(Refusal, match="FORBIDDEN"):
        someone("Ira", "auditor")
    assert someone("Sol", "security_admin").person.has_usable_password()


def test_a_security_admin_breaks_the_glass_and_all_of_them_are_told(
    enforced: Idp, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OIDC_ENFORCED", "0")
    sol, other = someone("Sol", "security_admin"), someone("Sue", "security_admin")
    assert alerts_about(sol.person) == []
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    assert visitor.sign_in(sol).status == 302 and visitor.is_signed_in()

    letters = [letter_of(mail) for mail in alerts_about(sol.person)]
    recipients = {letter.to for letter in letters if letter}
    assert {sol.person.email, other.person.email} <= recipients
    with platform_scope("a test reads who is to be told"):
        admins = Person.objects.filter(platform_role="security_admin", is_active=True)
        assert recipients == set(admins.values_list("email", flat=True))
        entry = entries(tenant=None, type="login.break_glass", target=sol.person.id).first()
        assert entry is not None
        told = sentence(entry, payload_of(entry))
    assert told == "Sol signed in past single sign-on, with password and six-digit code"


def test_who_comes_through_the_provider_is_no_alert(enforced: Idp) -> None:
    enforced.bend["groups"] = "secops"
    sign_in(enforced, Visitor())
    assert alerts_about(person_of(enforced)) == []


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
