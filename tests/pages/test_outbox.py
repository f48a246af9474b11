"""The outbox: what was written, to whom, and who read it; delivery to a real SMTP server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from portal.core.mail import Letter, letter_of, write_mail
from portal.core.models import Mail
from portal.tenancy.mailing import deliver_waiting
from portal.tenancy.scope import platform_scope
from tests.keys.events import events_of
from tests.pages.browser import Browser

LETTER = Letter("mika@example.com", "Set up your sign-in", "Follow https://portal/setup/once-x.")


def written(letter: Letter = LETTER) -> Mail:
    with platform_scope("a test"):
        return write_mail(letter, about="per_x")


class Postman:
    """An SMTP server (RFC 5321) that takes every mail, or says no to all."""

    def __init__(self, greeting: bytes = b"220 here") -> None:
        self.greeting, self.taken = greeting, list[str]()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.sendall(self.greeting + b"\r\n")
                for line in lines:
                    if line.upper().startswith(b"DATA"):
                        connection.sendall(b"354 go on\r\n")
                        text = b"".join(iter(lines.readline, b".\r\n"))
                        self.taken.append(text.decode())
                    if line.upper().startswith(b"QUIT"):
                        connection.sendall(b"221 bye\r\n")
                        break
                    connection.sendall(b"250 fine\r\n")

    def stop(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def postman(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postman]:
    with platform_scope("a test"):
        Mail.objects.all().delete()
    postman = Postman()
    monkeypatch.setenv("MAIL_URL", f"smtp+plain://127.0.0.1:{postman.port}")
    monkeypatch.setenv("MAIL_FROM", "countersign@portal.example")
    yield postman
    with suppress(OSError):
        postman.stop()


def now_of(mail: Mail) -> Mail:
    with platform_scope("a test"):
        return Mail.objects.get(id=mail.id)


def test_a_mail_is_delivered_once(postman: Postman) -> None:
    mail = written()
    assert deliver_waiting() == 1
    assert deliver_waiting() == 0
    assert len(postman.taken) == 1
    text = postman.taken[0]
    assert "To: mika@example.com\r\n" in text
    assert "From: Countersign <countersign@portal.example>\r\n" in text
    assert "/setup/once-x" in text
    assert now_of(mail).state == "sent"


def test_a_mail_that_failed_waits_and_is_given_up_after_five_tries(
    monkeypatch: pytest.MonkeyPatch, postman: Postman, owner_db: object
) -> None:
    postman.stop()
    mail = written()
    assert deliver_waiting() == 1
    assert (now_of(mail).state, now_of(mail).tries) == ("waiting", 1)
    assert now_of(mail).fault == "ConnectionRefusedError"
    assert deliver_waiting() == 0  # not before a minute is over
    with platform_scope("a test"):
        Mail.objects.filter(id=mail.id).update(tries=4, created_at="2026-01-01T00:00:00Z")
    assert deliver_waiting() == 1
    assert now_of(mail).state == "failed"


@pytest.mark.parametrize("bad", ["a@example.com\nBcc: b@example.com", "a@example.com\rx"])
def test_a_line_break_begins_no_other_header(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        written(Letter(bad, "x", "y"))
    with pytest.raises(ValueError, match="one line"):
        written(Letter("a@example.com", bad, "y"))


def test_a_sealed_mail_moved_to_another_row_does_not_open() -> None:
    mail, other = written(), written()
    other.sealed = mail.sealed
    assert letter_of(other) is None


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
