"""One's own security: password, app, recovery codes, sessions."""

from typing import Any

import psycopg
import pytest

from audit.ledger.models import Entry
from portal.tenancy.models import Person, RecoveryCode, Session, Totp
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR
from tests.pages.app import PASSWORD, Someone, Visitor, code_of, someone
from tests.pages.browser import Page

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
NEW = "another quite long sentence"
HOME = "/admin/security/"


@pytest.fixture
def sol() -> Someone:
    return someone()


@pytest.fixture
def here(sol: Someone) -> Visitor:
    return signed_in(sol)


@pytest.fixture
def there(sol: Someone) -> Visitor:
    return signed_in(sol)


def signed_in(who: Someone) -> Visitor:
    visitor = Visitor()
    visitor.sign_in(who)
    return visitor


def held(who: Someone) -> list[Any]:
    """What a person proves themselves with, as it is kept."""
    with platform_scope("a test looks"):
        return [
            Person.objects.get(id=who.person.id).password,
            list(Totp.objects.filter(user=who.person).values_list("sealed_seed", flat=True)),
            sorted(bytes(c.digest) for c in RecoveryCode.objects.filter(person=who.person)),
        ]


def last_event(who: Someone) -> str:
    with platform_scope("a test looks"):
        found = Entry.objects.filter(object_id=who.person.id).order_by("occurred_at").last()
        assert found is not None
        return found.type


def change_password(visitor: Visitor, **fields: str) -> Page:
    path = HOME + "password/"
    told = {"old_password": PASSWORD, "new_password": NEW, **fields}
    return visitor.post(path, told)


def test_the_page_lists_own_sessions_and_marks_this_one(
    sol: Someone, here: Visitor, there: Visitor
) -> None:
    signed_in(someone("Ira", "auditor"))
    page = here.get(HOME)
    assert page.status == 200
    assert page.text.count("This one") == 1
    assert "2 browsers signed in" in page.text
    assert page.html.count("End the session on another browser") == 2
    assert "8 of 8 left" in page.text


def test_who_is_not_signed_in_sees_none_of_it() -> None:
    for path in ("", "password/", "codes/", "app/", "sessions/"):
        assert Visitor().get(HOME + path).goes_to.startswith("/admin/login/?next=/admin/security/")
        assert Visitor().post(HOME + path).goes_to == "/admin/login/"


def test_looking_at_a_form_changes_nothing(sol: Someone, here: Visitor, there: Visitor) -> None:
    before = held(sol)
    for path in ("password/", "codes/", "app/", "sessions/", "../password_change/"):
        page = here.get(HOME + path if ".." not in path else "/admin/password_change/")
        assert (page.status, "style=" in page.html) == (200, False)
    assert held(sol) == before
    assert there.is_signed_in()


def test_a_new_password_ends_every_other_session(
    sol: Someone, here: Visitor, there: Visitor
) -> None:
    old_cookie = here.client.cookies["countersign"].value
    assert change_password(here, code=sol.code()).goes_to == HOME
    assert "Your password was changed" in here.get(HOME).text
    assert not there.is_signed_in()
    assert here.client.cookies["countersign"].value != old_cookie
    assert last_event(sol) == "password.changed"
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.person).count() == 1
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 400
    sol.password = NEW
    assert Visitor().sign_in(sol).goes_to == "/admin/"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("old_password", "", "Your present password is needed."),
        ("old_password", "not it at all, no", "That is not your present password."),
        ("old_password", "x" * 5000, "That is not your present password."),
        ("new_password", "", "A password is needed."),
        ("new_password", "too short", "at least 15 characters"),
        ("new_password", "y" * 1025, "At most 1,024 characters"),
        ("code", "", "A code is needed."),
        ("code", "000000", "another minute"),
        ("code", "１２３４５６", "another minute"),
        ("code", "8kq2-v7wd-x3mn", "not one of your recovery codes"),
        ("code", "z" * 9000, "not one of your recovery codes"),
    ],
)
def test_what_is_wrong_with_a_password_is_told_beside_its_field(
    sol: Someone, here: Visitor, there: Visitor, field: str, value: str, words: str
) -> None:
    before = held(sol)
    answer = change_password(here, **{"code": sol.code(), field: value})
    assert (answer.status, held(sol)) == (400, before)
    assert words in answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]
    assert PASSWORD not in answer.html and NEW not in answer.html
    assert there.is_signed_in()


def test_the_present_password_is_not_guessed_in_a_browser_that_was_left_open(
    sol: Someone, here: Visitor
) -> None:
    for _ in range(10):
        assert change_password(here, code="123456", old_password="a guess").status == 400
    answer = change_password(here, code=sol.code())
    assert (answer.status, "Too many tries." in answer.text) == (429, True)
    assert int(answer.headers["retry-after"]) > 0


def renew(visitor: Visitor, code: str) -> tuple[Page, dict[str, Any]]:
    path = HOME + "codes/"
    form = {**visitor.get(path).fields(), "code": code}
    return visitor.post(path, form), form


def codes_of(page: Page) -> list[str]:
    return [
        part.partition("<")[0] for part in page.html.partition('class="codes"')[2].split("<li>")[1:]
    ]


