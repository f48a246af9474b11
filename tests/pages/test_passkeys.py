"""Passkeys in the browser: signing in by one, and one's own list of them."""

import html
import json
import re
from typing import Any

import psycopg
import pytest

from audit.ledger.models import Entry
from portal.tenancy.models import Passkey, Session
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import SessionStore
from tests.authenticator import UP, Authenticator
from tests.pages.app import PASSWORD, Someone, Visitor, someone
from tests.pages.browser import Page
from tests.pages.test_frame import FILES, FIRST_LOAD, weight
from tests.tenancy.holder import Holder, holder

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
HOME = "/admin/security/"
NEW = HOME + "passkeys/new/"
ALONE, CODE, SECOND = "/admin/login/passkey/", "/admin/login/code/", "/admin/login/code/passkey/"
HOST = {"HTTP_HOST": "localhost:8000"}


@pytest.fixture
def sol() -> Holder:
    return holder()


def browser(**settings: Any) -> Visitor:
    """A browser at the name that passkeys are for."""
    return Visitor(**HOST, **settings)


def signed_in(who: Someone) -> Visitor:
    visitor = browser()
    visitor.sign_in(who)
    return visitor


def asked(page: Page) -> dict[str, Any]:
    """What the page's script asks the browser."""
    found = re.search(r'data-options="([^"]+)"', page.html)
    assert found, page.text[:500]
    told: dict[str, Any] = json.loads(html.unescape(found[1]))
    return told


def factors_in(visitor: Visitor) -> list[str]:
    told: list[str] = SessionStore(visitor.client.cookies["countersign"].value).load()["auth"]
    return told


def passkeys_of(who: Someone) -> list[Passkey]:
    with platform_scope("a test looks"):
        return list(Passkey.objects.filter(user=who.person).order_by("created_at"))


def make(visitor: Visitor, who: Someone, device: Authenticator, name: str = "Laptop") -> Page:
    """Both steps of adding one."""
    page = visitor.post(NEW, {"name": name, "code": who.code()})
    assert page.status == 200, page.text[:500]
    return visitor.post(NEW, {"name": name, "passkey": device.create(asked(page))})


def test_a_passkey_signs_in_without_a_password(sol: Holder) -> None:
    visitor = browser()
    assert ALONE in visitor.get("/admin/login/").html
    page = visitor.get(ALONE)
    assert "allowCredentials" in asked(page) and asked(page)["allowCredentials"] == []
    answer = visitor.post(ALONE, {"next": "", "passkey": sol.device.get(asked(page))})
    assert answer.goes_to == "/admin/"
    assert visitor.get("/admin/").status == 200
    assert factors_in(visitor) == ["hwk", "user", "mfa"]
    assert "countersign-device" in visitor.client.cookies


@pytest.mark.parametrize(
    ("next", "goes_to"),
    [
        ("/admin/keys/", "/admin/keys/"),
        ("https://evil.example/", "/admin/"),
        ("//e.vil", "/admin/"),
    ],
)
def test_one_goes_on_to_a_page_of_ours_alone(sol: Holder, next: str, goes_to: str) -> None:
    visitor = browser()
    page = visitor.get(ALONE, next=next)
    told = {**page.fields(), "passkey": sol.device.get(asked(page)), "next": next}
    assert visitor.post(ALONE, told).goes_to == goes_to
    assert visitor.get(ALONE, next=next).goes_to == goes_to


def test_a_passkey_takes_the_codes_place_after_a_password(sol: Holder) -> None:
    visitor = browser()
    visitor.give_password(sol.who.person.email, PASSWORD, next="/admin/keys/")
    for path in (CODE, "/admin/login/recovery/"):
        assert SECOND in visitor.get(path).html
    page = visitor.get(SECOND)
    assert len(asked(page)["allowCredentials"]) == 1
    answer = visitor.post(SECOND, {"passkey": sol.device.get(asked(page), flags=UP)})
    assert answer.goes_to == "/admin/keys/"
    assert visitor.get("/admin/keys/").status == 200
    assert factors_in(visitor) == ["pwd", "hwk", "user"]


def test_who_has_no_passkey_is_not_asked_for_one() -> None:
    ira, visitor = someone("Ira Bloom", "auditor"), browser()
    visitor.give_password(ira.person.email, PASSWORD)
    assert SECOND not in visitor.get(CODE).html
    assert visitor.get(SECOND).goes_to == CODE


