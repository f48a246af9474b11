"""Forgotten passwords: a link by mail, once, for an hour, and never past the second factor."""

import re
from typing import Any

import psycopg
import pytest

from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.tenancy.factor_policy import waive_factor
from portal.tenancy.models import PasswordReset, Person, RecoveryCode, Session
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Someone, Visitor, member_of, someone
from tests.pages.browser import Page, staff
from tests.races import at_once

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
FORGOT = "/admin/login/forgot/"
NEW = "another quite long sentence"


@pytest.fixture
def sol() -> Someone:
    return someone()


@pytest.fixture
def mika(acme: Cast) -> Someone:
    """A member of a tenant that waives the second factor, who has none."""
    waive_factor(actor=OPERATOR, tenant_id=acme.tenant.id, reason="tests")
    return member_of(acme, skip=True)


def mails(person: Person) -> list[str]:
    """Links to reset, the oldest first, as they were mailed to this person."""
    with platform_scope("a test reads mail"):
        found = Mail.objects.filter(about=person.id).order_by("created_at", "id")
        letters = [letter_of(mail) for mail in found]
    texts = [letter.text for letter in letters if letter and letter.to == person.email]
    return [path for text in texts for path in re.findall(r"(/reset/once-\S+)", text)]


def ask(email: str, visitor: Visitor | None = None) -> Page:
    return (visitor or Visitor()).post(FORGOT, {"email": email})


def link_for(who: Someone) -> str:
    assert ask(who.person.email).status == 200
    return mails(who.person)[-1]


def held(who: Someone) -> tuple[str, int, int]:
    with platform_scope("a test looks"):
        return (
            Person.objects.get(id=who.person.id).password,
            PasswordReset.objects.filter(person=who.person).count(),
            RecoveryCode.objects.filter(person=who.person, used_at=None).count(),
        )


def choose(path: str, **fields: str) -> Page:
    visitor = Visitor()
    return visitor.post(path, {**visitor.get(path).fields(), "password": NEW, **fields})


def bare(page: Page) -> str:
    return re.sub(r'value="[^"]*"', "", page.html)


def test_another_password_is_chosen_with_the_link_and_a_code(sol: Someone) -> None:
    there = Visitor()
    there.sign_in(sol)
    path = link_for(sol)
    answer = choose(path, code=sol.code())
    assert answer.goes_to == "/admin/login/"
    assert not there.is_signed_in()
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 400
    sol.password = NEW
    assert Visitor().sign_in(sol).goes_to == "/admin/"
    told = events_of(sol.person.id)
    assert "password.reset_asked success" in told and "password.reset success" in told


def test_it_signs_nobody_in(sol: Someone) -> None:
    visitor, path = Visitor(), link_for(sol)
    answer = visitor.post(path, {"password": NEW, "code": sol.code()})
    assert answer.status == 302
    assert not visitor.is_signed_in()


def test_the_person_is_told_by_mail_that_it_was_done(sol: Someone) -> None:
    choose(link_for(sol), code=sol.code())
    with platform_scope("a test reads mail"):
        last = Mail.objects.filter(about=sol.person.id).latest("created_at")
    assert last.subject == "Your password for Countersign was changed"


def test_looking_at_the_link_changes_nothing(sol: Someone) -> None:
    path = link_for(sol)
    before = held(sol)
    for _ in range(3):
        assert sol.person.email in Visitor().get(path).text
    assert held(sol) == before
    assert Visitor().sign_in(sol).status == 302


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("password", "", "A password is needed."),
        ("password", "too short", "at least 15 characters"),
        ("password", "passwordpassword", "too common"),
        ("password", "p" * 1025, "At most 1,024 characters"),
        ("code", "", "A code is needed."),
        ("code", "000000", "another minute"),
        ("code", "１２３４５６", "another minute"),
        ("code", "8kq2-v7wd-x3mn", "not one of your recovery codes"),
        ("code", "a\0b", "Null characters"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_the_link_stays_good(
    sol: Someone, field: str, value: str, words: str
) -> None:
    path = link_for(sol)
    before = held(sol)
    answer = choose(path, **{"code": sol.code(), field: value})
    assert (answer.status, held(sol)) == (400, before)
    assert words in answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]
    assert NEW not in answer.html
    assert choose(path, code=sol.code()).status == 302


