"""Proving again that it is still the same person, for what is dangerous."""

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person
from portal.tenancy.people import target_of
from portal.tenancy.signing_in.changing import check_own_password, needs_code
from portal.tenancy.signing_in.factors import has_second_factor
from portal.tenancy.signing_in.proof import note_proved
from portal.tenancy.signing_in.signing import (
    Factor,
    lock_unchanged,
    own_password_buckets,
    proving,
    use_factor,
)
from portal.tenancy.signing_in.throttling import give_back


def step_up(
    *, actor: Actor, person: Person, factor: Factor, text: str, device: str | None,
    session_key: str,
) -> None:  # fmt: skip
    """Use up a code of the person's (`text`, of `factor`) as a proof that holds five minutes.

    Refuses with Wait, with CREDENTIAL_INVALID for a wrong code, and with NOT_FOUND when the person
    was disabled or changed their password meanwhile.
    """
    needs_code(text)
    with proving(actor, person, factor, device), platform_change("a person's own session"):
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=text)
        _note(actor, person, factor.words, session_key)


def step_up_by_password(*, actor: Actor, person: Person, text: str, session_key: str) -> None:
    """The same by the password, for whoever has no second factor; others are refused NOT_FOUND."""
    faults = Faults()
    faults.add("/password", None if text else "Your password is needed.")
    faults.settle()
    check_own_password(actor, person, text, "/password")
    with platform_change("a person's own session"):
        lock_unchanged(person)
        if has_second_factor(person.id):
            raise Refusal("NOT_FOUND")
        _note(actor, person, "password", session_key)
    give_back(own_password_buckets(person.id))


def _note(actor: Actor, person: Person, factor: str, session_key: str) -> None:
    note_proved(person.id, session_key)
    record(
        Event.LOGIN_STEPPED_UP, actor=actor, tenant=None, target=target_of(person),
        payload={"factor": factor},
    )  # fmt: skip
