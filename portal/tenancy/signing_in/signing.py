"""Signing in: a password, then a code; signing out.

Between the two nobody is signed in: the browser holds a session that says whose password was right,
for five minutes. Unknown address, wrong password, disabled person and one without a password are
one answer after the same work.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import network_of
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person, Session
from portal.tenancy.people import target_of
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.backend import person_by
from portal.tenancy.signing_in.enforcing import note_past_sso, refuse_past_sso
from portal.tenancy.signing_in.factors import (
    recovery_codes_left,
    use_code,
    use_recovery_code,
)
from portal.tenancy.signing_in.noting import note_failed, note_throttled
from portal.tenancy.signing_in.throttling import (
    ACCOUNT,
    CODE,
    DEVICE,
    NETWORK,
    Bucket,
    Wait,
    give_back,
    take,
)

WRONG_PASSWORD: Final = "E-mail or password is not right."  # noqa: S105 - words
WRONG_CODE: Final = (
    "That code was for another minute, or was used already. Check your phone’s clock and enter the"
    " next one."
)
WRONG_RECOVERY_CODE: Final = "That is not one of your recovery codes, or it was used already."
NO_SUCH_CODE: Final = "Six digits are needed."


class Factor(NamedTuple):
    """A second factor: how sessions and the ledger call it, how it is used, what it is not."""

    amr: str
    """In the session (RFC 8176 where it has a word)."""
    words: str
    use: Callable[[str, str], bool]
    wrong: str


APP: Final = Factor("otp", "six-digit code", use_code, WRONG_CODE)
RECOVERY: Final = Factor("recovery", "recovery code", use_recovery_code, WRONG_RECOVERY_CODE)


@dataclass(frozen=True)
class SignedIn:
    """Who signed in, and how many recovery codes they have left."""

    person: Person
    codes_left: int


def _password_buckets(visitor: Actor, email: str, device: str | None) -> list[Bucket]:
    if device is not None:
        return [Bucket(DEVICE, f"password:device:{device}")]
    return [
        Bucket(NETWORK, f"password:network:{network_of(visitor.address)}"),
        Bucket(ACCOUNT, f"password:account:{email.lower()}"),
    ]


def _code_buckets(person_id: str, device: str | None) -> list[Bucket]:
    whose = f"device:{device}" if device is not None else f"account:{person_id}"
    return [Bucket(CODE, f"code:{whose}")]


@contextmanager
def counted(visitor: Actor, person: Person | None, buckets: list[Bucket]) -> Iterator[None]:
    """Around what is tried: raises Wait, recorded, instead when there were too many tries."""
    try:
        take(buckets)
    except Wait:
        note_throttled(visitor, person)
        raise
    yield


def device_of(person: Person | None, device: tuple[str, str] | None) -> str | None:
    """The device's name, if the browser signed in as this very person before."""
    return device[1] if person is not None and device and device[0] == person.id else None


def check_password(
    *, visitor: Actor, email: str, password: str, device: tuple[str, str] | None
) -> Person:
    """The person whose password this is. It signs nobody in.

    `device` is what the browser's device cookie says. Refuses with Wait, and with
    CREDENTIAL_INVALID alike for whatever is wrong.
    """
    person = person_by(email=email) if len(email) <= 254 else None
    if len(password) > passwords.LONGEST:
        password = ""
    with counted(visitor, person, _password_buckets(visitor, email, device_of(person, device))):
        right = passwords.is_right(password, person)
    if person is None or not right or not person.is_active:
        note_failed(visitor, person, "password")
        raise Refusal(
            "CREDENTIAL_INVALID", errors=[{"detail": WRONG_PASSWORD, "pointer": "/password"}]
        )
    try:
        refuse_past_sso(person)
    except Refusal:
        note_failed(visitor, person, "rule that people come through the provider")
        raise
    return person


def use_factor(*, visitor: Actor, person: Person, factor: Factor, text: str) -> None:
    """Use a code up. In a transaction of the verb that it is asked for; refuses a wrong one."""
    if not factor.use(person.id, text):
        raise Refusal("CREDENTIAL_INVALID", errors=[{"detail": factor.wrong, "pointer": "/code"}])
    if factor is RECOVERY:
        record(
            Event.RECOVERY_CODE_USED, actor=visitor, tenant=None, target=target_of(person),
            payload={"left": recovery_codes_left(person.id)},
        )  # fmt: skip


@contextmanager
def proving(visitor: Actor, person: Person, factor: Factor, device: str | None) -> Iterator[None]:
    """Around a verb that uses a code: tries are counted, a failed one is recorded."""
    buckets = _code_buckets(person.id, device)
    with counted(visitor, person, buckets):
        try:
            yield
        except Refusal as refusal:
            if refusal.code == "CREDENTIAL_INVALID":
                note_failed(visitor, person, factor.words)
            else:
                give_back(buckets)
            raise
    give_back(buckets)


def sign_in(
    *, visitor: Actor, person: Person, factor: Factor, code: str, device: tuple[str, str] | None
) -> SignedIn:
    """Take the code of someone whose password was right (`person`, as it was read then).

    Refuses with Wait, with CREDENTIAL_INVALID for a wrong code, and with NOT_FOUND when the person
    was disabled or changed their password meanwhile.
    """
    known = device_of(person, device)
    actor = replace(visitor, id=person.id, label=person.name, auth=("pwd", factor.amr))
    with proving(visitor, person, factor, known), platform_change("a person's sign-in"):
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        left = recovery_codes_left(person.id)
        note_signed_in(actor, person, factor)
    give_back(_password_buckets(visitor, person.email, known))
    return SignedIn(person, left)


def lock_unchanged(person: Person) -> None:
    """Nobody disables the person or changes their password meanwhile; NOT_FOUND if they did."""
    now = Person.objects.select_for_update().filter(id=person.id, is_active=True).first()
    if now is None or now.password != person.password:
        raise Refusal("NOT_FOUND")


def note_signed_in(actor: Actor, person: Person, factor: Factor) -> None:
    """Write down that the person signed in here. In the transaction that proved it.

    Refuses with FORBIDDEN while single sign-on is enforced, but for security admins: an alert.
    """
    refuse_past_sso(person)
    Person.objects.filter(id=person.id).update(last_sign_in_at=Now())
    record(
        Event.LOGIN_SUCCEEDED, actor=actor, tenant=None, target=target_of(person),
        payload={"factor": factor.words},
    )  # fmt: skip
    note_past_sso(actor, person, factor.words)


def sign_out(*, actor: Actor, person: Person, session_key: str) -> None:
    """End a session. Again: nothing happens."""
    with platform_change("sessions are people's"):
        ended, _ = Session.objects.filter(
            digest=digest_of(session_key), person_id=person.id
        ).delete()
        if ended:
            record(Event.LOGIN_ENDED, actor=actor, tenant=None, target=target_of(person))
