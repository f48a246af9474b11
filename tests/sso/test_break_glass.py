"""Single sign-on enforced: who still comes in past the provider, by what, and who is told."""

from typing import Any

import psycopg
import pytest

from audit.ledger.models import Entry
from audit.ledger.reading import payload_of
from audit.ledger.sentences import sentence
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.models import Person
from portal.tenancy.people import change_platform_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.factors import Enrolment, recovery_codes_left
from tests.cast import OPERATOR
from tests.pages.app import PASSWORD, Visitor, code_of, someone
from tests.pages.test_passkeys import ALONE, CODE, HOST, NEW, SECOND, asked
from tests.sso.conftest import address_in
from tests.sso.provider import Idp
from tests.tenancy.holder import Holder, holder

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
RULE = "rule that people come through the provider"
THROUGH = "Sign in through Head office"


@pytest.fixture
def enforced(own: Idp, monkeypatch: pytest.MonkeyPatch) -> Idp:
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    return own


@pytest.fixture
def sol() -> Holder:
    """A security admin with a passkey, who set it up before anything was enforced."""
    return holder()


def browser() -> Visitor:
    """At the name that passkeys are for."""
    return Visitor(**HOST)


def by_passkey(visitor: Visitor, who: Holder, **lies: Any) -> Any:
    text = who.device.get(asked(visitor.get(ALONE)), **lies)
    return visitor.post(ALONE, {"passkey": text})


def entries_of(person: Person, type: str) -> list[Entry]:
    with platform_scope("a test reads the ledger"):
        return list(Entry.objects.filter(object_id=person.id, type=type).order_by("occurred_at"))


def told_of(entry: Entry) -> str:
    with platform_scope("a test reads the ledger"):
        return sentence(entry, payload_of(entry))


def failed_at(person: Person) -> str:
    """Where the last one that failed did."""
    words = told_of(entries_of(person, "login.failed")[-1])
    return words.partition(" failed at the ")[2].partition(" (")[0]


def alerts_about(person: Person) -> list[Mail]:
    with platform_scope("a test reads mails"):
        return list(Mail.objects.filter(about=person.id, subject__contains="past single sign-on"))


def admins() -> set[str]:
    with platform_scope("a test reads who is to be told"):
        found = Person.objects.filter(platform_role="security_admin", is_active=True)
        return set(found.values_list("email", flat=True))


