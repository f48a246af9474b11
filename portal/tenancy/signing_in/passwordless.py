"""Signing in by a passkey alone: it is had, and it verified its person, so it is two factors."""

from dataclasses import replace
from typing import Final

from audit.ledger.events import Event
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import network_of
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person
from portal.tenancy.signing_in.factors import recovery_codes_left
from portal.tenancy.signing_in.passkeys import (
    PASSKEY,
    WRONG,
    about,
    authenticate,
    passkey_in,
    refused,
)
from portal.tenancy.signing_in.signing import (
    SignedIn,
    device_of,
    lock_unchanged,
    note_signed_in,
    trying,
)
from portal.tenancy.signing_in.throttling import DEVICE, NETWORK, Bucket

ALONE: Final = "alone"
"""What its challenges are for."""
MULTIPLE: Final = ("user", "mfa")
"""Beside the kind of key (RFC 8176): somebody was there, and it was more than one factor."""


def sign_in_by_passkey(
    *, visitor: Actor, text: str, browser: str, device: tuple[str, str] | None
) -> tuple[SignedIn, tuple[str, ...]]:
    """Take a browser's answer `text` to a challenge of this `browser`: who signed in, and by what.

    Refuses with Wait; with CREDENTIAL_INVALID alike for an unknown passkey, a wrong answer and a
    disabled person; with NOT_FOUND when the person was disabled or changed meanwhile.
    """
    said = passkey_in(text)
    person: Person | None = said.user if said is not None else None
    buckets = _buckets(visitor, device_of(person, device))
    with trying(visitor, person, PASSKEY.words, buckets), platform_change("a person's sign-in"):
        if person is None or not person.is_active:
            raise refused(WRONG)
        lock_unchanged(person)
        used = authenticate(person, about(ALONE, "", browser), text, alone=True)
        auth = (used.amr, *MULTIPLE)
        actor = replace(visitor, id=person.id, label=person.name, auth=auth)
        note_signed_in(actor, person, PASSKEY, Event.LOGIN_BY_PASSKEY)
        left = recovery_codes_left(person.id)
    return SignedIn(person, left), auth


def _buckets(visitor: Actor, device: str | None) -> list[Bucket]:
    """No signature is guessed, so nothing is counted for an account: that only kept people out."""
    if device is not None:
        return [Bucket(DEVICE, f"passkey:device:{device}")]
    return [Bucket(NETWORK, f"passkey:network:{network_of(visitor.address)}")]