def test_without_a_password_before_it_there_is_no_second_step(sol: Holder) -> None:
    for answer in (browser().get(SECOND), browser().post(SECOND, {"passkey": "{}"})):
        assert answer.goes_to == "/admin/login/?late=1"


@pytest.mark.parametrize(
    "sent", [{}, {"passkey": ""}, {"passkey": "a\0b"}, {"passkey": "x" * 20_000}]
)
def test_what_is_no_answer_signs_nobody_in_and_says_so(sol: Holder, sent: dict[str, str]) -> None:
    visitor = browser()
    visitor.give_password(sol.who.person.email, PASSWORD)
    for path in (ALONE, SECOND):
        answer = visitor.post(path, sent)
        assert (answer.status, 'role="alert"' in answer.html) == (400, True)
        assert "passkey" in answer.html.partition('role="alert"')[2].partition("</p>")[0]
        assert "x" * 100 not in answer.html and "data-start" not in answer.html
        assert asked(answer)  # it can be tried again
    assert not visitor.is_signed_in()


def test_an_answer_to_what_another_browser_was_asked_signs_nobody_in(sol: Holder) -> None:
    mallory, visitor = browser(), browser()
    visitor.get(ALONE)
    stolen = sol.device.get(asked(mallory.get(ALONE)))
    answer = visitor.post(ALONE, {"passkey": stolen})
    assert (answer.status, "took too long" in answer.text) == (400, True)
    assert mallory.post(ALONE, {"passkey": stolen}).goes_to == "/admin/"
    assert mallory.post(ALONE, {"passkey": stolen}).status == 400  # and there only once


def test_a_session_that_was_planted_before_is_nobodys(sol: Holder) -> None:
    visitor, ira = browser(), someone("Ira Bloom", "auditor")
    visitor.sign_in(ira)
    before = visitor.client.cookies["countersign"].value
    visitor.post("/admin/logout/")
    page = visitor.get(ALONE)
    visitor.client.cookies["countersign"] = before
    visitor.post(ALONE, {"passkey": sol.device.get(asked(page))})
    assert visitor.client.cookies["countersign"].value != before
    assert sol.who.person.email in visitor.get(HOME).text


def test_at_another_name_the_page_says_where_it_works(sol: Holder) -> None:
    elsewhere = Visitor()
    page = elsewhere.get(ALONE)
    assert "data-options" not in page.html
    assert "Passkeys work at http://localhost:8000/admin/login/passkey/" in page.text
    elsewhere.sign_in(sol.who)
    page = elsewhere.get(NEW)
    assert (
        f"http://localhost:8000{NEW}" in page.text and "<form" not in page.html.partition("<h1")[2]
    )


