"""Change a limit that a tenant's keys share, for all of them."""

from dataclasses import dataclass

from django.db.models import F

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from keys.access import access_limit, tenant_of_limit
from keys.definitions import LimitPatch, check_exact
from keys.models import Limit
from portal.core.outbox import Propagation
from portal.core.refusals import Faults, Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.permission import attempt, require


@dataclass(frozen=True)
class ChangedLimit:
    """A limit as it stands after a change, and whether the change holds everywhere already."""

    limit: Limit
    propagation: Propagation


def change_shared_limit(
    *, actor: Actor, limit_id: str, expected_version: int | None = None, patch: LimitPatch
) -> ChangedLimit:
    """Give a shared limit another amount or burst; what was counted stays counted.

    A burst that equals the amount follows it, unless the patch names one. A key's own limit is
    CONFLICT: it is changed with its key.
    """
    tenant_id = tenant_of_limit(actor, limit_id)
    aim = Target("limit", limit_id)
    with attempt(actor, tenant_id, "limits:write", aim), tenant_change(tenant_id) as change:
        limit = access_limit(actor, limit_id, tenant_id=tenant_id, lock=True)
        require(actor, "limits:write")
        if expected_version not in (None, limit.version):
            raise Refusal("PRECONDITION_FAILED")
        if limit.key_id is not None:
            raise Refusal("CONFLICT", "This limit is one key's own: change it with the key.")
        before, after = _columns(limit), patched(limit, patch)
        if after != before:
            rows = Limit.objects.filter(id=limit.id, tenant_id=tenant_id, version=limit.version)
            if not rows.update(version=F("version") + 1, **after):
                raise Refusal("CONFLICT", "The limit was changed at the same time.")
            limit.amount, limit.burst = after["amount"] or 0, after["burst"]
            limit.version += 1
            record(
                Event.LIMIT_CHANGED, actor=actor, tenant=tenant_id,
                target=Target("limit", limit.id, limit.name),
                before=before, after=after, version=limit.version,
            )  # fmt: skip
        change.bump_epoch(tenant_id)
    return ChangedLimit(limit, change.propagation)


def _columns(limit: Limit) -> dict[str, int | None]:
    return {"amount": limit.amount, "burst": limit.burst}


def patched(limit: Limit, patch: LimitPatch) -> dict[str, int | None]:
    """What the limit's amount and burst would be; raises Refusal for what it can't be."""
    amount = limit.amount if patch.amount is None else patch.amount
    burst = amount if limit.burst == limit.amount else limit.burst
    if patch.burst is not None:
        if limit.algorithm != Limit.Algorithm.SMOOTH:
            refuse("Only a smooth limit has a burst.", "/burst")
        burst = patch.burst
    if limit.algorithm != Limit.Algorithm.SMOOTH:
        burst = None
    faults = Faults()
    check_exact(faults, limit.window, limit.algorithm, amount, burst, "")
    faults.settle()
    return {"amount": amount, "burst": burst}
