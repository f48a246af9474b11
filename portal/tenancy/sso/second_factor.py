"""Between the provider's word and our own second factor: nobody is signed in yet.

It is asked wherever the provider does not say that it asked for one itself. Whoever has none sets
one up here, if they can sign in through providers alone: for everybody else that would let whoever
runs a provider lay a factor under an account that is more than theirs.
"""

import time
from typing import Final, NamedTuple

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person, Totp
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.backend import person_by
from portal.tenancy.signing_in.factors import (
    Enrolment,
    set_app,
    set_recovery_codes,
    six_digits,
    step_of,
)
from portal.tenancy.signing_in.setting_up import ANOTHER_MINUTE, UNSTORED, fault_of_code
from portal.tenancy.signing_in.signing import APP, lock_unchanged
from portal.tenancy.sso.arriving import note_through
from portal.tenancy.sso.provider import Provider, provider_by

KEPT: Final = "sso_signing_in"
"""The session's member. Not the one of passwords: a code after it must not open what is bound."""
LASTS: Final = 900
"""Seconds: time to set up an app as well."""


class Waiting(NamedTuple):
    """Whom a provider sent in this browser, and where they go."""

    person: Person
    provider: Provider
    next: str


def await_own_factor(request: HttpRequest, person: Person, provider: Provider, next: str) -> None:
    """Put a session of nobody's in place of any other: it says whom the provider sent."""
    request.session.flush()
    request.session[KEPT] = {
        "person": person.pk, "proof": person.get_session_auth_hash(), "next": next,
        "provider": provider.id, "until": time.time() + LASTS,
    }  # fmt: skip
    request.session.set_expiry(LASTS)


def waiting(request: HttpRequest) -> Waiting | None:
    """Whom a provider sent in this browser a while ago; None if that no longer holds."""
    held = request.session.get(KEPT)
    if not isinstance(held, dict) or held["until"] < time.time():
        return None
    person, provider = person_by(id=held["person"]), provider_by(held["provider"])
    if person is None or not person.is_active or provider is None:
        return None
    same = constant_time_compare(held["proof"], person.get_session_auth_hash())
    return Waiting(person, provider, held["next"]) if same else None


def has_factor(person: Person) -> bool:
    """Whether the person has a second factor of ours. Outside of any scope."""
    with platform_scope("a person's own sign-in"):
        return bool(Totp.objects.filter(user=person, confirmed=True).exists())


def may_set_up(person: Person) -> bool:
    """Whether a first factor may be set up on a provider's word: only for who has no password."""
    return person.password.startswith(UNUSABLE_PASSWORD_PREFIX) and not has_factor(person)


def set_up_factor(
    *, visitor: Actor, person: Person, provider: Provider, enrolment: Enrolment, code: str,
    stored: bool,
) -> None:  # fmt: skip
    """Set up the second factor of whom a provider sent, and sign them in.

    Refuses with NOT_FOUND who has one by now, or a password.
    """
    faults = Faults()
    faults.add("/code", fault_of_code(enrolment, code))
    faults.add("/stored", None if stored else UNSTORED)
    faults.settle()
    if not may_set_up(person):
        raise Refusal("NOT_FOUND")
    with platform_change("a person's own sign-in"):
        lock_unchanged(person)
        if Totp.objects.filter(user=person).exists():
            raise Refusal("NOT_FOUND")
        step = step_of(enrolment.seed, six_digits(code) or "")
        if step is None:  # the minute ended meanwhile
            faults.add("/code", ANOTHER_MINUTE)
            faults.settle()
        assert step is not None
        set_app(person.id, enrolment.seed, step)
        set_recovery_codes(person.id, enrolment.codes)
        record(Event.PERSON_SET_UP, actor=visitor, tenant=None, target=target_of(person))
        note_through(visitor, person, provider, APP.words)
