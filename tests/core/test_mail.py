"""Mails: sealed at rest, delivered once to a real SMTP server, tried again, given up, forgotten."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from portal.core.configuration import MAIL_URL, ConfigurationError
from portal.core.mail import Letter, claim, letter_of, settle, write_mail
from portal.core.models import Mail
from portal.core.smtp import hand_over
from portal.tenancy import mailing
from portal.tenancy.mailing import deliver_waiting
from portal.tenancy.scope import platform_scope
from portal.tenancy.tasks import forget_mails
from tests.core.postman import Postman
from tests.plugin import ROOT

LETTER = Letter("mika@example.com", "Set up your sign-in", "Follow https://portal/setup/once-x.")
Post = Callable[..., Postman]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    """`post()` starts a server that mails are delivered to; nothing waits yet."""
    started: list[Postman] = []

    def start(answers: dict[bytes, bytes] | None = None) -> Postman:
        postman = Postman(answers)
        started.append(postman)
        monkeypatch.setenv("MAIL_URL", postman.url)
        monkeypatch.setenv("MAIL_FROM", "countersign@portal.example")
        return postman

    with platform_scope("a test"):
        Mail.objects.all().delete()
    yield start
    for postman in started:
        with suppress(OSError):
            postman.stop()


def written(letter: Letter = LETTER) -> Mail:
    with platform_scope("a test"):
        return write_mail(letter, about="per_x")


def now_of(mail: Mail) -> Mail:
    with platform_scope("a test"):
        return Mail.objects.get(id=mail.id)


def due(mail: Mail, **columns: Any) -> None:
    """Let its time come."""
    with platform_scope("a test"):
        Mail.objects.filter(id=mail.id).update(due_at="2026-01-01T00:00:00Z", **columns)


def test_a_mail_is_delivered_once(post: Post) -> None:
    postman, mail = post(), written()
    assert deliver_waiting() == 1
    assert deliver_waiting() == 0
    assert len(postman.taken) == 1
    for line in (
        "To: mika@example.com\r\n", "From: Countersign <countersign@portal.example>\r\n",
        f"Message-ID: <{mail.id}@portal.example>\r\n", "Auto-Submitted: auto-generated\r\n",
        "\r\nDate: ", "/setup/once-x",
    ):  # fmt: skip
        assert line in postman.taken[0], line
    assert now_of(mail).state == "sent"
    assert now_of(mail).sent_at is not None


def test_nothing_readable_lies_in_the_table() -> None:
    mail = written()
    for secret in ("mika", "once-x", "portal/setup"):
        assert secret not in mail.sealed
    assert letter_of(mail) == LETTER


def test_a_sealed_mail_moved_to_another_row_does_not_open() -> None:
    mail, other = written(), written()
    other.sealed = mail.sealed
    assert letter_of(other) is None


def test_a_mail_of_the_time_before_smtp_is_never_sent(post: Post) -> None:
    mail = written()
    postman = post()
    assert deliver_waiting() == 0
    assert postman.taken == []
    assert now_of(mail).state == "standing"


def test_a_mail_that_failed_is_tried_again_later_and_given_up_after_five_tries(post: Post) -> None:
    postman = post()
    postman.stop()
    mail = written()
    for tries in range(1, 5):
        assert deliver_waiting() == 1, tries
        assert deliver_waiting() == 0, "not before a minute is over"
        assert (now_of(mail).state, now_of(mail).tries) == ("waiting", tries)
        due(mail)
    assert now_of(mail).fault == "The server refused the connection."
    assert deliver_waiting() == 1
    assert now_of(mail).state == "failed"


@pytest.mark.parametrize(
    ("answers", "state", "fault"),
    [
        (
            {b"RCPT": b"550 no mika@example.com"},
            "failed",
            "The server refused the recipient (550).",
        ),
        ({b"RCPT": b"450 later"}, "waiting", "The server refused the recipient (450)."),
        ({b"MAIL": b"530 no"}, "waiting", "The server refused the sender (530)."),
        ({b"DATA": b"554 spam"}, "failed", "The server refused the mail (554)."),
        ({b"QUIT": b"500 what"}, "sent", ""),
    ],
)
def test_what_the_server_says_decides(
    post: Post, answers: dict[bytes, bytes], state: str, fault: str
) -> None:
    post(answers)
    mail = written()
    assert deliver_waiting() == 1
    assert (now_of(mail).state, now_of(mail).fault) == (state, fault)


def test_without_starttls_nothing_is_said(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    postman, mail = post(), written()
    monkeypatch.setenv("MAIL_URL", postman.url.replace("smtp+plain://", "smtp://me:secret@"))
    assert deliver_waiting() == 1
    assert postman.taken == []
    assert now_of(mail).fault == "The server lacks what is needed, such as STARTTLS."


def test_a_mail_to_no_address_fails_and_holds_up_no_other(post: Post) -> None:
    postman = post()
    bad = [written(Letter(to, "x", "y")) for to in ("no address", "a@example.com, b@example.com")]
    written()
    assert deliver_waiting() == 3
    assert len(postman.taken) == 1
    assert [now_of(mail).state for mail in bad] == ["failed", "failed"]


def test_a_domain_that_is_not_ascii_goes_as_the_dns_knows_it(post: Post) -> None:
    postman = post()
    written(Letter("mika@bücher.example", "x", "y"))
    assert deliver_waiting() == 1
    assert "To: mika@xn--bcher-kva.example\r\n" in postman.taken[0]


def test_two_processes_never_deliver_the_same(post: Post) -> None:
    postman = post()
    written()
    with platform_scope("a test"):
        first = claim()
    assert first is not None
    assert deliver_waiting() == 0
    outcome = hand_over(first)
    with platform_scope("a test"):
        settle(first, outcome)
    assert len(postman.taken) == 1


def test_deliveries_that_are_cut_off_end_too(post: Post) -> None:
    postman, mail = post(), written()
    due(mail, tries=5)
    assert deliver_waiting() == 1
    assert postman.taken == []
    assert now_of(mail).fault == "Each delivery was cut off: it may have arrived."


def test_a_sent_mail_stays_sent_whatever_a_late_try_says(post: Post) -> None:
    post()
    mail = written()
    with platform_scope("a test"):
        late = claim()
    assert late is not None
    due(mail)
    assert deliver_waiting() == 1
    with platform_scope("a test"):
        late.tries = 5
        settle(late, hand_over_nowhere(late))
    assert now_of(mail).state == "sent"


def hand_over_nowhere(mail: Mail) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAIL_URL", "smtp+plain://127.0.0.1:1")
        return hand_over(mail)


def test_a_mail_goes_after_its_transaction_and_not_at_all_without_it(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post()
    asked: list[int] = []
    monkeypatch.setattr(mailing, "_deliver_soon", lambda: asked.append(1))
    with pytest.raises(RuntimeError), platform_scope("a test"):
        mailing.send(LETTER, about="per_x")
        raise RuntimeError
    assert (asked, deliver_waiting()) == ([], 0)
    with platform_scope("a test"):
        mailing.send(LETTER, about="per_x")
        assert asked == []
    assert (asked, deliver_waiting()) == ([1], 1)


def test_the_web_process_knows_where_the_worker_listens() -> None:
    program = (
        "import portal.asgi; from django.conf import settings;"
        "from portal.tenancy.tasks import deliver_mails;"
        "assert deliver_mails.app.conf.broker_url == settings.CELERY_BROKER_URL"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("bad", ["a@example.com\nBcc: b@example.com", "a@example.com\rx", "a\0"])
def test_a_line_break_begins_no_other_header(bad: str) -> None:
    for letter in (Letter(bad, "x", "y"), Letter("a@example.com", bad, "y")):
        with pytest.raises(ValueError, match="one line"):
            written(letter)


def test_mails_are_forgotten_after_thirty_days() -> None:
    old, young = written(), written()
    with platform_scope("a test"):
        Mail.objects.filter(id=old.id).update(created_at="2026-01-01T00:00:00Z")
    assert forget_mails() >= 1
    with platform_scope("a test"):
        kept = set(Mail.objects.values_list("id", flat=True))
    assert young.id in kept
    assert old.id not in kept


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example", "smtp://", "smtp://a:x"])
def test_a_setting_that_is_nonsense_is_refused_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_URL", url)
    with pytest.raises(ConfigurationError) as told:
        MAIL_URL()
    assert url not in str(told.value).replace("smtp://user:password@host:587", "")
