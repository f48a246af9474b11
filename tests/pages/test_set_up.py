"""Setting up a sign-in: GET shows, POST does it, once."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.ledger.models import Entry
from keys.demo import prepare_demo
from portal.core.refusals import Refusal
from portal.tenancy.models import Invitation, Person, RecoveryCode, Session, Totp
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.browser import visitor_of
from portal.tenancy.signing_in.inviting import invite_first, invite_person
from tests.cast import OPERATOR
from tests.pages.app import PASSWORD, Visitor, code_of, someone
from tests.pages.browser import Page, staff

Db = psycopg.Connection[Any]
EMAIL = "sol@countersign.example"


@pytest.fixture(autouse=True)
def nobody_yet(owner_db: Db, settings: Any) -> Iterator[None]:
    """No administrator can sign in, until one is set up; whoever is, is gone after the test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    owner_db.execute("UPDATE tenancy_person SET platform_role = '' WHERE password NOT LIKE '!%'")
    yield
    owner_db.execute(
        "UPDATE tenancy_person SET platform_role = '', email = id || '@example.com'"
        " WHERE password NOT LIKE '!%'"
    )


@pytest.fixture
def link() -> str:
    """A fresh link's path."""
    return path_of(invite_first(actor=OPERATOR).link.reveal())


def path_of(link: str) -> str:
    return "/setup/" + link.rpartition("/")[2]


def key_of(page: Page) -> str:
    return page.html.partition('<span class="mono">')[2].partition("<")[0]


def codes_of(page: Page) -> list[str]:
    return [part.partition("<")[0] for part in page.html.split("<li>")[1:]]


def filled(page: Page, **changes: Any) -> dict[str, Any]:
    """The page's form as someone fills it in."""
    told = {
        "sealed": page.fields()["sealed"][0], "email": EMAIL, "name": "Sol Okafor",
        "password": PASSWORD, "code": code_of(key_of(page)), "stored": "on",
    }  # fmt: skip
    return {name: value for name, value in {**told, **changes}.items() if value is not None}


def people() -> list[str]:
    with platform_scope("a test counts"):
        return sorted(Person.objects.exclude(password__startswith="!").values_list("id", flat=True))


def held() -> list[Any]:
    """Everything that a set-up would write."""
    with platform_scope("a test counts"):
        kinds = (Person, Totp, RecoveryCode, Session, Entry)
        used = Invitation.objects.filter(used_at__isnull=False).count()
        return [*(kind.objects.count() for kind in kinds), used]


def test_looking_at_the_page_changes_nothing_and_keeps_nothing(link: str) -> None:
    visitor, before = Visitor(), held()
    first, second = visitor.get(link), visitor.get(link)
    assert (first.status, held()) == (200, before)
    assert key_of(first) != key_of(second)
    assert not set(codes_of(first)) & set(codes_of(second))
    assert len(set(codes_of(first))) == 8
    assert first.headers["cache-control"] == "no-store"
    assert "style=" not in first.html


def test_finishing_makes_the_administrator_and_signs_in(link: str) -> None:
    visitor = Visitor()
    answer = visitor.post(link, filled(visitor.get(link)))
    assert (answer.status, answer.goes_to) == (302, "/admin/")
    assert visitor.get("/admin/").status == 200
    with platform_scope("a test looks"):
        person = Person.objects.get(email=EMAIL)
        assert (person.name, person.platform_role) == ("Sol Okafor", "security_admin")
        assert person.last_sign_in_at is not None
        assert Totp.objects.filter(user=person, last_step__gt=0).count() == 1
        assert RecoveryCode.objects.filter(person=person, used_at=None).count() == 8
        events = Entry.objects.filter(object_id=person.id).order_by("occurred_at")
        told = [(entry.type, entry.actor_id) for entry in events]
    assert told == [
        ("person.created", "set-up link"),
        ("person.set_up", person.id),
        ("login.succeeded", person.id),
    ]


