"""Forgotten passwords: a link by mail, good once and for an hour, and the second factor besides.

The link stands in for the password and for nothing else: whoever has a person's mailbox has not
their phone. Asking is one answer for every address, known or not, after the same work.
"""

import datetime as dt
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import transaction
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core import configuration
from portal.core.clock import rfc3339
from portal.core.ids import base62
from portal.core.mail import Letter, configured
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import network_of
from portal.tenancy.change import platform_change
from portal.tenancy.mailing import deliver_after_commit, send
from portal.tenancy.models import PasswordReset, Person, Session
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.backend import person_by
from portal.tenancy.signing_in.changing import factor_of
from portal.tenancy.signing_in.factors import has_second_factor
from portal.tenancy.signing_in.inviting import SHAPE, digest_of
from portal.tenancy.signing_in.signing import (
    WAIVED,
    counted,
    device_of,
    lock_unchanged,
    proving,
    use_factor,
)
from portal.tenancy.signing_in.throttling import Bucket, Rate

LASTS: Final = dt.timedelta(hours=1)
BY_NETWORK: Final = Rate(60, 10)
BY_ACCOUNT: Final = Rate(600, 3)
"""Links at once, then one each ten minutes. Several are open beside each other: whoever asks for
links of somebody else's ends none that they need."""


def ask_for_reset(*, visitor: Actor, email: str) -> None:
    """Send a link to choose another password to whom this address belongs, if there is someone.

    Who never chose one, or is disabled, is sent none. Nothing tells that apart. Refuses with Wait.
    """
    person = person_by(email=email) if len(email) <= 254 else None
    buckets = [
        Bucket(BY_NETWORK, f"reset:network:{network_of(visitor.address)}"),
        Bucket(BY_ACCOUNT, f"reset:account:{email.lower()}"),
    ]
    with counted(visitor, person, buckets), platform_change("a person's own sign-in"):
        known = person is not None and person.is_active and _has_password(person)
        with transaction.atomic():
            _issue(visitor, person if known and person else Person(name="", email="x@invalid"))
            transaction.set_rollback(not known)  # the work was the same
        if not known and configured():
            deliver_after_commit()


def _has_password(person: Person) -> bool:
    return not person.password.startswith(UNUSABLE_PASSWORD_PREFIX)


def _issue(visitor: Actor, person: Person) -> None:
    token = f"once-{base62(43)}"
    reset = PasswordReset(person_id=person.id, digest=digest_of(token), expires_at=Now() + LASTS)
    reset.save(force_insert=True)
    reset.refresh_from_db(fields=["expires_at"])
    record(
        Event.PASSWORD_RESET_ASKED, actor=visitor, tenant=None, target=target_of(person),
        payload={"until": rfc3339(reset.expires_at)},
    )  # fmt: skip
    send(_letter(person, token, reset.expires_at), about=person.id)


def _letter(person: Person, token: str, until: dt.datetime) -> Letter:
    return Letter(
        person.email,
        "Choose another password for Countersign",
        f"{person.name},\n\nsomeone, you we hope, asked for another password. Choose it here:\n\n"
        f"{configuration.BASE_URL().rstrip('/')}/reset/{token}\n\n"
        f"The link works once, until {until:%d %b %Y, %H:%M} UTC, and asks for your second factor"
        " if you\nhave one. If you did not ask, leave it: nothing happens.\n",
    )


def open_reset(token: str, *, lock: bool = False) -> PasswordReset | None:
    """The link behind a token, if it can still be used. Inside the platform's scope.

    None alike for what is mistyped, unknown, used and ended, and for a disabled person's.
    """
    if not SHAPE.fullmatch(token):
        return None
    rows = PasswordReset.objects.select_for_update(of=("self",)) if lock else PasswordReset.objects
    open_ = rows.filter(digest=digest_of(token), expires_at__gt=Now(), person__is_active=True)
    return open_.select_related("person").first()


def reset_password(
    *, visitor: Actor, token: str, password: str, code: str, device: tuple[str, str] | None
) -> Person:
    """Put another password in place of a forgotten one; every session of the person ends.

    It signs nobody in. `code` is one of their second factor, if they have any. Refuses with
    NOT_FOUND a link that is no more, with Wait, and with what is wrong.
    """
    with platform_scope("who holds the link is known by it"):
        reset = open_reset(token)
        asked = reset is not None and has_second_factor(reset.person_id)
    if reset is None:
        raise Refusal("NOT_FOUND")
    person, faults = reset.person, Faults()
    passwords.fault_in(faults, password, person)
    faults.add("/code", None if code.strip() or not asked else "A code is needed.")
    faults.settle()
    hashed, factor = passwords.hashed(password), factor_of(code) if asked else WAIVED
    actor = replace(visitor, id=person.id, label=person.name, auth=("link", factor.amr))
    known = device_of(person, device)
    around = proving(actor, person, factor, known) if asked else nullcontext()
    with around, platform_change("a person's own sign-in"):
        lock_unchanged(person)
        if open_reset(token, lock=True) is None:
            raise Refusal("NOT_FOUND")
        if asked or has_second_factor(person.id):  # one that was set up a moment ago
            use_factor(visitor=actor, person=person, factor=factor, text=code)
        Person.objects.filter(id=person.id).update(password=hashed)
        PasswordReset.objects.filter(person_id=person.id).delete()
        Session.objects.filter(person_id=person.id).delete()
        record(
            Event.PASSWORD_RESET, actor=actor, tenant=None, target=target_of(person),
            payload={"factor": factor.words},
        )  # fmt: skip
        send(_notice(person), about=person.id)
    return person


def _notice(person: Person) -> Letter:
    return Letter(
        person.email,
        "Your password for Countersign was changed",
        f"{person.name},\n\nanother password was chosen by a link from a mail to you, and all your"
        " sessions have\nended. If it was not you, tell a security admin at once.\n",
    )