def test_new_recovery_codes_are_shown_once_and_the_old_ones_work_no_more(
    sol: Someone, here: Visitor, there: Visitor
) -> None:
    answer, form = renew(here, sol.code())
    assert answer.status == 200
    codes = codes_of(answer)
    assert len(set(codes)) == 8 and not set(codes) & set(sol.enrolment.codes)
    assert answer.headers["cache-control"] == "no-store"
    assert not there.is_signed_in()
    assert last_event(sol) == "recovery_codes.made"
    before = held(sol)
    again = here.post(HOME + "codes/", {**form, "code": sol.code()})
    assert (again.status, codes_of(again), held(sol)) == (409, [], before)
    assert "made already" in again.text
    visitor = Visitor()
    for code, status in ((sol.enrolment.codes[0], 400), (codes[0], 302)):
        visitor.give_password(sol.person.email, PASSWORD)
        assert visitor.post("/admin/login/recovery/", {"code": code}).status == status


def test_new_recovery_codes_need_a_code(sol: Someone, here: Visitor) -> None:
    before = held(sol)
    for code in ("", "000000", "abc", sol.enrolment.codes[0] + "x"):
        answer, _ = renew(here, code)
        assert (answer.status, codes_of(answer), held(sol)) == (400, [], before)
        assert 'id="id_code_error"' in answer.html


def test_new_recovery_codes_need_the_pages_own_form(sol: Someone, here: Visitor) -> None:
    before, other = held(sol), signed_in(someone("Ira", "auditor"))
    foreign = other.get(HOME + "codes/").fields()["once"][0]
    for once in ("", "x", foreign):
        answer = here.post(HOME + "codes/", {"once": once, "code": sol.code()})
        assert (answer.status, held(sol)) == (409, before)


def key_of(page: Page) -> str:
    return page.html.partition('<span class="mono">')[2].partition("<")[0]


def change_app(visitor: Visitor, **fields: str) -> Page:
    page = visitor.get(HOME + "app/")
    told = {"sealed": page.fields()["sealed"][0], "new_code": code_of(key_of(page))}
    return visitor.post(HOME + "app/", {**told, **fields})


@pytest.mark.parametrize("way", ["app", "recovery code"])
def test_another_app_takes_the_place_of_the_first(
    sol: Someone, here: Visitor, there: Visitor, way: str
) -> None:
    page = here.get(HOME + "app/")
    code = sol.code() if way == "app" else sol.enrolment.codes[0]
    sealed = page.fields()["sealed"][0]
    told = {"sealed": sealed, "new_code": code_of(key_of(page)), "code": code}
    assert here.post(HOME + "app/", told).goes_to == HOME
    assert not there.is_signed_in()
    assert last_event(sol) == "second_factor.changed"
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    assert visitor.post("/admin/login/code/", {"code": sol.code()}).status == 400
    assert visitor.post("/admin/login/code/", {"code": code_of(key_of(page))}).status == 302


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("new_code", "", "Six digits are needed."),
        ("new_code", "000000", "another minute"),
        ("code", "", "A code is needed."),
        ("code", "000000", "another minute"),
        ("code", "8kq2-v7wd-x3mn", "not one of your recovery codes"),
    ],
)
def test_what_is_wrong_with_an_app_is_told_beside_its_field(
    sol: Someone, here: Visitor, field: str, value: str, words: str
) -> None:
    before = held(sol)
    answer = change_app(here, **{"code": sol.code(), field: value})
    assert (answer.status, held(sol)) == (400, before)
    assert words in answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]


def test_an_app_is_set_up_from_the_pages_own_form_alone(sol: Someone, here: Visitor) -> None:
    before, other = held(sol), signed_in(someone("Ira", "auditor"))
    foreign = other.get(HOME + "app/")
    told = {"sealed": foreign.fields()["sealed"][0], "new_code": code_of(key_of(foreign))}
    for sealed in ("", "x", told["sealed"]):
        answer = change_app(here, **{**told, "code": sol.code(), "sealed": sealed})
        assert (answer.status, held(sol)) == (400, before)
        assert key_of(answer) != key_of(foreign)


def test_all_others_end_and_this_one_goes_on(sol: Someone, here: Visitor, there: Visitor) -> None:
    other = signed_in(someone("Ira", "auditor"))
    assert "1 browser will have to sign in again" in here.get(HOME + "sessions/").text
    assert there.is_signed_in()
    assert here.post(HOME + "sessions/").goes_to == HOME
    assert "1 other session has ended." in here.get(HOME).text
    assert (here.is_signed_in(), there.is_signed_in()) == (True, False)
    assert other.is_signed_in()
    assert last_event(sol) == "sessions.ended"
    here.post(HOME + "sessions/")
    assert "There was no other session." in here.get(HOME).text


def test_without_our_forms_token_nothing_of_it_is_done(sol: Someone, here: Visitor) -> None:
    strict = Visitor(enforce_csrf_checks=True)
    strict.client.cookies = here.client.cookies
    before = held(sol)
    for path in ("password/", "codes/", "app/", "sessions/"):
        answer = strict.post(HOME + path, {"code": sol.code()})
        assert (answer.status, held(sol)) == (403, before)


def test_who_was_disabled_changes_nothing_more(sol: Someone, here: Visitor) -> None:
    someone("Sam")  # the platform keeps one
    disable_person(actor=OPERATOR, person_id=sol.person.id, reason="left")
    before = held(sol)
    assert change_password(here, code=sol.code()).goes_to == "/admin/login/"
    assert held(sol) == before
