"""Ending sessions: one's own, one by one or all others, and by an admin a person's."""

from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Person, Session
from portal.tenancy.people import target_of
from portal.tenancy.permission import found, platform_attempt, require
from portal.tenancy.sessions import digest_of, idle_limit
from portal.tenancy.texts import checked_reason

WHOSE = "sessions are people's"


def open_sessions(person_id: str) -> QuerySet[Session]:
    """A person's sessions that have not ended, the latest used first. Inside a scope."""
    rows = Session.objects.filter(person_id=person_id, expires_at__gt=Now())
    return rows.filter(last_seen_at__gt=Now() - idle_limit()).order_by("-last_seen_at", "ref")


def end_session(*, actor: Actor, person: Person, ref: UUID) -> Session:
    """End one session of the person's own, and say which it was.

    Refuses with NOT_FOUND one that has ended already, and anybody else's.
    """
    with platform_change(WHOSE):
        session = open_sessions(person.id).filter(ref=ref).first()
        if session is None or not Session.objects.filter(digest=session.digest).delete()[0]:
            raise Refusal("NOT_FOUND")
        record(
            Event.SESSION_ENDED, actor=actor, tenant=None, target=target_of(person),
            payload={"browser": session.browser or "another browser"},
        )  # fmt: skip
    return session


def end_other_sessions(*, actor: Actor, person: Person, session_key: str) -> int:
    """End every session of the person but this one; how many there were."""
    with platform_change(WHOSE):
        others = open_sessions(person.id).exclude(digest=digest_of(session_key))
        ended: int = others.delete()[0]
        if ended:
            record(
                Event.SESSIONS_ENDED, actor=actor, tenant=None, target=target_of(person),
                payload={"ended": ended},
            )  # fmt: skip
    return ended


def sign_person_out(*, actor: Actor, person_id: str, reason: str) -> int:
    """End every session of a person; how many there were. Again: no new event.

    They sign in again with what they have: who must not is disabled.
    """
    with platform_attempt(actor, "tenants:write", Target("person", person_id)):
        require(actor, "tenants:write")
    checked_reason(reason)
    with platform_change(WHOSE):
        person = found(Person.objects.select_for_update(no_key=True), person_id)
        ended: int = open_sessions(person.id).delete()[0]
        if ended:
            record(
                Event.PERSON_SIGNED_OUT, actor=actor, tenant=None, target=target_of(person),
                reason=reason, payload={"ended": ended},
            )  # fmt: skip
    return ended
