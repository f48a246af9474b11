"""A key's governed row: what the ledger compares of it, and the one way to write it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F

from audit.ledger.target import Target
from keys.models import ApiKey, KeyLimit, Limit
from portal.core.outbox import Propagation
from portal.core.refusals import Refusal
from portal.core.versions import of_key
from portal.tenancy.change import Change


@dataclass(frozen=True)
class Changed:
    """A key as it stands after a change, and whether the change holds everywhere already."""

    key: ApiKey
    propagation: Propagation


def target_of(key: ApiKey) -> Target:
    """The key as the ledger names it."""
    return Target("key", key.id, key.name)


def limit_shape(limit: Limit) -> dict[str, Any]:
    """A limit as it was asked for (CONTRACT.md, Limit)."""
    shape: dict[str, Any] = {
        "name": limit.name, "unit": limit.unit, "amount": limit.amount, "window": limit.window,
        "algorithm": limit.algorithm, "shared_by": "key" if limit.key_id else "tenant",
    }  # fmt: skip
    if limit.burst is not None:
        shape["burst"] = limit.burst
    return shape


def governed(key: ApiKey) -> dict[str, Any]:
    """Everything about a key that a verb may change."""
    joined = KeyLimit.objects.filter(key=key).select_related("limit").order_by("position")
    return {
        "name": key.name, "owner": key.owner_id, "environment": key.environment,
        "state": key.state, "scopes": key.scopes,
        "limits": [limit_shape(link.limit) for link in joined],
        "allowed_cidrs": key.allowed_cidrs, "allowed_models": key.allowed_models,
        "purposes": key.purposes, "metadata": key.metadata, "expires_at": key.expires_at,
    }  # fmt: skip


def write(change: Change, key: ApiKey, **columns: Any) -> None:
    """Write columns of the version of `key` that was read, raise its version, have it published.

    Refuses with CONFLICT when someone was first.
    """
    rows = ApiKey.objects.filter(tenant_id=key.tenant_id, id=key.id, version=key.version)
    if not rows.update(version=F("version") + 1, **columns):
        raise Refusal("CONFLICT", "The key was changed at the same time.")
    for column, value in columns.items():
        setattr(key, column, value)
    key.version += 1
    publish(change, key)


def publish(change: Change, key: ApiKey) -> None:
    """Have the present version published: a repeat may follow an answer that was `pending`."""
    change.bump(of_key(key.id), key.version)
