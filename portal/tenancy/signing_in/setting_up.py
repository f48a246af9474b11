"""Setting up a sign-in by a link: the first administrator's, and an invited person's.

Everything that is wrong is told at once and changes nothing; of two sendings at once one wins.
"""

from dataclasses import dataclass, field, replace

from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor, system
from portal.tenancy.change import platform_change
from portal.tenancy.models import Invitation, Person, Session
from portal.tenancy.people import create_person, target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.factors import (
    Enrolment,
    set_app,
    set_recovery_codes,
    six_digits,
    step_of,
)
from portal.tenancy.signing_in.inviting import lock_first, open_invitation
from portal.tenancy.signing_in.signing import APP, NO_SUCH_CODE, note_signed_in
from portal.tenancy.texts import fault_of_email, fault_of_text

ANOTHER_MINUTE = (
    "That code was for another minute. Check your phone’s clock and enter the next one."
)
UNSTORED = "Store the codes first: they are the way in when your phone is lost."


@dataclass(frozen=True)
class Chosen:
    """What the set-up page asks of everybody."""

    password: str = field(repr=False)
    code: str
    stored: bool
    enrolment: Enrolment


def fault_of_code(enrolment: Enrolment, code: str) -> str | None:
    """What is wrong with the first code of an app; None if nothing is."""
    digits = six_digits(code)
    if digits is None:
        return NO_SUCH_CODE
    return None if step_of(enrolment.seed, digits) is not None else ANOTHER_MINUTE


def check_chosen(faults: Faults, person: Person, chosen: Chosen) -> None:
    """Raise everything that is wrong with what was chosen, with the faults that are known."""
    passwords.fault_in(faults, chosen.password, person)
    faults.add("/code", fault_of_code(chosen.enrolment, chosen.code))
    faults.add("/stored", None if chosen.stored else UNSTORED)
    faults.settle()


def set_up_first_administrator(
    *, visitor: Actor, token: str, email: str, name: str, chosen: Chosen
) -> Person:
    """Make the first administrator, by the link that the start or the operator printed.

    Refuses with NOT_FOUND a link that is used, ended or not one, also when there is an
    administrator by now; with REQUEST_INVALID whatever is wrong; with CONFLICT a taken address.
    """
    faults = Faults()
    faults.add("/email", fault_of_email(email))
    faults.add("/name", fault_of_text(name, 128))
    check_chosen(faults, Person(email=email.lower(), name=name), chosen)
    password = passwords.hashed(chosen.password)
    with platform_change("nobody is anyone yet"):
        lock_first()
        invitation = _opened(token)
        if invitation.person_id is not None:
            raise Refusal("NOT_FOUND")
        printed = replace(
            system("set-up link"), request_id=visitor.request_id, address=visitor.address
        )
        role = Person.PlatformRole.SECURITY_ADMIN
        person = create_person(actor=printed, email=email, name=name, platform_role=role)
        _finish(visitor, invitation, person, password, chosen)
    return person


def accept_invitation(*, visitor: Actor, token: str, chosen: Chosen) -> Person:
    """Choose password and second factor, by the link of an invitation; other sessions end.

    Refuses as `set_up_first_administrator`.
    """
    with platform_scope("the invited person is known by the link"):
        opened = open_invitation(token)
    if opened is None or opened.person is None:
        raise Refusal("NOT_FOUND")
    person = opened.person
    check_chosen(Faults(), person, chosen)
    password = passwords.hashed(chosen.password)
    with platform_change("people are the platform's"):
        # The person first, as whoever invites: two that wait for each other would be ended.
        person = Person.objects.select_for_update().get(id=person.id)
        invitation = _opened(token)
        _finish(visitor, invitation, person, password, chosen)
    return person


def _opened(token: str) -> Invitation:
    invitation = open_invitation(token, lock=True)
    if invitation is None:
        raise Refusal("NOT_FOUND")
    return invitation


def _finish(
    visitor: Actor, invitation: Invitation, person: Person, password: str, chosen: Chosen
) -> None:
    Invitation.objects.filter(id=invitation.id).update(used_at=Now())
    set_up(visitor, person, password, chosen)


def set_up(visitor: Actor, person: Person, password: str, chosen: Chosen) -> Actor:
    """Give a person what was chosen, which signs them in; who acts from here on.

    In the transaction of what allows it.
    """
    person.password = password
    person.save(update_fields=["password"])
    digits = six_digits(chosen.code)
    step = step_of(chosen.enrolment.seed, digits) if digits is not None else None
    if step is None:  # the minute ended meanwhile
        faults = Faults()
        faults.add("/code", ANOTHER_MINUTE)
        faults.settle()
    assert step is not None
    set_app(person.id, chosen.enrolment.seed, step)
    set_recovery_codes(person.id, chosen.enrolment.codes)
    Session.objects.filter(person_id=person.id).delete()
    actor = replace(visitor, id=person.id, label=person.name, auth=("pwd", APP.amr))
    record(Event.PERSON_SET_UP, actor=actor, tenant=None, target=target_of(person))
    note_signed_in(actor, person, APP)
    return actor
