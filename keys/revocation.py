"""Revoke a key, for ever."""

from typing import Final

from django.db.models.functions import Now

from audit.ledger.events import Event
from keys.governed import Changed
from keys.models import ApiKey, Secret
from keys.turning import Turn, turn
from portal.tenancy.actors import Actor

State = ApiKey.State


def _end_secrets(key: ApiKey) -> None:
    Secret.objects.filter(key=key, revoked_at=None).update(revoked_at=Now())


REVOKE: Final = Turn(
    leaves={State.ACTIVE, State.SUSPENDED, State.PENDING},
    becomes=State.REVOKED,
    there={State.REVOKED, State.LEAKED},
    event=Event.KEY_REVOKED,
    also=_end_secrets,
)
"""A leaked key is refused for good already, and goes on saying why."""


def revoke_key(*, actor: Actor, key_id: str, reason: str) -> Changed:
    """End a key and its secrets; nothing brings it back. `reason`: 1 to 512 characters."""
    return turn(actor, key_id, reason, REVOKE)
