"""Sessions end: unused, after their hours, one by one, all at once, and when a factor changes."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from portal.tenancy.models import Person, Session
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.tasks import forget_sign_ins
from tests.cast import OPERATOR
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Someone, Visitor, code_of, someone
from tests.pages.browser import Browser, Page, staff
from tests.pages.test_sessions import change_app, change_password, key_of, renew

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
HOME = "/admin/security/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
)


@pytest.fixture
def sol() -> Someone:
    return someone()


@pytest.fixture
def here(sol: Someone) -> Visitor:
    return signed_in(sol)


@pytest.fixture
def there(sol: Someone) -> Visitor:
    return signed_in(sol, EDGE)


def signed_in(who: Someone, agent: str = FIREFOX) -> Visitor:
    visitor = Visitor(headers={"User-Agent": agent})
    visitor.sign_in(who)
    return visitor


def row(visitor: Visitor) -> Session:
    with platform_scope("a test looks"):
        return Session.objects.get(digest=digest_of(visitor.key))


def unused(owner_db: Db, visitor: Visitor, minutes: float) -> None:
    """Let a session lie for so many minutes."""
    owner_db.execute(
        "UPDATE tenancy_session SET last_seen_at = clock_timestamp() - %s WHERE digest = %s",
        [dt.timedelta(minutes=minutes), digest_of(visitor.key)],
    )


def test_a_session_that_is_not_used_ends(here: Visitor, there: Visitor, owner_db: Db) -> None:
    unused(owner_db, here, 29)
    assert here.is_signed_in()
    unused(owner_db, here, 31)
    assert not here.is_signed_in()
    assert there.is_signed_in()


def test_how_long_it_may_lie_is_the_operators(
    here: Visitor, owner_db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_IDLE_MINUTES", "5")
    assert "asks for nothing for 5 minutes" in here.get(HOME).text
    unused(owner_db, here, 6)
    assert not here.is_signed_in()


def test_using_it_is_written_once_a_minute(here: Visitor, owner_db: Db) -> None:
    before = row(here).last_seen_at
    for _ in range(3):
        here.get(HOME)
    assert row(here).last_seen_at == before
    unused(owner_db, here, 2)
    here.get(HOME)
    assert row(here).last_seen_at > before


def test_using_it_and_proving_again_never_put_its_end_off(
    sol: Someone, here: Visitor, owner_db: Db
) -> None:
    end, began = row(here).expires_at, row(here).created_at
    here.get("/admin/tenants/")
    here.post("/admin/security/prove/", {"code": sol.code(), "next": "", "late": ""})
    here.post("/admin/security/prove/", {"code": "x", "next": "", "late": ""})
    change_password(here, code=sol.code())
    assert here.is_signed_in()
    assert (row(here).expires_at, row(here).created_at) == (end, began)
    owner_db.execute(
        "UPDATE tenancy_session SET expires_at = clock_timestamp() WHERE digest = %s",
        [digest_of(here.key)],
    )
    assert not here.is_signed_in()


def test_what_has_ended_is_listed_nowhere_and_forgotten(
    sol: Someone, here: Visitor, there: Visitor, owner_db: Db
) -> None:
    unused(owner_db, there, 31)
    assert "1 browser signed in" in here.get(HOME).text
    admin = Browser(staff("Ida", "security_admin"))
    assert "1 browser" in admin.get(f"/admin/people/{sol.person.id}/").text
    forget_sign_ins()
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.person).count() == 1


def test_the_page_says_where_each_one_is(sol: Someone, here: Visitor, there: Visitor) -> None:
    page = here.get(HOME)
    assert "Firefox on Linux This one" in page.text and "Edge on Windows" in page.text
    network = there.address.rpartition(".")[0] + ".0/24"
    assert network in page.text and there.address not in page.text
    told = row(there)
    assert (told.browser, told.network) == ("Edge on Windows", network)


def test_of_a_browser_only_words_of_ours_are_kept(sol: Someone) -> None:
    visitor = signed_in(sol, "<script>alert(1)</script> " + "x" * 5000)
    assert row(visitor).browser == "another browser"
    assert "<script>alert" not in visitor.get(HOME).html


def end_link(visitor: Visitor, name: str) -> str:
    """Where the page leads to end the session on this browser."""
    before, _, _ = visitor.get(HOME).html.partition(f'aria-label="End the session on {name}"')
    return before.rpartition('href="')[2].partition('"')[0]


def test_one_of_them_is_ended(sol: Someone, here: Visitor, there: Visitor) -> None:
    path = end_link(here, "Edge on Windows")
    page = here.get(path)
    assert "End the session on Edge on Windows?" in page.text
    assert there.is_signed_in()
    assert here.post(path).goes_to == HOME
    assert "The session on Edge on Windows has ended." in here.get(HOME).text
    assert (here.is_signed_in(), there.is_signed_in()) == (True, False)
    assert events_of(sol.person.id)[-1] == "session.ended success"
    assert here.get(path).status == 404 and here.post(path).status == 404


def test_ending_the_one_that_one_is_in_signs_out(here: Visitor, there: Visitor) -> None:
    path = end_link(here, "Firefox on Linux")
    assert "you are signed out" in here.get(path).text
    assert here.post(path).goes_to == "/admin/login/"
    assert (here.is_signed_in(), there.is_signed_in()) == (False, True)


def test_somebody_elses_is_as_unknown_as_one_that_is_not(here: Visitor) -> None:
    other = signed_in(someone("Ira", "auditor"))

    def told(path: str) -> list[tuple[int, str]]:
        answers = [here.get(path), here.post(path)]
        return [(a.status, a.html.replace(a.headers["x-request-id"], "#")) for a in answers]

    foreign = told(f"{HOME}sessions/{row(other).ref}/")
    assert foreign == told(f"{HOME}sessions/{uuid4()}/")
    assert foreign[0][0] == 404
    assert other.is_signed_in()


def test_an_admin_ends_all_of_a_persons(sol: Someone, here: Visitor, there: Visitor) -> None:
    admin = Browser(staff("Ida", "security_admin"))
    path = f"/admin/people/{sol.person.id}/sessions/"
    page = admin.get(path)
    assert "Edge on Windows" in page.text and "Firefox on Linux" in page.text
    assert admin.send(path, reason="A laptop was lost.").goes_to == path.replace("sessions/", "")
    assert not here.is_signed_in() and not there.is_signed_in()
    assert events_of(sol.person.id)[-1] == "person.signed_out success"
    ledger = admin.get("/admin/ledger/", target=sol.person.id).text
    assert "Ida ended 2 sessions of person “Sol Okafor”" in ledger
    assert "is signed in nowhere" in admin.get(path).text
    assert admin.post(path, reason="again").status == 302
    assert events_of(sol.person.id).count("person.signed_out success") == 1
    assert signed_in(sol).is_signed_in()


def test_an_auditor_ends_nobodys(sol: Someone, here: Visitor) -> None:
    ira = Browser(staff("Ira", "auditor"))
    path = f"/admin/people/{sol.person.id}/sessions/"
    assert f'href="{path}"' not in ira.get(f"/admin/people/{sol.person.id}/").html
    assert (ira.get(path).status, ira.post(path, reason="x").status) == (403, 403)
    assert here.is_signed_in()
    assert events_of(sol.person.id)[-1] == "access.refused denied"


def new_password(who: Someone, visitor: Visitor) -> Page:
    return change_password(visitor, code=who.code())


def new_codes(who: Someone, visitor: Visitor) -> Page:
    return renew(visitor, who.code())[0]


def new_app(who: Someone, visitor: Visitor) -> Page:
    return change_app(visitor, code=who.code())


def by_invitation(who: Someone, visitor: Visitor) -> Page:
    link = invite_person(actor=OPERATOR, person_id=who.person.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    page = visitor.get(path)
    told = {"password": PASSWORD, "code": code_of(key_of(page)), "stored": "on"}
    return visitor.post(path, {**page.fields(), **told})


def disabled(who: Someone, visitor: Visitor) -> None:
    staff("Ida", "security_admin")  # the platform keeps one
    disable_person(actor=OPERATOR, person_id=who.person.id, reason="left")


@pytest.mark.parametrize(
    ("change", "stays"),
    [(new_password, True), (new_codes, True), (new_app, True), (by_invitation, True),
     (disabled, False)],
    ids=lambda given: getattr(given, "__name__", ""),
)  # fmt: skip
def test_every_other_session_is_dead_after_a_change(
    sol: Someone, here: Visitor, there: Visitor, change: Callable[..., Page | None], stays: bool
) -> None:
    waiting = Visitor()
    waiting.give_password(sol.person.email, PASSWORD)
    answer = change(sol, here)
    assert answer is None or answer.status in (200, 302), answer.text
    assert here.is_signed_in() is stays
    assert not there.is_signed_in()
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.person).count() == int(stays)
        assert Person.objects.filter(id=sol.person.id).exists()
