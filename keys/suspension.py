"""Suspend a key, and resume it."""

from typing import Final

from audit.ledger.events import Event
from keys.governed import Changed
from keys.models import ApiKey
from keys.turning import Turn, turn
from portal.tenancy.actors import Actor

State = ApiKey.State
SUSPEND: Final = Turn({State.ACTIVE}, State.SUSPENDED, {State.SUSPENDED}, Event.KEY_SUSPENDED)
RESUME: Final = Turn({State.SUSPENDED}, State.ACTIVE, {State.ACTIVE}, Event.KEY_RESUMED)


def suspend_key(*, actor: Actor, key_id: str, reason: str) -> Changed:
    """Refuse an active key until it is resumed. `reason`: 1 to 512 characters."""
    return turn(actor, key_id, reason, SUSPEND)


def resume_key(*, actor: Actor, key_id: str, reason: str) -> Changed:
    """Let a suspended key work again; a revoked or leaked one never does. `reason`: 1 to 512."""
    return turn(actor, key_id, reason, RESUME)
