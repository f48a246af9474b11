"""Mails: written in the transaction of what they tell of, delivered after it, or left standing.

Without SMTP (`MAIL_URL` unset) they stand on the outbox page. A mail holds no secret but a link
that acts only when the form on its page is sent, and ends by itself; recipient and text are sealed
at rest.
"""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Final

from django.db.models.functions import Now

from portal.core import configuration
from portal.core.models import Mail
from portal.core.sealing import SealBroken, open_sealed, seal

PURPOSE: Final = "mail"
TRIES: Final = 5
"""Deliveries that may fail before it is given up: 1, 4, 9 and 16 minutes apart."""
LEASE: Final = dt.timedelta(minutes=10)
"""How long one delivery may take at most: a dozen answers, each within a server's patience."""


@dataclass(frozen=True)
class Letter:
    """What a mail says, and to whom."""

    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """How a delivery went: fine, or what was wrong and whether another try could help."""

    fault: str = ""
    final: bool = False


UNREADABLE: Final = Outcome("Its encryption key is not in the ring.", final=True)
CUT_OFF: Final = Outcome("Each delivery was cut off: it may have arrived.", final=True)


def configured() -> bool:
    """Whether mails are delivered at all."""
    return configuration.MAIL_URL() is not None


def write_mail(letter: Letter, *, about: str) -> Mail:
    """Put a mail into the outbox, in the caller's transaction. `about` is an id.

    Raises ValueError for a line break in recipient or subject: it would begin another header.
    """
    if any(character in text for text in (letter.to, letter.subject) for character in "\r\n\0"):
        raise ValueError("a header is one line")
    # What was handed over by hand must not go again on the day when SMTP is set up.
    state = Mail.State.WAITING if configured() else Mail.State.STANDING
    mail = Mail(subject=letter.subject, about=about, state=state)
    mail.sealed = seal(json.dumps([letter.to, letter.text]).encode(), PURPOSE, mail.id)
    mail.save(force_insert=True)
    return mail


def letter_of(mail: Mail) -> Letter | None:
    """The mail as it was written; None when its key has left the ring, or it was forgotten."""
    try:
        to, text = json.loads(open_sealed(mail.sealed, PURPOSE, mail.id))
    except SealBroken:
        return None
    return Letter(to, mail.subject, text)


def claim() -> Mail | None:
    """A waiting mail whose time has come, with this try counted; None when there is none.

    It is nobody else's for as long as LEASE: a process that dies meanwhile leaves it to others.
    """
    claimed = Mail.objects.raw(
        "UPDATE core_mail SET tries = tries + 1, due_at = clock_timestamp() + %s"
        " WHERE id = (SELECT id FROM core_mail WHERE state = 'waiting'"
        " AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
        " RETURNING *",
        [LEASE],
    )
    return next(iter(claimed), None)


def settle(mail: Mail, outcome: Outcome) -> None:
    """Write down how the try went that `claim` counted."""
    again = dt.timedelta(minutes=mail.tries * mail.tries)
    if not outcome.fault:
        told = {"state": Mail.State.SENT, "fault": "", "sent_at": Now()}
    elif outcome.final or mail.tries >= TRIES:
        told = {"state": Mail.State.FAILED, "fault": outcome.fault}
    else:
        told = {"fault": outcome.fault, "due_at": Now() + again}
    # A mail that went is never taken back by a try that came too late.
    Mail.objects.filter(id=mail.id).exclude(state=Mail.State.SENT).update(**told)
