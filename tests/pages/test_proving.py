"""Proving again that it is still you: asked for before what is dangerous, and for nothing else."""

from typing import Any

import psycopg
import pytest

from keys.models import ApiKey
from portal.tenancy.factor_policy import waive_factor
from portal.tenancy.models import RecoveryCode, Tenant
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Someone, Visitor, member_of, someone
from tests.pages.browser import Browser, Page, prove

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
PROVE = "/admin/security/prove/"
NEW = "/admin/new/tenant/"


@pytest.fixture
def sol() -> Someone:
    return someone()


@pytest.fixture
def here(sol: Someone) -> Visitor:
    """Sol's browser, which proved nothing for six minutes."""
    visitor = Visitor()
    visitor.sign_in(sol)
    prove(visitor.key, 360)
    return visitor


def given(visitor: Visitor, page: Page, **fields: str) -> Page:
    """The page's form, filled in and sent."""
    return visitor.post(PROVE, {**page.fields(), **fields})


def asked(answer: Page) -> bool:
    return answer.status == 302 and answer.goes_to.startswith(f"{PROVE}?next=")


@pytest.mark.parametrize(
    ("ago", "form_asks", "sending_asks"),
    [(0, False, False), (170, False, False), (190, True, False), (290, True, False),
     (310, True, True), (86_400, True, True)],
)  # fmt: skip
def test_a_form_asks_two_minutes_before_what_it_sends_is_refused(
    sol: Someone, ago: int, form_asks: bool, sending_asks: bool
) -> None:
    browser = Browser(sol.person, proved_ago=ago)
    assert asked(browser.get(NEW)) is form_asks
    assert asked(browser.post(NEW, name="x", slug="")) is sending_asks


def test_who_never_proved_anything_in_a_session_is_asked(sol: Someone, owner_db: Db) -> None:
    browser = Browser(sol.person)
    owner_db.execute(
        "UPDATE tenancy_session SET proved_at = NULL WHERE person_id = %s", [sol.person.id]
    )
    assert asked(browser.get(NEW))


def test_signing_in_is_a_proof(sol: Someone) -> None:
    visitor = Visitor()
    visitor.sign_in(sol)
    assert visitor.get(NEW).status == 200


def test_a_code_leads_on_to_where_one_was_going(sol: Someone, here: Visitor) -> None:
    answer = here.get(f"{NEW}?a=%26b")
    assert asked(answer)
    page = here.get(answer.goes_to)
    assert "Prove that it is still you" in page.text
    assert given(here, page, code=sol.code()).goes_to == f"{NEW}?a=%26b"
    assert here.get(f"{NEW}?a=%26b").status == 200
    assert "Nothing was saved" not in here.get(NEW).text
    assert events_of(sol.person.id)[-1] == "login.stepped_up success"


def test_a_form_that_came_too_late_does_nothing_and_says_so(
    sol: Someone, here: Visitor, owner_db: Db
) -> None:
    prove(here.key, 0)
    fields = {
        **here.get(NEW).fields(),
        "name": "Late",
        "slug": f"late-{sol.person.id[-6:].lower()}",
    }
    prove(here.key, 301)
    answer = here.post(NEW, fields)
    assert asked(answer)
    with platform_scope("a test looks"):
        assert not Tenant.objects.filter(name="Late").exists()
    page = here.get(answer.goes_to)
    assert "Nothing was saved." in page.text
    assert given(here, page, code=sol.code()).goes_to == NEW
    assert "Nothing was saved before" in here.get(NEW).text
    assert "Nothing was saved before" not in here.get(NEW).text


def test_a_proof_is_of_one_session_alone(sol: Someone, here: Visitor) -> None:
    there = Browser(sol.person, proved_ago=360)
    given(here, here.get(PROVE), code=sol.code())
    assert here.get(NEW).status == 200
    assert asked(there.get(NEW))


def test_the_session_goes_on_under_another_key(sol: Someone, here: Visitor) -> None:
    before = here.key
    page = here.get(NEW)
    given(here, here.get(page.goes_to), code=sol.code())
    assert here.key != before
    stolen = Visitor()
    stolen.client.cookies["countersign"] = before
    assert not stolen.is_signed_in()


def test_a_recovery_code_proves_it_too_and_is_used_up(sol: Someone, here: Visitor) -> None:
    code = sol.enrolment.codes[0]
    assert given(here, here.get(PROVE), code=code).goes_to == "/admin/security/"
    with platform_scope("a test counts"):
        assert RecoveryCode.objects.filter(person=sol.person, used_at=None).count() == 7
    prove(here.key, 360)
    assert given(here, here.get(PROVE), code=code).status == 400
    assert asked(here.get(NEW))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", "A code is needed."),
        ("000000", "another minute"),
        ("１２３４５６", "another minute"),
        ("12 34", "another minute"),
        ("8kq2-v7wd-x3mn", "not one of your recovery codes"),
        ("z" * 9000, "not one of your recovery codes"),
        ("a\0b", "Null characters"),
    ],
)
def test_what_is_no_code_proves_nothing(sol: Someone, here: Visitor, code: str, words: str) -> None:
    page = here.get(f"{PROVE}?next={NEW}&late=form")
    answer = given(here, page, code=code)
    assert answer.status == 400
    assert words in answer.html.partition('id="id_code_error"')[2].partition("</p>")[0]
    assert answer.fields()["next"] == [NEW] and answer.fields()["late"] == ["form"]
    assert asked(here.get(NEW))


