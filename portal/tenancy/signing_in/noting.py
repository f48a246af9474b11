"""Failed sign-ins in the ledger: each in a transaction of its own, and only so many a minute.

What nobody proved to send must not fill the record. What was typed is never part of it: people type
passwords into the field above.
"""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import network_of
from portal.tenancy.models import Person
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.throttling import Bucket, Rate, seconds_to_wait

BY_NETWORK: Final = Rate(6, 10)
BY_ALL: Final = Rate(0.6, 100)
ONCE: Final = Rate(60, 1)
NOBODY: Final = Target("person", "unknown", "someone unknown")


def note_failed(visitor: Actor, person: Person | None, factor: str) -> None:
    """Record that someone failed at `factor`; `person` is who they said to be, if there is one."""
    _note(Event.LOGIN_FAILED, visitor, person, {"factor": factor}, "CREDENTIAL_INVALID", BY_NETWORK)


def note_throttled(visitor: Actor, person: Person | None) -> None:
    """Record that someone has to wait, once a minute for each network."""
    _note(Event.LOGIN_THROTTLED, visitor, person, None, "TOO_MANY_REQUESTS", ONCE)


def _note(
    event: Event, visitor: Actor, person: Person | None, data: dict[str, str] | None, code: str,
    rate: Rate,
) -> None:  # fmt: skip
    network = Bucket(rate, f"noted:{event}:{network_of(visitor.address)}")
    if seconds_to_wait(network) or seconds_to_wait(Bucket(BY_ALL, "noted")):
        return
    with platform_scope("a failed sign-in belongs to no tenant"):
        record(
            event, actor=visitor, tenant=None, outcome="denied", code=code, payload=data,
            target=target_of(person) if person is not None else NOBODY,
        )  # fmt: skip