def test_a_link_that_works_no_more_is_one_page_for_every_reason(link: str, owner_db: Db) -> None:
    visitor = Visitor()
    ended, older = link, path_of(invite_first(actor=OPERATOR).link.reveal())
    owner_db.execute("UPDATE tenancy_invitation SET expires_at = now() WHERE used_at IS NULL")
    expired, used = older, path_of(invite_first(actor=OPERATOR).link.reveal())
    sent = filled(visitor.get(used))
    visitor.post(used, sent)
    unknown = "/setup/once-" + "a" * 43
    dead = [ended, expired, used, unknown, "/setup/x", "/setup/%00", "/setup/" + "é" * 99]
    pages = [Visitor().get(path) for path in dead]
    pages += [Visitor().post(path, sent) for path in dead]
    assert {page.status for page in pages} == {404}
    assert len({page.html for page in pages}) == 1
    assert "manage.py setup_link" in pages[0].text


def test_a_link_for_the_first_ends_after_an_hour_and_says_when(link: str, owner_db: Db) -> None:
    row = owner_db.execute(
        "SELECT expires_at - created_at, to_char(expires_at AT TIME ZONE 'UTC', 'HH24:MI')"
        " FROM tenancy_invitation WHERE person_id IS NULL AND used_at IS NULL"
    ).fetchone()
    assert row is not None and 3598 < row[0].total_seconds() < 3602
    assert f"until {row[1]} UTC" in Visitor().get(link).text


def test_a_link_is_dead_once_somebody_is_administrator(link: str) -> None:
    someone()
    assert Visitor().get(link).status == 404


BAD = [
    ("email", "", "1 to 254 characters"),
    ("email", None, "The form came without this field."),
    ("email", "sol", "A mail address is needed."),
    ("email", "sol@" + "a" * 300, "1 to 254 characters"),
    ("email", "sol\u202e@example.com", "bidirectional"),
    ("email", "sol\0@example.com", "Null characters"),
    ("name", "", "1 to 128 characters"),
    ("name", "x" * 129, "1 to 128 characters"),
    ("name", "Sol\u202eOkafor", "bidirectional"),
    ("name", "csk_live_7Kq2mX9aB4cD_" + "a" * 49, "looks like a credential"),
    ("password", "", "A password is needed."),
    ("password", None, "The form came without this field."),
    ("password", "fourteen chars", "at least 15 characters"),
    ("password", "passwordpassword", "too common"),
    ("password", "123123123123123", "too common"),
    ("password", "123456789987654321", "too common"),
    ("password", "sol@countersign.example", "too similar"),
    ("password", "p" * 1025, "At most 1,024 characters"),
    ("code", "", "Six digits are needed."),
    ("code", "12345", "Six digits are needed."),
    ("code", "1234567", "Six digits are needed."),
    ("code", "１２３４５６", "Six digits are needed."),
    ("code", "٠١٢٣٤٥", "Six digits are needed."),
    ("code", "12345a", "Six digits are needed."),
    ("stored", None, "Store the codes first"),
]


@pytest.mark.parametrize(("field", "value", "words"), BAD)
def test_what_is_wrong_is_told_beside_its_field_and_changes_nothing(
    link: str, field: str, value: str | None, words: str
) -> None:
    visitor, before = Visitor(), held()
    page = visitor.get(link)
    answer = visitor.post(link, filled(page, **{field: value}))
    assert (answer.status, held()) == (400, before)
    error = answer.html.partition(f'id="id_{field}_error"')[2].partition("</p>")[0]
    assert words in error
    assert "Nothing was saved" in answer.text
    assert (key_of(answer), codes_of(answer)) == (key_of(page), codes_of(page))
    assert PASSWORD not in answer.html
    kept = answer.fields()
    assert kept["name"] == [value if field == "name" else "Sol Okafor"] or value == ""
    assert kept["email"] == [value if field == "email" and value else EMAIL] or not value
    assert kept["password"] == [""]
    again = visitor.post(link, filled(answer))
    assert again.goes_to == "/admin/"


def test_a_wrong_code_is_told_as_it_is(link: str) -> None:
    visitor, before = Visitor(), held()
    page = visitor.get(link)
    right = {code_of(key_of(page), step) for step in (-1, 0, 1)}
    wrong = next(f"{n:06d}" for n in range(9) if f"{n:06d}" not in right)
    for code in (wrong, code_of(key_of(page), -3), code_of(key_of(page), 3)):
        answer = visitor.post(link, filled(page, code=code))
        assert (answer.status, held()) == (400, before)
        assert (
            "That code was for another minute. Check your phone’s clock and enter the next one."
            in answer.text
        )


