"""What signed-in people change about their own sign-in. Each asks for a code, and ends the others.

Whoever has only a person's browser, or only their password, changes nothing with it.
"""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person, Session
from portal.tenancy.people import target_of
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.factors import (
    Enrolment,
    new_recovery_codes,
    set_app,
    set_recovery_codes,
    six_digits,
    step_of,
)
from portal.tenancy.signing_in.noting import note_failed
from portal.tenancy.signing_in.setting_up import ANOTHER_MINUTE, fault_of_code
from portal.tenancy.signing_in.signing import (
    APP,
    RECOVERY,
    Factor,
    counted,
    lock_unchanged,
    proving,
    use_factor,
)
from portal.tenancy.signing_in.throttling import DEVICE, Bucket, give_back

WRONG_PASSWORD: Final = "That is not your present password."  # noqa: S105 - words


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
    faults = Faults()
    faults.add("/old_password", None if old else "Your present password is needed.")
    faults.add("/code", None if code.strip() else "A code is needed.")
    passwords.fault_in(faults, new, person, "/new_password")
    faults.settle()
    buckets = [Bucket(DEVICE, f"password:own:{person.id}")]
    with counted(actor, person, buckets):
        if len(old) > passwords.LONGEST or not passwords.is_right(old, person):
            note_failed(actor, person, "password")
            wrong = {"detail": WRONG_PASSWORD, "pointer": "/old_password"}
            raise Refusal("CREDENTIAL_INVALID", errors=[wrong])
    password, factor = passwords.hashed(new), factor_of(code)
    with proving(actor, person, factor, device), platform_change("a person's own sign-in"):
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        Person.objects.filter(id=person.id).update(password=password)
        record(Event.PASSWORD_CHANGED, actor=actor, tenant=None, target=target_of(person))
        end_others(person, session_key)
    give_back(buckets)
    person.password = password
    return person


def renew_recovery_codes(
    *, actor: Actor, person: Person, code: str, device: str | None, session_key: str
) -> tuple[str, ...]:
    """Eight new recovery codes, told once; the older ones work no more."""
    needs_code(code)
    codes, factor = new_recovery_codes(), factor_of(code)
    with proving(actor, person, factor, device), platform_change("a person's own codes") as change:
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        set_recovery_codes(person.id, codes)
        record(Event.RECOVERY_CODES_MADE, actor=actor, tenant=None, target=target_of(person))
        end_others(person, session_key)
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
    factor = factor_of(code)
    with proving(actor, person, factor, device), platform_change("a person's own app"):
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)
        step = step_of(enrolment.seed, six_digits(new_code) or "")
        if step is None:
            wrong = {"detail": ANOTHER_MINUTE, "pointer": "/new_code"}
            raise Refusal("REQUEST_INVALID", errors=[wrong])
        set_app(person.id, enrolment.seed, step)
        record(Event.SECOND_FACTOR_CHANGED, actor=actor, tenant=None, target=target_of(person))
        end_others(person, session_key)


def end_other_sessions(*, actor: Actor, person: Person, session_key: str) -> int:
    """End every session of the person but this one; how many there were."""
    with platform_change("sessions are people's"):
        ended = end_others(person, session_key)
        if ended:
            record(
                Event.SESSIONS_ENDED, actor=actor, tenant=None, target=target_of(person),
                payload={"ended": ended},
            )  # fmt: skip
    return ended


def needs_code(code: str) -> None:
    """Refuse an empty one: it is no try."""
    if not code.strip():
        faults = Faults()
        faults.add("/code", "A code is needed.")
        faults.settle()


def end_others(person: Person, session_key: str) -> int:
    """End every session of the person but this one; how many. In a transaction."""
    others = Session.objects.filter(person_id=person.id).exclude(digest=digest_of(session_key))
    return others.delete()[0]