def test_where_browsers_make_none_nobody_is_led_to_one(
    sol: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASE_URL", "http://portal.example")
    visitor = Visitor()
    assert ALONE not in visitor.get("/admin/login/").html
    assert "over HTTPS" in visitor.get(ALONE).text
    visitor.give_password(sol.who.person.email, PASSWORD)
    assert SECOND not in visitor.get(CODE).html


def test_without_a_script_the_pages_say_so_and_offer_the_other_ways(sol: Holder) -> None:
    visitor = browser()
    page = visitor.get(ALONE)
    assert "A passkey takes JavaScript" in page.text and "/admin/login/" in page.html
    assert re.search(r'<button[^>]*\shidden\b[^>]*data-passkey="get"', page.html)
    visitor.give_password(sol.who.person.email, PASSWORD)
    page = visitor.get(SECOND)
    assert CODE in page.html and "/admin/login/recovery/" in page.html


def test_the_script_is_loaded_where_it_is_needed_alone(sol: Holder) -> None:
    visitor = browser()
    assert "passkeys.js" not in visitor.get("/admin/login/").html
    assert "passkeys.js" in visitor.get(ALONE).html
    inside = signed_in(sol.who)
    assert "passkeys.js" not in inside.get(HOME).html
    assert "passkeys.js" not in inside.get(NEW).html
    files = (*FILES, "/static/passkeys.js", ALONE)
    assert sum(weight(visitor.client, path) for path in files) < 20 * 1024 < FIRST_LOAD


def test_without_our_forms_token_it_is_a_forgery(sol: Holder) -> None:
    visitor = browser(enforce_csrf_checks=True)
    text = sol.device.get(asked(visitor.get(ALONE)))
    answer = visitor.post(ALONE, {"passkey": text})
    assert (answer.status, "Nothing was changed" in answer.text) == (403, True)


def test_one_is_added_with_a_code_and_ends_other_sessions() -> None:
    ira, device = someone("Ira Bloom", "auditor"), Authenticator()
    here, there = signed_in(ira), signed_in(ira)
    held = here.client.cookies["countersign"].value
    assert "None. With one you sign in" in here.get(HOME).text
    answer = make(here, ira, device)
    assert answer.goes_to == HOME
    page = here.get(HOME)
    assert "The passkey Laptop is added" in page.text and "1 of 10 at most" in page.text
    assert here.client.cookies["countersign"].value != held
    assert not there.is_signed_in()
    visitor = browser()
    text = device.get(asked(visitor.get(ALONE)))
    assert visitor.post(ALONE, {"passkey": text}).goes_to == "/admin/"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"name": "", "code": "000000"}, "name", "1 to 64 characters"),
        ({"name": "x" * 65, "code": "000000"}, "name", "1 to 64 characters"),
        ({"name": "a\0b", "code": "000000"}, "name", "Null characters"),
        ({"name": "Laptop", "code": ""}, "code", "A code is needed."),
        ({"name": "Laptop", "code": "000000"}, "code", "another minute"),
        ({"name": "Laptop"}, "code", "The form came without this field."),
        ({"code": "000000"}, "name", "The form came without this field."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    fields: dict[str, str], field: str, words: str
) -> None:
    ira = someone("Ira Bloom", "auditor")
    here = signed_in(ira)
    answer = here.post(NEW, fields)
    assert answer.status == 400
    assert words in answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]
    assert passkeys_of(ira) == []


def test_what_the_browser_made_wrongly_begins_again_with_the_name_kept() -> None:
    ira, device = someone("Ira Bloom", "auditor"), Authenticator()
    here = signed_in(ira)
    page = here.post(NEW, {"name": "Laptop", "code": ira.code()})
    options = asked(page)
    for text in ("", "{}", device.create(options, origin="https://evil.example")):
        answer = here.post(NEW, {"name": "Laptop", "passkey": text})
        assert answer.status == 400
        assert answer.fields() == {
            "csrfmiddlewaretoken": answer.fields()["csrfmiddlewaretoken"],
            "name": ["Laptop"], "code": [""],
        }  # fmt: skip
        assert "passkey" in answer.html.partition('role="alert"')[2].partition("</p>")[0].lower()
    there = signed_in(ira)
    assert there.post(NEW, {"name": "x", "passkey": device.create(options)}).status == 400
    assert passkeys_of(ira) == []
    assert here.post(NEW, {"name": "Laptop", "passkey": device.create(options)}).goes_to == HOME


def test_codes_are_counted_there_as_well() -> None:
    ira = someone("Ira Bloom", "auditor")
    here = signed_in(ira)
    for _ in range(5):
        assert here.post(NEW, {"name": "x", "code": "000000"}).status == 400
    answer = here.post(NEW, {"name": "x", "code": ira.code()})
    assert (answer.status, "Too many tries" in answer.text) == (429, True)
    assert int(answer.headers["retry-after"]) > 0


def test_one_is_renamed(sol: Holder) -> None:
    here, (passkey,) = signed_in(sol.who), passkeys_of(sol.who)
    path = f"{HOME}passkeys/{passkey.id}/name/"
    assert path in here.get(HOME).html
    assert here.get(path).fields()["name"] == ["Laptop"]
    answer = here.post(path, {"name": ""})
    assert (answer.status, "1 to 64 characters" in answer.text) == (400, True)
    assert here.post(path, {"name": "<b>Phone</b>"}).goes_to == HOME
    page = here.get(HOME)
    assert "&lt;b&gt;Phone&lt;/b&gt;" in page.html and "<b>Phone" not in page.html


def test_one_is_removed_with_a_code(sol: Holder) -> None:
    here, there, (passkey,) = signed_in(sol.who), signed_in(sol.who), passkeys_of(sol.who)
    path = f"{HOME}passkeys/{passkey.id}/remove/"
    assert "It is your last one" in here.get(path).text
    answer = here.post(path, {"code": "000000"})
    assert (answer.status, len(passkeys_of(sol.who))) == (400, 1)
    assert here.post(path, {"code": sol.who.code()}).goes_to == HOME
    assert passkeys_of(sol.who) == []
    assert "The passkey Laptop is removed" in here.get(HOME).text
    assert not there.is_signed_in()
    assert here.get(path).status == 404


