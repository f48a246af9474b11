"""Mails of who: written with the change that they tell of, sent once it has committed."""

from typing import Final

from django.db import transaction

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.mail import Letter, claim, configured, letter_of, settle, write_mail
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.core.smtp import hand_over
from portal.core.soon import soon
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.permission import found, platform_attempt, require
from portal.tenancy.scope import platform_scope

WHOSE: Final = "mails are people's, who may be in several tenants"


def send(letter: Letter, *, about: str) -> Mail:
    """Write a mail in this transaction of the platform's; it goes once that has committed."""
    mail = write_mail(letter, about=about)
    if mail.state == Mail.State.WAITING:
        deliver_after_commit()
    return mail


def deliver_after_commit() -> None:
    """Look for waiting mails once this transaction has committed."""
    # With the broker away they go a minute later: the schedule looks for what waits.
    transaction.on_commit(_deliver_soon, robust=True)


def _deliver_soon() -> None:
    from portal.tenancy.tasks import deliver_mails

    soon(deliver_mails)


def deliver_waiting() -> int:
    """Deliver the mails whose time has come, one after the other; returns how many were tried."""
    tried = 0
    while configured():
        with platform_scope(WHOSE):
            mail = claim()
        if mail is None:
            return tried
        outcome = hand_over(mail)
        with platform_scope(WHOSE):
            settle(mail, outcome)
        tried += 1
    return tried


def read_mail(*, actor: Actor, mail_id: str) -> Letter:
    """What a mail says, for who may invite: it may hold a link. That it was read is recorded."""
    with platform_attempt(actor, "tenants:write", Target("mail", mail_id)):
        require(actor, "tenants:write")
    with platform_change(WHOSE):
        mail = found(Mail.objects.all(), mail_id)
        letter = letter_of(mail)
        if letter is None:
            raise Refusal("CONFLICT", "Its encryption key is not in the ring: it can't be read.")
        target = Target("mail", mail.id, mail.subject)
        record(Event.MAIL_READ, actor=actor, tenant=None, target=target)
    return letter
