"""The outbox: what was written, to whom, how its delivery went, and who read it."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.core.ids import base62
from portal.core.mail import Letter, write_mail
from portal.core.models import Mail
from portal.tenancy.scope import platform_scope
from tests.keys.events import events_of
from tests.pages.browser import Browser, staff

LIST = "/admin/outbox/"
LETTER = Letter("mika@example.com", "Set up your sign-in", "Follow https://portal/setup/once-x.")


def written(letter: Letter = LETTER) -> Mail:
    with platform_scope("a test"):
        return write_mail(letter, about="per_x")


def test_reading_a_mail_is_for_security_admins_and_recorded(sol: Browser, ira: Browser) -> None:
    mail = written()
    path = f"/admin/outbox/{mail.id}/"
    for browser in (sol, ira):
        assert LETTER.to in browser.get(path).text
        assert "once-x" not in browser.get(path).text
    assert ira.post(path).status == 403
    assert events_of(mail.id) == ["access.refused denied"]
    assert "once-x" in sol.send(path).text
    assert events_of(mail.id)[-1] == "mail.read success"


def test_mails_are_searched_and_filtered(sol: Browser) -> None:
    mail = written()
    assert mail.id in sol.get("/admin/outbox/", q=mail.id).html
    assert "Nothing found" in sol.get("/admin/outbox/", q="no such subject").text
    assert sol.get("/admin/outbox/", state="nonsense").status == 400
    assert "once-x" not in sol.get("/admin/outbox/", format="csv").html


def test_the_state_is_said_in_words(sol: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = written()
    path = f"{LIST}{mail.id}/"
    assert "Standing" in sol.get(path).text
    for state, fault, words in (
        ("sent", "", "Sent"), ("failed", "The server hung up.", "The server hung up."),
        ("waiting", "", "Waiting"),
    ):  # fmt: skip
        with platform_scope("a test"):
            Mail.objects.filter(id=mail.id).update(state=state, fault=fault)
        assert words in sol.get(path).text
        assert mail.id in sol.get(LIST, q=mail.id, state=state).html
    monkeypatch.setenv("MAIL_URL", "smtp+plain://127.0.0.1:1")
    assert "Tried next" in sol.get(path).text


def test_a_mail_is_found_by_whom_it_is_about(sol: Browser) -> None:
    suffix = base62(8)
    lone = staff(f"Lone {suffix}", "")
    with platform_scope("a test"):
        mail = write_mail(Letter(lone.email, "x", "y"), about=lone.id)
    for text in (lone.email, suffix, lone.id):
        page = sol.get(LIST, q=text)
        assert mail.id in page.html
        assert f"/admin/people/{lone.id}/" in page.html


def test_an_empty_outbox_says_what_comes_here(sol: Browser) -> None:
    with platform_scope("a test"):
        Mail.objects.all().delete()
    page = sol.get(LIST)
    assert "No mail has been written" in page.text
    assert "MAIL_URL=" in page.text


def test_a_mail_whose_key_is_gone_says_so(sol: Browser) -> None:
    mail = written()
    with platform_scope("a test"):
        Mail.objects.filter(id=mail.id).update(sealed="9.AAAA")
    path = f"{LIST}{mail.id}/"
    assert "can't be read any more" in sol.get(LIST, q=mail.id).text
    assert "can't be read any more" in sol.get(path).text
    assert sol.post(path).status == 409
    assert events_of(mail.id) == []


def test_an_unknown_mail_is_no_page(sol: Browser) -> None:
    for id in ("mai_nothing", "per_nothing"):
        assert sol.get(f"{LIST}{id}/").status == 404
        assert sol.post(f"{LIST}{id}/").status == 404


def test_what_a_mail_says_is_kept_by_no_cache(sol: Browser) -> None:
    page = sol.send(f"{LIST}{written().id}/")
    assert page.headers["cache-control"] == "no-store"


def test_the_outbox_asks_the_database_little(sol: Browser, queries: Callable[[], Any]) -> None:
    for _ in range(20):
        mail = written()
    for path in (LIST, f"{LIST}{mail.id}/"):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path
