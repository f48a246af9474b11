"""Refused attempts, recorded in a transaction of their own: the change's was undone."""

from dataclasses import replace
from typing import Any, Final

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.values import IDENTIFIER, without_secrets
from audit.ledger.who import Who

LONGEST: Final = 4_000  # characters of a text that are looked at; fewer are kept


def record_refusal(
    *,
    actor: Who,
    tenant: str | None,
    target: Target,
    action: str,
    code: str,
    reason: str | None = None,
) -> Entry:
    """Record that `actor` was refused `action` (`keys:write`) on `target`, for `code`.

    Call it inside a scope opened for it. What the caller sent can't prevent the entry: credentials
    in it are redacted, and a target whose id is none of ours is named in the payload.
    """
    return _refusal(Event.ACCESS_REFUSED, actor, tenant, target, code, {"action": action}, reason)


def record_refused_credential(
    *, actor: Who, tenant: str | None, target: Target, credential: str, kid: str | None, code: str
) -> Entry:
    """Record a failed authentication at `target`: a `credential` such as `management token`.

    Only what names a tenant or gateway belongs here: random guesses are counted, not recorded.
    """
    data = {"credential": credential, "kid": kid}
    return _refusal(Event.CREDENTIAL_REFUSED, actor, tenant, target, code, data, None)


def _refusal(
    event: Event, actor: Who, tenant: str | None, target: Target, code: str,
    data: dict[str, Any], reason: str | None,
) -> Entry:  # fmt: skip
    actor = replace(actor, label=_shown(actor.label), address=_shown(actor.address or "") or None)
    return record(
        event, actor=actor, tenant=tenant, target=_nameable(target), outcome="denied", code=code,
        reason=_shown(reason or ""),
        payload={name: value and _shown(value) for name, value in data.items()},
    )  # fmt: skip


def _nameable(target: Target) -> Target:
    if IDENTIFIER.fullmatch(target.id) and _shown(target.id) == target.id:
        return replace(target, label=_shown(target.label))
    return Target(target.type, "unknown", _shown(target.label or target.id))


def _shown(text: str) -> str:
    return without_secrets(text[:LONGEST])
