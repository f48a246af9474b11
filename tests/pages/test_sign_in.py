"""Signing in and out: a password, then a code; nobody is half signed in."""

import re
import threading
from typing import Any

import psycopg
import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection

from audit.ledger.models import Entry, Payload
from portal.core.clock import now
from portal.tenancy.models import Person, RecoveryCode, Session
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import SessionStore, digest_of
from tests.cast import OPERATOR
from tests.pages.app import PASSWORD, Someone, Visitor, someone
from tests.pages.browser import Browser, Page, staff

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
CODE, RECOVERY = "/admin/login/code/", "/admin/login/recovery/"


@pytest.fixture
def sol() -> Someone:
    return someone()


def entries(who: Someone) -> list[Entry]:
    with platform_scope("a test looks"):
        return list(Entry.objects.filter(object_id=who.person.id).order_by("occurred_at", "id"))


def events(who: Someone) -> list[str]:
    return [entry.type for entry in entries(who)][4:]  # after created, invited, set up, signed in


def sessions(who: Someone) -> int:
    with platform_scope("a test counts"):
        return Session.objects.filter(person=who.person).count()


def failures_from(address: str) -> list[str]:
    with platform_scope("a test looks"):
        failed = Payload.objects.filter(entry__type="login.failed").order_by("entry__occurred_at")
        bodies = [body or "" for body in failed.values_list("body", flat=True)]
    return [body for body in bodies if f'"{address}"' in body]


def bare(page: Page) -> str:
    """A page without what differs by who looked at it."""
    return re.sub(r'value="[^"]*"', "", page.html)


def test_a_password_and_a_code_sign_in(sol: Someone) -> None:
    visitor = Visitor()
    assert visitor.sign_in(sol).goes_to == "/admin/"
    assert visitor.get("/admin/").status == 200
    assert events(sol) == ["login.succeeded"]
    with platform_scope("a test looks"):
        last = Person.objects.get(id=sol.person.id).last_sign_in_at
    assert last is not None and (now() - last).total_seconds() < 20


def test_a_session_lasts_eight_hours_and_says_nothing_of_the_steps_before(sol: Someone) -> None:
    visitor = Visitor()
    visitor.sign_in(sol)
    key = visitor.client.cookies["countersign"].value
    with platform_scope("a test looks"):
        row = Session.objects.get(digest=digest_of(key))
    assert 7.9 < (row.expires_at - now()).total_seconds() / 3600 <= 8
    assert "signing_in" not in SessionStore(key).load()


def test_the_address_may_be_in_any_case_and_the_code_may_have_a_space(sol: Someone) -> None:
    visitor = Visitor()
    visitor.give_password(f" {sol.person.email.upper()} ", PASSWORD)
    code = sol.code()
    assert visitor.post(CODE, {"code": f" {code[:3]} {code[3:]} "}).goes_to == "/admin/"


