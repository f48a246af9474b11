"""What signed-in people change about their own sign-in. Each asks for a code, and ends the others.

Whoever has only a person's browser, or only their password, changes nothing with it. Who has no
second factor (portal.tenancy.signing_in.waiving) is asked for the password alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import Change, platform_change
from portal.tenancy.models import PasswordReset, Person, Session
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.factors import (
    Enrolment,
    has_second_factor,
    new_recovery_codes,
    set_app,
    set_recovery_codes,
    six_digits,
    step_of,
)
from portal.tenancy.signing_in.noting import note_failed
from portal.tenancy.signing_in.proof import note_proved
from portal.tenancy.signing_in.setting_up import ANOTHER_MINUTE, fault_of_code
from portal.tenancy.signing_in.signing import (
    APP,
    RECOVERY,
    Factor,
    counted,
    lock_unchanged,
    own_password_buckets,
    proving,
    use_factor,
)
from portal.tenancy.signing_in.throttling import give_back

WRONG_PASSWORD: Final = "That is not your present password."  # noqa: S105 - words


def check_own_password(actor: Actor, person: Person, password: str, pointer: str) -> None:
    """Refuse what is not the person's present password; tries are counted, failed ones recorded.

    Whoever calls gives `own_password_buckets` back once all of it was right.
    """
    with counted(actor, person, own_password_buckets(person.id)):
        if len(password) > passwords.LONGEST or not passwords.is_right(password, person):
            note_failed(actor, person, "password")
            wrong = {"detail": WRONG_PASSWORD, "pointer": pointer}
            raise Refusal("CREDENTIAL_INVALID", errors=[wrong])


def has_factor(person: Person) -> bool:
    """Whether the person has a second factor of ours. Outside of any scope."""
    with platform_scope("a person's own sign-in"):
        return has_second_factor(person.id)


@contextmanager
def _proved(
    actor: Actor, person: Person, code: str, device: str | None, *, asked: bool = True
) -> Iterator[Change]:
    """A change of one's own sign-in: its transaction, in which the code is used up first."""
    factor = factor_of(code)
    around = proving(actor, person, factor, device) if asked else nullcontext()
    with around, platform_change("a person's own sign-in") as change:
        lock_unchanged(person)
        if asked or has_second_factor(person.id):  # one that was set up a moment ago
            use_factor(visitor=actor, person=person, factor=factor, text=code)
        yield change


def factor_of(text: str) -> Factor:
    """Which second factor a code is by its look; both are taken here."""
    longer = six_digits(text) is None and len(text.replace(" ", "").replace("-", "")) > 6
    return RECOVERY if longer else APP


def change_password(
    *, actor: Actor, person: Person, old: str, new: str, code: str, device: str | None,
    session_key: str,
) -> Person:  # fmt: skip
    """Put a new password in place of the old one; every other session of the person ends.

    Refuses what is wrong with REQUEST_INVALID or CREDENTIAL_INVALID, too many tries with Wait.
    """
    faults, asked = Faults(), has_factor(person)
    faults.add("/old_password", None if old else "Your present password is needed.")
    faults.add("/code", None if code.strip() or not asked else "A code is needed.")
    passwords.fault_in(faults, new, person, "/new_password")
    faults.settle()
    check_own_password(actor, person, old, "/old_password")
    password = passwords.hashed(new)
    with _proved(actor, person, code, device, asked=asked):
        Person.objects.filter(id=person.id).update(password=password)
        record(Event.PASSWORD_CHANGED, actor=actor, tenant=None, target=target_of(person))
        only_here(person, session_key)
    give_back(own_password_buckets(person.id))
    person.password = password
    return person


def renew_recovery_codes(
    *, actor: Actor, person: Person, code: str, device: str | None, session_key: str
) -> tuple[str, ...]:
    """Eight new recovery codes, told once; the older ones work no more."""
    needs_code(code)
    codes = new_recovery_codes()
    with _proved(actor, person, code, device) as change:
        set_recovery_codes(person.id, codes)
        record(Event.RECOVERY_CODES_MADE, actor=actor, tenant=None, target=target_of(person))
        only_here(person, session_key)
        change.made = person.id
    return codes


def change_app(
    *, actor: Actor, person: Person, enrolment: Enrolment, new_code: str, code: str,
    device: str | None, session_key: str,
) -> None:  # fmt: skip
    """Put another authenticator app in place of the one that there is.

    `new_code` is the new app's first, `code` the old one's, or a recovery code.
    """
    faults = Faults()
    faults.add("/new_code", fault_of_code(enrolment, new_code))
    faults.add("/code", None if code.strip() else "A code is needed.")
    faults.settle()
    with _proved(actor, person, code, device):
        step = step_of(enrolment.seed, six_digits(new_code) or "")
        if step is None:
            wrong = {"detail": ANOTHER_MINUTE, "pointer": "/new_code"}
            raise Refusal("REQUEST_INVALID", errors=[wrong])
        set_app(person.id, enrolment.seed, step)
        record(Event.SECOND_FACTOR_CHANGED, actor=actor, tenant=None, target=target_of(person))
        only_here(person, session_key)


def needs_code(code: str) -> None:
    """Refuse an empty one: it is no try."""
    if not code.strip():
        faults = Faults()
        faults.add("/code", "A code is needed.")
        faults.settle()


def only_here(person: Person, session_key: str) -> None:
    """Every other session ends, and links that were asked for; this one is proved anew."""
    Session.objects.filter(person_id=person.id).exclude(digest=digest_of(session_key)).delete()
    PasswordReset.objects.filter(person_id=person.id).delete()
    note_proved(person.id, session_key)