@pytest.mark.parametrize("value", [None, "x" * 20_000, "a\0b"], ids=["missing", "oversized", "NUL"])
def test_a_field_that_is_wrong_changes_nothing(sol: Holder, value: str | None) -> None:
    here, before = signed_in(sol.who), passkeys_of(sol.who)
    for what, field in (("name", "name"), ("remove", "code")):
        sent = {} if value is None else {field: value}
        answer = here.post(f"{HOME}passkeys/{before[0].id}/{what}/", sent)
        assert (answer.status, f'id="id_{field}_error"' in answer.html) == (400, True)
    kept = passkeys_of(sol.who)
    assert [each.name for each in kept] == [each.name for each in before]


def test_who_is_not_signed_in_is_sent_to_do_so(sol: Holder) -> None:
    (passkey,) = passkeys_of(sol.who)
    for path in (NEW, f"{HOME}passkeys/{passkey.id}/name/", f"{HOME}passkeys/{passkey.id}/remove/"):
        sent = {"name": "x", "code": sol.who.code(), "passkey": "{}"}
        for answer in (browser().get(path), browser().post(path, sent)):
            assert answer.goes_to.startswith("/admin/login/"), path
    assert [each.name for each in passkeys_of(sol.who)] == ["Laptop"]


def test_somebody_elses_is_as_one_that_there_is_not(sol: Holder) -> None:
    ira, (passkey,) = someone("Ira Bloom", "auditor"), passkeys_of(sol.who)
    here = signed_in(ira)
    answers = []
    for id in (passkey.id, "pky_000000000000"):
        for path in (f"{HOME}passkeys/{id}/name/", f"{HOME}passkeys/{id}/remove/"):
            for answer in (here.get(path), here.post(path, {"name": "x", "code": ira.code()})):
                assert answer.status == 404, path
                answers.append(re.sub(r"[0-9a-f-]{36}|pky_\w+|value=\"\w+\"", "", answer.html))
    assert answers[: len(answers) // 2] == answers[len(answers) // 2 :]
    assert [each.name for each in passkeys_of(sol.who)] == ["Laptop"]


def test_looking_changes_nothing(sol: Holder, owner_db: Db) -> None:
    here, (passkey,) = signed_in(sol.who), passkeys_of(sol.who)
    visitor = browser()
    count = (
        "SELECT (SELECT count(*) FROM tenancy_passkey), (SELECT count(*) FROM tenancy_usedform),"
        " (SELECT count(*) FROM tenancy_session), (SELECT count(*) FROM audit_entry),"
        " (SELECT count(*) FROM django_otp_webauthn_webauthnuserhandle)"
    ).replace("audit_entry", Entry._meta.db_table)
    before = owner_db.execute(count).fetchone()
    paths = [f"{HOME}passkeys/{passkey.id}/{what}/" for what in ("name", "remove")]
    for path in (HOME, NEW, *paths):
        assert here.get(path).status == 200
    for _ in range(3):
        assert visitor.get(ALONE).status == 200
    assert owner_db.execute(count).fetchone() == before


def test_no_page_of_them_asks_more_than_fifteen_questions(sol: Holder, queries: Any) -> None:
    here, (passkey,) = signed_in(sol.who), passkeys_of(sol.who)
    visitor = browser()
    visitor.give_password(sol.who.person.email, PASSWORD)
    paths = [f"{HOME}passkeys/{passkey.id}/{what}/" for what in ("name", "remove")]
    for each, path in (
        *((here, path) for path in (HOME, NEW, *paths)), (visitor, SECOND), (browser(), ALONE),
    ):  # fmt: skip
        with queries() as told:
            assert each.get(path).status == 200
        assert len(told.captured_queries) <= 15, (path, len(told.captured_queries))


def test_a_session_ends_with_the_others_wherever_it_came_from(sol: Holder) -> None:
    visitor = browser()
    visitor.post(ALONE, {"passkey": sol.device.get(asked(visitor.get(ALONE)))})
    here = signed_in(sol.who)
    make(here, sol.who, Authenticator(), "Phone")
    assert not visitor.is_signed_in()
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.who.person).count() == 1