def test_after_the_password_nobody_is_signed_in(sol: Someone) -> None:
    visitor = Visitor()
    before = sessions(sol)
    assert visitor.give_password(sol.person.email, PASSWORD).goes_to == CODE
    for path in ("/admin/", "/admin/security/", "/admin/tenants/", "/admin/tenancy/person/"):
        assert visitor.get(path).goes_to.startswith("/admin/login/?next=")
    assert (events(sol), sessions(sol)) == ([], before)


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [
        ("/admin/tenants/?q=a", "/admin/tenants/?q=a"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("///evil.example", "/admin/"),
        ("http:evil", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("\t//evil.example", "/admin/"),
        ("admin/", "/admin/"),
        ("/admin/logout/", "/admin/"),
        ("/admin/login/code/", "/admin/"),
        ("", "/admin/"),
    ],
)
def test_after_signing_in_one_goes_to_a_page_of_ours_alone(
    sol: Someone, asked: str, goes_to: str
) -> None:
    visitor = Visitor()
    form = visitor.get("/admin/login/", next=asked).fields()
    assert form["next"] == [goes_to if goes_to == asked else ""]
    assert visitor.sign_in(sol, next=asked).goes_to == goes_to
    assert visitor.get("/admin/login/", next=asked).goes_to == goes_to


def test_unknown_wrong_disabled_and_without_password_are_one_answer_after_the_same_work(
    sol: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, new = someone("Gus", "auditor"), staff("Ada", "auditor")
    disable_person(actor=OPERATOR, person_id=gone.person.id, reason="left")
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> Any:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    tried = [
        ("nobody@example.com", PASSWORD), (sol.person.email, "not the password"),
        (gone.person.email, PASSWORD), (new.email, PASSWORD), (new.email, "!"),
        (sol.person.email, "x" * 5000), ("x" * 300 + "@example.com", PASSWORD),
    ]  # fmt: skip
    answers = []
    for email, password in tried:
        hashed.clear()
        answers.append(Visitor().give_password(email, password))
        assert len(hashed) == 1, email
    assert {answer.status for answer in answers} == {400}
    assert len({bare(answer) for answer in answers}) == 1
    assert "E-mail or password is not right." in answers[0].text
    assert answers[0].fields()["email"] == ["nobody@example.com"]
    assert PASSWORD not in answers[0].html


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"password": PASSWORD}, "email", "The form came without this field."),
        ({"email": "sol@example.com", "password": ""}, "password", "Your password is needed."),
        ({"email": "sol@example.com"}, "password", "The form came without this field."),
        ({"email": "", "password": ""}, "email", "Your mail address is needed."),
        ({"email": "a\0b", "password": PASSWORD}, "email", "Null characters"),
        ({"email": "sol@example.com", "password": "\0"}, "password", "Null characters"),
    ],
)
def test_what_is_missing_is_told_beside_its_field(
    fields: dict[str, str], field: str, words: str
) -> None:
    answer = Visitor().post("/admin/login/", fields)
    assert answer.status == 400
    assert words in answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]
    assert answer.fields()["password"] == [""]


def test_a_form_that_is_too_large_is_refused() -> None:
    answer = Visitor().give_password("sol@example.com", "x" * 2_000_000)
    assert answer.status in (400, 413)
    assert "Nothing was changed" in answer.text


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "１２３４５６", "abcdef", "-12345", "1e5000"]
)
def test_what_is_no_code_signs_nobody_in(sol: Someone, code: str) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    answer = visitor.post(CODE, {"code": code})
    assert answer.status == 400
    assert "Six digits" in answer.text or "another minute" in answer.text
    assert answer.fields()["code"] == [code.strip()]
    assert not visitor.is_signed_in()
    assert visitor.post(CODE, {"code": sol.code()}).goes_to == "/admin/"


def test_a_code_is_taken_once_and_an_earlier_one_never_after(sol: Someone) -> None:
    first, second, third = Visitor(), Visitor(), Visitor()
    for visitor in (first, second, third):
        visitor.give_password(sol.person.email, PASSWORD)
    earlier, present = sol.code(-1), sol.code()
    assert first.post(CODE, {"code": present}).goes_to == "/admin/"
    for code in (present, earlier):
        answer = second.post(CODE, {"code": code})
        assert (answer.status, "was used already" in answer.text) == (400, True)
    assert not second.is_signed_in()


def test_one_step_before_is_taken_and_no_other(sol: Someone) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    for step in (-2, 1):
        if (code := sol.code(step)) not in (sol.code(), sol.code(-1)):
            assert visitor.post(CODE, {"code": code}).status == 400
    assert visitor.post(CODE, {"code": sol.code(-1)}).goes_to == "/admin/"


def test_of_two_with_the_same_code_at_once_one_is_signed_in(sol: Someone) -> None:
    together, code = threading.Barrier(3), sol.code()
    statuses: list[int] = []

    def enter(visitor: Visitor) -> None:
        together.wait()
        statuses.append(visitor.post(CODE, {"code": code}).status)
        connection.close()  # or it is lost to the pool

    visitors = [Visitor() for _ in range(3)]
    for visitor in visitors:
        visitor.give_password(sol.person.email, PASSWORD)
    threads = [threading.Thread(target=enter, args=[visitor]) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 400, 400]


