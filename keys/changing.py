"""Change what a key allows."""

from collections.abc import Mapping
from typing import Any, Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from keys.access import access_key, tenant_of_key
from keys.definitions import KeyPatch
from keys.entitlement import owner_for, require_networks, require_scopes
from keys.fields import fault_of_size
from keys.governed import Changed, governed, publish, target_of, write
from keys.limiting import put_under
from keys.models import ApiKey
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.permission import attempt, require

FINAL: Final = frozenset({ApiKey.State.REVOKED, ApiKey.State.LEAKED})


def change_key(
    *, actor: Actor, key_id: str, expected_version: int | None = None, patch: KeyPatch
) -> Changed:
    """Change the members that `patch` names; a patch that changes nothing leaves the version.

    `expected_version` is the one that was read; another now standing is PRECONDITION_FAILED. A
    revoked or leaked key is CONFLICT. The rest is refused as when issuing; scopes of high risk
    that the key has already stay.
    """
    tenant_id = tenant_of_key(actor, key_id)
    aim = Target("key", key_id)
    with attempt(actor, tenant_id, "keys:write", aim), tenant_change(tenant_id) as change:
        key = access_key(actor, key_id, tenant_id=tenant_id, lock=True)
        require(actor, "keys:write")
        if expected_version not in (None, key.version):
            raise Refusal("PRECONDITION_FAILED")
        if key.state in FINAL:
            raise Refusal("CONFLICT", f"A {key.state} key stays as it is.")
        before = governed(key)
        columns = _columns(key, patch.members)
        if "limits" in patch.members:
            put_under(key, patch.members["limits"])
        for column, value in columns.items():
            setattr(key, column, value)
        after = governed(key)
        if after == before:
            publish(change, key)
        else:
            write(change, key, **columns)
            record(
                Event.KEY_CHANGED, actor=actor, tenant=tenant_id, target=target_of(key),
                before=before, after=after, version=key.version,
            )  # fmt: skip
    return Changed(key, change.propagation)


def _columns(key: ApiKey, members: Mapping[str, Any]) -> dict[str, Any]:
    """The patch as columns, each allowed."""
    columns = {name: _plain(value) for name, value in members.items() if name != "limits"}
    if "owner" in columns:
        columns["owner_id"] = owner_for(key.tenant_id, columns.pop("owner")).id
    if "scopes" in columns:
        require_scopes(key.api_id, columns["scopes"], held=key.scopes)
    if "allowed_cidrs" in columns:
        require_networks(key.environment, columns["allowed_cidrs"])
    if "metadata" in columns:
        columns["metadata"] = _merged(key.metadata, columns["metadata"])
    return columns


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _merged(held: dict[str, str], patch: dict[str, str | None] | None) -> dict[str, Any]:
    """RFC 7396, section 2, one level deep."""
    if patch is None:
        return {}
    merged = {k: v for k, v in {**held, **patch}.items() if v is not None}
    if fault := fault_of_size(merged):
        refuse(fault, "/metadata")
    return merged