def test_the_second_factor_is_asked_whatever_is_sent(sol: Someone) -> None:
    path, before = link_for(sol), held(sol)
    for fields in ({}, {"skip": "on"}, {"code": ""}, {"code": PASSWORD}):
        answer = Visitor().post(path, {"password": NEW, **fields})
        assert (answer.status, held(sol)) == (400, before)


def test_its_codes_are_not_guessed(sol: Someone) -> None:
    path = link_for(sol)
    statuses = [choose(path, code=f"{n:06d}").status for n in range(7)]
    assert statuses[0] == 400 and statuses[-1] == 429
    assert choose(path, code=sol.code()).status == 429


def test_a_recovery_code_does_as_well_and_is_used_up(sol: Someone) -> None:
    assert choose(link_for(sol), code=sol.enrolment.codes[2]).status == 302
    assert held(sol)[2] == 7


def test_who_has_no_second_factor_is_asked_for_none(mika: Someone) -> None:
    path = link_for(mika)
    assert 'name="code"' not in Visitor().get(path).html
    assert choose(path).goes_to == "/admin/login/"
    assert Visitor().give_password(mika.person.email, NEW).goes_to == "/t/"


def test_a_link_works_once_and_takes_the_others_with_it(sol: Someone) -> None:
    first, second = link_for(sol), link_for(sol)
    assert choose(first, code=sol.code()).status == 302
    for path in (first, second):
        assert Visitor().get(path).status == 404
        assert Visitor().post(path, {"password": NEW, "code": sol.code()}).status == 404


def test_a_link_ends_after_an_hour(sol: Someone, owner_db: Db) -> None:
    path = link_for(sol)
    owner_db.execute(
        "UPDATE tenancy_passwordreset SET expires_at = expires_at - interval '59 minutes'"
    )
    assert Visitor().get(path).status == 200
    owner_db.execute(
        "UPDATE tenancy_passwordreset SET expires_at = expires_at - interval '2 minutes'"
    )
    assert Visitor().get(path).status == 404
    assert Visitor().post(path, {"password": NEW, "code": sol.code()}).status == 404


def test_used_ended_mistyped_and_unknown_links_are_one_answer(sol: Someone) -> None:
    used = link_for(sol)
    choose(used, code=sol.code())
    gone = link_for(other := someone())
    staff("Ida", "security_admin")  # the platform keeps one
    disable_person(actor=OPERATOR, person_id=other.person.id, reason="left")
    paths = [used, gone, used[:-1], "/reset/x", "/reset/once-" + "0" * 43, used + "0"]
    told = [Visitor().get(path) for path in paths]
    told += [Visitor().post(path, {"password": NEW, "code": "123456"}) for path in paths]
    assert {page.status for page in told} == {404}
    assert len({page.html for page in told}) == 1


def test_asking_is_one_answer_for_everybody(sol: Someone, mika: Someone) -> None:
    gone, new = someone(), staff("Ada", "auditor")
    disable_person(actor=OPERATOR, person_id=gone.person.id, reason="left")
    emails = [
        sol.person.email, f" {sol.person.email.upper()} ", mika.person.email, gone.person.email,
        new.email, "nobody@example.com", "x" * 300, "no address",
    ]  # fmt: skip
    answers = [ask(email) for email in emails]
    assert {answer.status for answer in answers} == {200}
    assert len({bare(answer) for answer in answers}) == 1
    assert len(mails(sol.person)) == 2 and len(mails(mika.person)) == 1
    assert mails(gone.person) == mails(new) == []
    with platform_scope("a test counts"):
        assert (
            not Mail.objects.exclude(about__startswith="per_")
            .filter(subject__startswith="Choose another")
            .exists()
        )
    assert "password.reset_asked success" not in events_of(gone.person.id)


