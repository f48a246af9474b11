"""Links with which people set up their sign-in: the first administrator's and everyone else's.

A link works once, ends by itself, and dies when a new one is made for the same person. Of its token
(256 random bits) only a digest is kept.
"""

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connection
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import configuration
from portal.core.clock import rfc3339
from portal.core.ids import base62
from portal.core.mail import Letter
from portal.core.refusals import Refusal
from portal.core.tokens import SecretText
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.mailing import send
from portal.tenancy.models import Invitation, Person
from portal.tenancy.people import target_of
from portal.tenancy.permission import found, platform_attempt, require
from portal.tenancy.signing_in.factors import has_second_factor
from portal.tenancy.signing_in.throttling import Bucket, Rate, take

FIRST_LASTS: Final = dt.timedelta(hours=1)
INVITED_LASTS: Final = dt.timedelta(days=7)
ASKED_LASTS: Final = dt.timedelta(hours=1)
ASKED: Final = Rate(600, 3)
"""Links that one person may send themselves."""
SHAPE: Final = re.compile(r"once-[0-9A-Za-z]{43}", re.ASCII)
"""`once-` is what logs know it by (portal.core.logs); no credential of ours looks like it."""
FIRST_LOCK: Final = 0x5E7
"""Of PostgreSQL: who makes or uses the first administrator's link waits for who else does."""


@dataclass(frozen=True)
class IssuedInvitation:
    """A new invitation, and its link: for the one answer, mail or print that hands it over."""

    invitation: Invitation
    link: SecretText


def digest_of(token: str) -> bytes:
    """What an invitation is found by."""
    return hashlib.sha256(token.encode()).digest()


def link_of(token: str, base_url: str | None = None) -> str:
    """Where the token is used."""
    return f"{(base_url or configuration.BASE_URL()).rstrip('/')}/setup/{token}"


def administrator_exists() -> bool:
    """Whether someone can sign in who may do everything. Inside the platform's scope."""
    able = Person.objects.filter(platform_role=Person.PlatformRole.SECURITY_ADMIN, is_active=True)
    return able.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).exists()


def lock_first() -> None:
    """Wait for whoever makes or uses the first administrator's link, until one's own commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_LOCK])


def invite_person(*, actor: Actor, person_id: str) -> IssuedInvitation:
    """A link for a person, good for seven days: the older one of theirs dies.

    Who has signed in before chooses everything anew with it: the way back for who lost password,
    phone and recovery codes. Refuses with CONFLICT while the person is disabled.
    """
    with platform_attempt(actor, "tenants:write", Target("person", person_id)):
        require(actor, "tenants:write")
    with platform_change("people are the platform's") as change:
        person = found(Person.objects.select_for_update(), person_id)
        if not person.is_active:
            raise Refusal("CONFLICT", "This person is disabled. Enable them first.")
        issued = _issue(person, INVITED_LASTS)
        change.made = issued.invitation.id
        record(
            Event.PERSON_INVITED, actor=actor, tenant=None, target=target_of(person),
            payload={"until": rfc3339(issued.invitation.expires_at)},
        )  # fmt: skip
        send(_letter(person, issued), about=person.id)
    return issued


def _letter(person: Person, issued: IssuedInvitation) -> Letter:
    until = issued.invitation.expires_at.strftime("%d %b %Y, %H:%M")
    return Letter(
        person.email,
        "Set up your sign-in to Countersign",
        f"{person.name},\n\nset up your password and second factor here:\n\n"
        f"{issued.link.reveal()}\n\nThe link works once, until {until} UTC. Opening it does"
        " nothing yet.\nIf you did not expect this mail, leave it: nothing happens.\n",
    )


def invite_oneself(*, actor: Actor, person: Person) -> IssuedInvitation:
    """A link for whoever needs a second factor and has none, good for an hour, by mail.

    A password alone lays no factor under an account: whoever learned it would have both. Refuses
    with Wait, with CONFLICT who has one, or signs in through a provider alone: when that ends their
    sign-in, no other shall be left; and with NOT_FOUND who was disabled meanwhile.
    """
    take([Bucket(ASKED, f"second factor:{person.id}")])
    with platform_change("people are the platform's"):
        person = found(Person.objects.select_for_update().filter(is_active=True), person.id)
        if has_second_factor(person.id):
            raise Refusal("CONFLICT", "You have a second factor.")
        if not person.has_usable_password():
            raise Refusal("CONFLICT", "You sign in through a provider alone.")
        issued = _issue(person, ASKED_LASTS)
        record(
            Event.SECOND_FACTOR_ASKED, actor=actor, tenant=None, target=target_of(person),
            payload={"until": rfc3339(issued.invitation.expires_at)},
        )  # fmt: skip
        send(_letter(person, issued), about=person.id)
    return issued


def invite_first(*, actor: Actor, base_url: str | None = None) -> IssuedInvitation:
    """The link for the first administrator, good for an hour: the older one dies.

    Refuses with CONFLICT once there is an administrator: they invite everyone else.
    """
    require(actor, "tenants:write")
    with platform_change("nobody is anyone yet"):
        lock_first()
        if administrator_exists():
            raise Refusal("CONFLICT", "There is an administrator. They invite everyone else.")
        issued = _issue(None, FIRST_LASTS, base_url)
        record(
            Event.SETUP_LINK_MADE, actor=actor, tenant=None,
            target=Target("set_up_link", issued.invitation.id, "first administrator"),
            payload={"until": rfc3339(issued.invitation.expires_at)},
        )  # fmt: skip
    return issued


def _issue(
    person: Person | None, lasts: dt.timedelta, base_url: str | None = None
) -> IssuedInvitation:
    token = f"once-{base62(43)}"
    Invitation.objects.filter(person=person, used_at__isnull=True).delete()
    invitation = Invitation(person=person, digest=digest_of(token), expires_at=Now() + lasts)
    invitation.save(force_insert=True)
    invitation.refresh_from_db(fields=["expires_at"])
    return IssuedInvitation(invitation, SecretText(link_of(token, base_url)))


def open_invitation(token: str, *, lock: bool = False) -> Invitation | None:
    """The invitation behind a token, if it can still be used. Inside the platform's scope.

    None alike for what is mistyped, unknown, used and ended.
    """
    if not SHAPE.fullmatch(token):
        return None
    rows = Invitation.objects.select_for_update(of=("self",)) if lock else Invitation.objects.all()
    open_ = rows.filter(digest=digest_of(token), used_at__isnull=True, expires_at__gt=Now())
    invitation = open_.select_related("person").first()
    if invitation is None:
        return None
    if invitation.person is None:
        return None if administrator_exists() else invitation
    return invitation if invitation.person.is_active else None