@pytest.mark.parametrize("how", ["spaces", "before"])
def test_a_code_may_have_spaces_and_be_half_a_minute_old(link: str, how: str) -> None:
    visitor = Visitor()
    page = visitor.get(link)
    key = key_of(page)
    now = code_of(key)
    code = f" {now[:3]} {now[3:]} " if how == "spaces" else code_of(key, -1)
    assert visitor.post(link, filled(page, code=code)).goes_to == "/admin/"


def test_everything_that_is_wrong_is_told_at_once(link: str) -> None:
    visitor = Visitor()
    sealed = visitor.get(link).fields()["sealed"][0]
    typed = dict.fromkeys(("email", "name", "password", "code"), "")
    answer = visitor.post(link, {"sealed": sealed, **typed})
    assert answer.html.count('class="error"') == 5


def test_a_taken_address_is_told_beside_it(link: str) -> None:
    taken = staff("Ada", "").email
    visitor = Visitor()
    before = held()
    answer = visitor.post(link, filled(visitor.get(link), email=taken.upper()))
    assert (answer.status, held()) == (409, before)
    assert "Someone has this address." in answer.text


def test_a_form_that_was_changed_on_its_way_shows_a_new_key(link: str) -> None:
    visitor, before = Visitor(), held()
    page = visitor.get(link)
    other = path_of(
        invite_person(actor=OPERATOR, person_id=staff("Ira", "auditor").id).link.reveal()
    )
    before = held()
    foreign = visitor.get(other).fields()["sealed"][0]
    own = page.fields()["sealed"][0]
    for sealed in (None, "", "x", "1.", own[:-4] + "AAA=", "9" + own, own * 1000, foreign):
        answer = visitor.post(link, filled(page, sealed=sealed))
        assert (answer.status, held()) == (400, before)
        assert key_of(answer) != key_of(page)
        assert not set(codes_of(answer)) & set(codes_of(page))
        assert "are new" in answer.text