def test_it_takes_as_many_questions_for_nobody(sol: Someone, queries: Any) -> None:
    counts = set()
    for email in (sol.person.email, "nobody@example.com"):
        with queries() as told:
            ask(email)
        statements = [each["sql"] for each in told.captured_queries]
        counts.add(len([s for s in statements if "SAVEPOINT" not in s]))
    assert len(counts) == 1


@pytest.mark.parametrize(("typed", "words"), [("", "Your mail address is needed."),
                                              ("a\0b", "Null characters")])  # fmt: skip
def test_what_is_no_address_is_told_beside_it(typed: str, words: str) -> None:
    answer = ask(typed)
    assert answer.status == 400
    assert words in answer.html.partition('id="id_email_error"')[2].partition("</p>")[0]


def test_one_address_gets_three_and_then_one_each_ten_minutes(sol: Someone, owner_db: Db) -> None:
    for email in (sol.person.email, "nobody@example.com"):
        assert [ask(email).status for _ in range(4)] == [200, 200, 200, 429]
        answer = ask(email.upper())
        assert answer.status == 429 and 1 <= int(answer.headers["retry-after"]) <= 600
    assert len(mails(sol.person)) == 3
    owner_db.execute("UPDATE tenancy_tries SET full_at = full_at - interval '601 seconds'")
    assert ask(sol.person.email).status == 200


def test_one_network_asks_for_ten_and_then_one_a_minute() -> None:
    visitor = Visitor()
    statuses = [ask(f"n{n}@example.com", visitor).status for n in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_a_newer_link_ends_none_that_somebody_holds(sol: Someone) -> None:
    first = link_for(sol)
    link_for(sol)
    assert Visitor().get(first).status == 200


@pytest.mark.parametrize("way", ["password", "invitation"])
def test_links_die_when_the_password_is_changed_otherwise(sol: Someone, way: str) -> None:
    from tests.pages.test_session_limits import by_invitation, new_password

    path, visitor = link_for(sol), Visitor()
    visitor.sign_in(sol)
    answer = (by_invitation if way == "invitation" else new_password)(sol, visitor)
    assert answer.status == 302, answer.text
    assert Visitor().get(path).status == 404


def test_of_three_that_choose_at_once_one_wins(mika: Someone) -> None:
    path = link_for(mika)
    statuses = at_once(*[lambda: Visitor().post(path, {"password": NEW}).status] * 3)
    assert sorted(statuses) == [302, 404, 404]


def test_without_our_forms_token_nothing_is_sent_or_chosen(sol: Someone) -> None:
    path, before = link_for(sol), held(sol)
    strict = Visitor(enforce_csrf_checks=True)
    assert strict.post(FORGOT, {"email": sol.person.email}).status == 403
    assert strict.post(path, {"password": NEW, "code": sol.code()}).status == 403
    assert held(sol) == before


def test_the_link_is_in_the_mail_alone(sol: Someone, owner_db: Db) -> None:
    token = link_for(sol).rpartition("-")[2]
    rows = owner_db.execute("SELECT r::text FROM tenancy_passwordreset r").fetchall()
    rows += owner_db.execute("SELECT p.body FROM ledger_payload p").fetchall()
    rows += owner_db.execute("SELECT m::text FROM core_mail m").fetchall()
    assert rows and not any(token in (text or "") for (text,) in rows)


def test_every_session_ends_and_none_begins(sol: Someone) -> None:
    for _ in range(2):
        Visitor().sign_in(sol)
    choose(link_for(sol), code=sol.code())
    with platform_scope("a test counts"):
        assert not Session.objects.filter(person=sol.person).exists()