def test_a_code_is_taken_once(sol: Someone, here: Visitor) -> None:
    code = sol.code()
    assert given(here, here.get(PROVE), code=code).status == 302
    prove(here.key, 360)
    assert given(here, here.get(PROVE), code=code).status == 400


def test_somebody_elses_code_proves_nothing(sol: Someone, here: Visitor) -> None:
    ira = someone("Ira", "auditor")
    for code in (ira.code(), ira.enrolment.codes[0], PASSWORD):
        assert given(here, here.get(PROVE), code=code).status == 400


def test_codes_are_not_guessed_there(sol: Someone, here: Visitor) -> None:
    page = here.get(PROVE)
    statuses = [given(here, page, code=f"{n:06d}").status for n in range(7)]
    assert statuses[-1] == 429 and statuses[0] == 400
    answer = given(here, page, code=sol.code())
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert "login.failed denied" in events_of(sol.person.id)


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)",
             PROVE, "/admin/logout/", ""],
)  # fmt: skip
def test_one_goes_on_to_a_page_of_ours_alone(sol: Someone, here: Visitor, next: str) -> None:
    page = here.get(PROVE, next=next)
    assert page.fields()["next"] == [""]
    answer = given(here, page, code=sol.code(), next=next)
    assert answer.goes_to == "/admin/security/"


def test_without_our_forms_token_nothing_is_proved(sol: Someone, here: Visitor) -> None:
    strict = Visitor(enforce_csrf_checks=True)
    strict.client.cookies = here.client.cookies
    assert strict.post(PROVE, {"code": sol.code()}).status == 403
    assert asked(here.get(NEW))


def test_forms_that_are_open_elsewhere_stay_good(sol: Someone, here: Visitor) -> None:
    prove(here.key, 0)
    strict = Visitor(enforce_csrf_checks=True)
    strict.client.cookies = here.client.cookies
    form = strict.get(NEW).fields()
    given(strict, strict.get(PROVE), code=sol.code())
    answer = strict.post(NEW, {**form, "name": "", "slug": ""})
    assert (answer.status, "Nothing was saved." in answer.text) == (400, True)


def test_who_is_not_signed_in_proves_nothing() -> None:
    assert Visitor().get(PROVE).goes_to.startswith("/admin/login/?next=")
    assert Visitor().post(PROVE, {"code": "123456"}).goes_to == "/admin/login/"


def test_a_file_is_not_given_without_a_proof_and_the_list_is_where_one_goes_on(
    sol: Someone, here: Visitor
) -> None:
    answer = here.get("/admin/tenants/?q=a&format=csv")
    assert asked(answer)
    assert given(here, here.get(answer.goes_to), code=sol.code()).goes_to == "/admin/tenants/?q=a"
    assert "The file can be exported now." in here.get("/admin/tenants/?q=a").text
    file = here.get("/admin/tenants/?q=a&format=csv")
    assert file.headers["content-type"].startswith("text/csv")


def test_a_revocation_takes_a_proof_and_then_holds(sol: Someone, here: Visitor, acme: Cast) -> None:
    key = acme.issue().key
    path = f"/admin/keys/{key.id}/revoke/"
    assert asked(here.post(path, {"reason": "leaked"}))
    with platform_scope("a test looks"):
        assert ApiKey.objects.get(id=key.id).state == "active"
    given(here, here.get(PROVE), code=sol.code())
    assert here.post(path, {**here.get(path).fields(), "reason": "leaked"}).status == 302
    with platform_scope("a test looks"):
        assert ApiKey.objects.get(id=key.id).state == "revoked"


def test_who_has_no_second_factor_proves_it_by_the_password(acme: Cast) -> None:
    waive_factor(actor=OPERATOR, tenant_id=acme.tenant.id, reason="tests")
    mika, visitor = member_of(acme, "owner", skip=True), Visitor()
    visitor.give_password(mika.person.email, PASSWORD)
    prove(visitor.key, 360)
    path = f"/t/{acme.tenant.slug}/ledger/export/"
    page = visitor.get(visitor.get(path).goes_to)
    assert 'name="code"' not in page.html
    for wrong in ("", "not it at all, no", mika.enrolment.codes[0]):
        assert given(visitor, page, password=wrong).status == 400
    assert asked(visitor.get(path))
    assert given(visitor, page, password=PASSWORD).goes_to == path
    assert visitor.get(path).status == 200
    assert events_of(mika.person.id)[-1] == "login.stepped_up success"


def test_who_has_one_never_proves_it_by_the_password(sol: Someone, here: Visitor) -> None:
    assert 'name="password"' not in here.get(PROVE).html
    assert here.post(PROVE, {"password": PASSWORD, "code": ""}).status == 400
    assert asked(here.get(NEW))