def test_a_recovery_code_works_once_in_place_of_the_app(sol: Someone) -> None:
    code = sol.enrolment.codes[3]
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    assert RECOVERY in visitor.get(CODE).html
    assert visitor.post(RECOVERY, {"code": code}).goes_to == "/admin/"
    assert "You have 7 recovery codes left" in visitor.get("/admin/").text
    assert events(sol) == ["recovery_code.used", "login.succeeded"]
    again = Visitor()
    again.give_password(sol.person.email, PASSWORD)
    answer = again.post(RECOVERY, {"code": code})
    assert (answer.status, "used already" in answer.text) == (400, True)
    assert not again.is_signed_in()


def test_a_recovery_code_is_read_as_people_write_it(sol: Someone) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    code = sol.enrolment.codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "I")
    assert visitor.post(RECOVERY, {"code": f" {code} "}).goes_to == "/admin/"


@pytest.mark.parametrize("code", ["", "x", "8kq2-v7wd-x3mn", "8kq2" * 4000, "８kq2-v7wd-x3mn"])
def test_what_is_no_recovery_code_signs_nobody_in(sol: Someone, code: str) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    answer = visitor.post(RECOVERY, {"code": code})
    assert (answer.status, visitor.is_signed_in()) == (400, False)
    with platform_scope("a test counts"):
        assert RecoveryCode.objects.filter(person=sol.person, used_at=None).count() == 8