@pytest.mark.parametrize("role", ["auditor", ""])
def test_nobody_else_signs_in_whatever_they_have(
    own: Idp, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    ira = holder("Ira Bloom", role)
    assert browser().sign_in(ira.who).status == 302
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    visitor = browser()
    page = visitor.give_password(ira.who.person.email, PASSWORD)
    assert page.status == 400 and THROUGH in page.text
    # A wrong password tells nobody what role its person has.
    wrong = visitor.give_password(ira.who.person.email, "wrong horse battery staple")
    assert "E-mail or password is not right." in wrong.text
    assert "Past it only" not in wrong.text
    page = by_passkey(visitor, ira)
    assert page.status == 400 and THROUGH in page.text
    assert not visitor.is_signed_in()
    assert failed_at(ira.who.person) == RULE
    assert alerts_about(ira.who.person) == []


@pytest.mark.parametrize("path", [CODE, "/admin/login/recovery/"])
@pytest.mark.parametrize("role", ["auditor", "security_admin"])
def test_while_a_code_is_awaited_it_is_too_late(
    own: Idp, monkeypatch: pytest.MonkeyPatch, role: str, path: str
) -> None:
    who, visitor = holder("Kim Osei", role).who, browser()
    visitor.give_password(who.person.email, PASSWORD)
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    code = who.code() if path == CODE else who.enrolment.codes[3]
    page = visitor.post(path, {"code": code})
    assert page.status == 400 and THROUGH in page.text
    assert not visitor.is_signed_in()
    assert failed_at(who.person) == RULE
    monkeypatch.setenv("OIDC_ENFORCED", "0")  # and nothing was used up
    assert visitor.post(path, {"code": code}).status == 302


def test_a_security_admin_without_a_passkey_does_not_either(
    own: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    sol, visitor = someone(), browser()
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    page = visitor.give_password(sol.person.email, PASSWORD)
    assert page.status == 400 and "only security admins come in, with a passkey" in page.text
    assert failed_at(sol.person) == RULE
    assert entries_of(sol.person, "login.break_glass") == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_security_admin_breaks_the_glass_by_a_passkey_and_all_of_them_are_told(
    sol: Holder, own: Idp, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    sue = someone("Sue Park", "security_admin")
    assert alerts_about(sol.who.person) == []
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    visitor = browser()
    if alone:
        page = by_passkey(visitor, sol)
    else:
        assert visitor.give_password(sol.who.person.email, PASSWORD).goes_to == SECOND
        page = visitor.get(SECOND)
        assert f'href="{CODE}"' not in page.html and "/admin/login/recovery/" not in page.html
        page = visitor.post(SECOND, {"passkey": sol.device.get(asked(page))})
    assert page.goes_to == "/admin/" and visitor.is_signed_in()
    letters = [letter for mail in alerts_about(sol.who.person) if (letter := letter_of(mail))]
    assert {letter.to for letter in letters} == admins() >= {sue.person.email}
    assert "signed in to Countersign with a passkey, past the provider" in letters[0].text
    (entry,) = entries_of(sol.who.person, "login.break_glass")
    assert told_of(entry) == "Sol Okafor signed in past single sign-on, with passkey"


def test_a_wrong_answer_breaks_nothing(sol: Holder, enforced: Idp) -> None:
    visitor = browser()
    for lies in ({"signature": b"x"}, {"flags": 1}, {"origin": "https://evil.example"}):
        assert by_passkey(visitor, sol, **lies).status == 400
    assert not visitor.is_signed_in()
    assert failed_at(sol.who.person) == "passkey"
    assert alerts_about(sol.who.person) == []


def test_whose_role_was_taken_away_comes_in_no_more(sol: Holder, enforced: Idp) -> None:
    change_platform_role(
        actor=OPERATOR, person_id=sol.who.person.id, role="auditor", reason="tests"
    )
    assert by_passkey(browser(), sol).status == 400


def test_a_link_lets_a_security_admin_in_and_nobody_else_and_is_an_alert(enforced: Idp) -> None:
    with pytest.raises(Refusal, match="FORBIDDEN"):
        someone("Ira Bloom", "auditor")
    sol = someone()
    (entry,) = entries_of(sol.person, "login.break_glass")
    assert told_of(entry) == (
        "Sol Okafor signed in past single sign-on, with six-digit code, by a link"
    )
    letters = [letter for mail in alerts_about(sol.person) if (letter := letter_of(mail))]
    assert {letter.to for letter in letters} == admins()
    assert "with a set-up link, past the provider" in letters[0].text


def test_who_comes_through_the_provider_is_no_alert(enforced: Idp) -> None:
    enforced.bend["groups"] = "secops"
    visitor = browser()
    visitor.get(enforced.approve(address_in(visitor.post("/sso/platform/"))))
    assert visitor.is_signed_in()
    with platform_scope("a test reads mails"):
        lately = Mail.objects.filter(subject__contains="past single sign-on")
        person = Person.objects.get(email=enforced.bend["email"])
        assert not lately.filter(about=person.id).exists()


def test_who_has_no_password_here_adds_no_passkey(own: Idp) -> None:
    """It would let them in after their account at the provider ended."""
    own.bend |= {"groups": "secops", "amr": ["pwd"]}
    visitor = browser()
    visitor.get(own.approve(address_in(visitor.post("/sso/platform/"))))
    sealed = visitor.get("/sso/factor/").fields("/sso/factor/")["sealed"][0]
    with platform_scope("a test looks for someone"):
        person = Person.objects.get(email=own.bend["email"])
    enrolment = Enrolment.opened(sealed, person.id)
    assert enrolment is not None
    told = {"sealed": sealed, "code": code_of(enrolment.seed), "stored": "on"}
    assert visitor.post("/sso/factor/", told).goes_to == "/admin/"
    page = visitor.post(NEW, {"name": "Laptop", "code": enrolment.codes[0]})
    assert page.status == 409 and "You sign in through a provider alone" in page.text
    with platform_scope("a test counts"):
        assert recovery_codes_left(person.id) == 8