def test_of_two_that_finish_at_once_one_wins(link: str) -> None:
    visitors = [Visitor(), Visitor(), Visitor()]
    forms = [
        filled(visitor.get(link), email=f"sol{place}@countersign.example")
        for place, visitor in enumerate(visitors)
    ]
    answers: list[Page] = []
    together = threading.Barrier(len(visitors))

    def finish(place: int) -> None:
        together.wait()
        answers.append(visitors[place].post(link, forms[place]))

    before = people()
    threads = [threading.Thread(target=finish, args=(n,)) for n in range(len(visitors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [302, 404, 404]
    assert len(people()) == len(before) + 1


def test_without_our_forms_token_it_is_a_forgery(link: str) -> None:
    page, before = Visitor().get(link), held()
    answer = Visitor(enforce_csrf_checks=True).post(link, filled(page))
    assert (answer.status, held()) == (403, before)
    assert "Nothing was changed" in answer.text


def test_an_invited_person_sets_up_their_sign_in_under_their_own_name() -> None:
    ira = staff("Ira", "auditor")
    issued = invite_person(actor=OPERATOR, person_id=ira.id)
    link, visitor = path_of(issued.link.reveal()), Visitor()
    page = visitor.get(link)
    assert ira.email in page.html and "Set up your sign-in" in page.text
    answer = visitor.post(link, filled(page, email="mallory@example.com", name="Mallory"))
    assert answer.goes_to == "/admin/"
    with platform_scope("a test looks"):
        now = Person.objects.get(id=ira.id)
        invitation = Invitation.objects.get(id=issued.invitation.id)
        events = set(Entry.objects.filter(object_id=ira.id).values_list("type", flat=True))
    assert (now.email, now.name, now.platform_role) == (ira.email, "Ira", "auditor")
    assert invitation.used_at is not None
    assert {"person.invited", "person.set_up", "login.succeeded"} <= events
    assert Visitor().get(link).status == 404


def test_an_invitation_lasts_seven_days_and_a_newer_one_ends_it() -> None:
    ira = staff("Ira", "auditor")
    first = invite_person(actor=OPERATOR, person_id=ira.id)
    lasts = first.invitation.expires_at - first.invitation.created_at
    assert 6.99 < lasts.total_seconds() / 86400 < 7.01
    second = invite_person(actor=OPERATOR, person_id=ira.id)
    assert Visitor().get(path_of(first.link.reveal())).status == 404
    assert Visitor().get(path_of(second.link.reveal())).status == 200
    disable_person(actor=OPERATOR, person_id=ira.id, reason="left")
    assert Visitor().get(path_of(second.link.reveal())).status == 404
    with pytest.raises(Refusal, match="CONFLICT"):
        invite_person(actor=OPERATOR, person_id=ira.id)


def test_who_set_up_before_chooses_anew_and_their_sessions_end() -> None:
    sol = someone()
    there = Visitor()
    there.sign_in(sol)
    link = path_of(invite_person(actor=OPERATOR, person_id=sol.person.id).link.reveal())
    visitor = Visitor()
    page = visitor.get(link)
    assert visitor.post(link, filled(page, password="another long sentence")).status == 302
    assert not there.is_signed_in()
    assert visitor.is_signed_in()
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 400
    with platform_scope("a test counts"):
        assert Totp.objects.filter(user=sol.person).count() == 1
        assert RecoveryCode.objects.filter(person=sol.person).count() == 8


def test_only_a_security_admin_invites_and_a_try_is_recorded(rf: Any) -> None:
    ada = staff("Ada", "")
    with pytest.raises(Refusal, match="FORBIDDEN"):
        invite_person(actor=visitor_of(rf.get("/")), person_id=ada.id)
    with pytest.raises(Refusal, match="NOT_FOUND"):
        invite_person(actor=OPERATOR, person_id="per_nobody")
    with platform_scope("a test looks"):
        entry = Entry.objects.get(object_id=ada.id, type="access.refused")
        assert not Invitation.objects.filter(person=ada).exists()
    assert entry.outcome == "denied"


def test_an_issued_link_shows_itself_to_nobody_else() -> None:
    issued = invite_person(actor=OPERATOR, person_id=staff("Ira", "auditor").id)
    token = issued.link.reveal().rpartition("/")[2]
    assert token not in repr(issued) and token not in f"{issued.link}"
    with platform_scope("a test looks"):
        assert token.encode() not in bytes(Invitation.objects.get(id=issued.invitation.id).digest)


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_the_command_prints_a_link_until_there_is_an_administrator(link: str) -> None:
    out, err = run("setup_link")
    assert out.startswith("http://127.0.0.1:8000/setup/once-") and "once" in err
    assert Visitor().get(link).status == 404
    assert Visitor().get(path_of(out)).status == 200
    someone()
    with pytest.raises(CommandError, match="There is an administrator"):
        run("setup_link")


def test_a_disabled_administrator_does_not_lock_the_operator_out() -> None:
    sol = someone()
    ira = someone("Ira", "security_admin")
    disable_person(actor=OPERATOR, person_id=sol.person.id, reason="left")
    with pytest.raises(CommandError, match="There is an administrator"):
        run("setup_link")
    with platform_scope("a test ends what no verb would"):
        Person.objects.filter(id=ira.person.id).update(is_active=False)
    assert Visitor().get(path_of(run("setup_link")[0])).status == 200


def test_the_only_administrator_who_lost_everything_gets_a_link_from_the_operator() -> None:
    sol, visitor = someone(), Visitor()
    link = path_of(run("setup_link", "--again", sol.person.email.upper())[0])
    page = visitor.get(link)
    assert sol.person.email in page.html
    assert visitor.post(link, filled(page)).goes_to == "/admin/"
    with pytest.raises(CommandError, match="There is no such person"):
        run("setup_link", "--again", "nobody@example.com")


def test_each_start_of_the_demo_makes_a_fresh_link_until_there_is_one(tmp_path: Any) -> None:
    first, second = (
        prepare_demo(tmp_path / "demo.json", "http://127.0.0.1:8000")["setup_url"] for _ in "ab"
    )
    assert first != second
    assert Visitor().get(path_of(first)).status == 404
    visitor, link = Visitor(), path_of(second)
    assert visitor.post(link, filled(visitor.get(link))).goes_to == "/admin/"
    assert prepare_demo(tmp_path / "demo.json", "http://127.0.0.1:8000")["setup_url"] is None