def test_of_two_with_the_same_recovery_code_at_once_one_is_signed_in(sol: Someone) -> None:
    together, statuses = threading.Barrier(3), []

    def enter(visitor: Visitor) -> None:
        together.wait()
        statuses.append(visitor.post(RECOVERY, {"code": sol.enrolment.codes[0]}).status)
        connection.close()

    visitors = [Visitor() for _ in range(3)]
    for visitor in visitors:
        visitor.give_password(sol.person.email, PASSWORD)
    threads = [threading.Thread(target=enter, args=[visitor]) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [302, 400, 400]


def test_somebody_elses_factors_open_nothing(sol: Someone) -> None:
    ira, visitor = someone("Ira", "auditor"), Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    assert visitor.post(CODE, {"code": ira.code()}).status == 400
    assert visitor.post(RECOVERY, {"code": ira.enrolment.codes[0]}).status == 400


def test_the_code_is_asked_only_after_a_password_and_for_five_minutes(sol: Someone) -> None:
    for path in (CODE, RECOVERY):
        for answer in (Visitor().get(path), Visitor().post(path, {"code": sol.code()})):
            assert answer.goes_to == "/admin/login/?late=1"
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    with time_machine.travel(now().timestamp() + 301, tick=True):
        answer = visitor.post(CODE, {"code": sol.code()})
        assert answer.goes_to == "/admin/login/?late=1"
        assert "That took too long" in visitor.get(answer.goes_to).text
    assert not visitor.is_signed_in()


def test_who_is_disabled_meanwhile_is_not_signed_in_nor_stays_so(sol: Someone) -> None:
    someone("Sam")  # the platform keeps one
    inside, visitor = Visitor(), Visitor()
    inside.sign_in(sol)
    visitor.give_password(sol.person.email, PASSWORD)
    code = sol.code()
    disable_person(actor=OPERATOR, person_id=sol.person.id, reason="left")
    assert visitor.post(CODE, {"code": code}).goes_to == "/admin/login/?late=1"
    assert not visitor.is_signed_in()
    assert not inside.is_signed_in()


def test_a_session_that_was_planted_before_is_nobodys(sol: Someone) -> None:
    mallory, visitor = Visitor(), Visitor()
    mallory.give_password(someone("Mallory", "auditor").person.email, PASSWORD)
    planted = mallory.client.cookies["countersign"].value
    visitor.client.cookies["countersign"] = planted
    visitor.give_password(sol.person.email, PASSWORD)
    waiting = visitor.client.cookies["countersign"].value
    mallory.client.cookies["countersign"] = planted
    assert mallory.post(CODE, {"code": sol.code()}).goes_to == "/admin/login/?late=1"
    visitor.post(CODE, {"code": sol.code()})
    assert len({planted, waiting, visitor.client.cookies["countersign"].value}) == 3
    for known in (planted, waiting):
        mallory.client.cookies["countersign"] = known
        assert not mallory.is_signed_in()
    assert visitor.is_signed_in()


def test_who_was_signed_in_there_before_is_not_any_more(sol: Someone) -> None:
    ira, visitor = someone("Ira", "auditor"), Visitor()
    visitor.sign_in(ira)
    old = visitor.client.cookies["countersign"].value
    visitor.sign_in(sol)
    visitor.client.cookies["countersign"] = old
    assert not visitor.is_signed_in()


def test_the_cookies_are_kept_from_scripts_and_other_sites(sol: Someone) -> None:
    visitor = Visitor()
    visitor.get("/admin/login/")
    visitor.sign_in(sol)
    assert set(visitor.client.cookies) == {"countersign", "countersign-form", "countersign-device"}
    for cookie in visitor.client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert not cookie["domain"]


def test_without_our_forms_token_it_is_a_forgery(sol: Someone) -> None:
    visitor = Visitor(enforce_csrf_checks=True)
    for path in ("/admin/login/", CODE, RECOVERY, "/admin/logout/"):
        answer = visitor.post(path, {"email": sol.person.email, "password": PASSWORD})
        assert (answer.status, "Nothing was changed" in answer.text) == (403, True)


def test_logging_out_ends_the_session_by_post_alone(sol: Someone) -> None:
    visitor = Visitor()
    visitor.sign_in(sol)
    held = visitor.client.cookies["countersign"].value
    assert "Log out" in visitor.get("/admin/logout/").text
    assert visitor.is_signed_in()
    assert visitor.post("/admin/logout/").goes_to == "/admin/login/"
    assert "You are signed out." in visitor.get("/admin/login/").text
    visitor.client.cookies["countersign"] = held
    assert not visitor.is_signed_in()
    with platform_scope("a test looks"):
        assert not Session.objects.filter(digest=digest_of(held)).exists()
    assert events(sol)[-1] == "login.ended"
    assert visitor.post("/admin/logout/").goes_to == "/admin/login/"
    assert visitor.get("/admin/logout/").goes_to == "/admin/login/"


def test_who_has_no_role_is_told_so_and_may_see_to_their_own_security() -> None:
    ada, visitor = someone("Ada", ""), Visitor()
    assert visitor.sign_in(ada).goes_to == "/t/"
    page = visitor.get("/t/")
    assert (page.status, "there is no page for you yet" in page.text) == (403, True)
    for path in ("/admin/", "/admin/tenants/"):
        page = visitor.get(path)
        assert (page.status, "the platform’s own people" in page.text) == (403, True)
    assert visitor.get("/admin/login/").goes_to == "/t/"
    assert visitor.is_signed_in()
    assert visitor.get("/admin/tenancy/person/").goes_to.startswith("/admin/login/")


def test_failures_are_recorded_by_factor_and_never_what_was_typed(sol: Someone) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, "my other password")
    visitor.give_password("my password in the wrong field", "x")
    visitor.give_password(sol.person.email, PASSWORD)
    visitor.post(CODE, {"code": "000000"})
    visitor.post(RECOVERY, {"code": "8kq2-v7wd-x3mn"})
    assert events(sol) == ["login.failed"] * 3
    told = failures_from(visitor.address)
    assert [re.findall(r'"factor":"([^"]*)"', body)[0] for body in told] == [
        "password", "password", "six-digit code", "recovery code",
    ]  # fmt: skip
    assert not any("my " in body for body in told)
    denied = entries(sol)[4:]
    assert {entry.outcome for entry in denied} == {"denied"}
    assert {entry.actor_id for entry in denied} == {"unknown"}


def test_a_flood_of_failures_does_not_fill_the_ledger(sol: Someone) -> None:
    visitor = Visitor()
    for place in range(29):
        visitor.give_password(f"nobody{place}@example.com", "x")
    assert 5 <= len(failures_from(visitor.address)) <= 20


def test_a_signed_in_persons_page_asks_little_of_the_database(queries: Any) -> None:
    browser = Browser(staff("Sol", "security_admin"))
    with queries() as told:
        assert browser.get("/admin/security/").status == 200
    assert len(told) <= 15
