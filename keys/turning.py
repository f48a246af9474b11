"""A key's states, and how it goes from one to another: the frame of suspend, resume and revoke."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from keys.access import access_key, tenant_of_key
from keys.governed import Changed, publish, target_of, write
from keys.models import ApiKey
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.permission import attempt, require
from portal.tenancy.texts import checked_reason


class Turn(NamedTuple):
    """From `leaves` to `becomes`. Whoever is in `there` already has what was asked for."""

    leaves: Collection[str]
    becomes: ApiKey.State
    there: Collection[str]
    event: Event
    also: Callable[[ApiKey], None] = lambda key: None


def turn(actor: Actor, key_id: str, reason: str, turning: Turn) -> Changed:
    """Turn the key; again: the same answer and no new event. Any other state is CONFLICT."""
    checked_reason(reason)
    tenant_id = tenant_of_key(actor, key_id)
    aim = Target("key", key_id)
    with attempt(actor, tenant_id, "keys:write", aim), tenant_change(tenant_id) as change:
        key = access_key(actor, key_id, tenant_id=tenant_id, lock=True)
        require(actor, "keys:write")
        before = key.state
        if before in turning.leaves:
            write(change, key, state=turning.becomes.value)
            turning.also(key)
            record(
                turning.event, actor=actor, tenant=tenant_id, target=target_of(key),
                reason=reason, before={"state": before}, after={"state": key.state},
                version=key.version,
            )  # fmt: skip
        elif before in turning.there:
            publish(change, key)
        else:
            raise Refusal("CONFLICT", f"The key is {before}.")
    return Changed(key, change.propagation)
