"""Whether a tenant asks a second factor of its members."""

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.models import Tenant
from portal.tenancy.permission import attempt, found, require, require_within
from portal.tenancy.tenants import target_of
from portal.tenancy.texts import checked_reason


def require_factor(*, actor: Actor, tenant_id: str, reason: str) -> None:
    """Open the tenant's pages only to members who proved a second factor: on the next request.

    An owner may do this too. Again: no new event.
    """
    require_within(actor, tenant_id)
    action = "policy:write" if actor.tenant_id else "tenants:write"
    with attempt(actor, tenant_id, action, Target("tenant", tenant_id)):
        require(actor, action)
    _turn(actor, tenant_id, reason, True, Event.TENANT_FACTOR_REQUIRED)


def waive_factor(*, actor: Actor, tenant_id: str, reason: str) -> None:
    """Let members in with a password alone, if nothing else asks a second factor of them.

    The platform's to do: an owner may only ask for more. Again: no new event.
    """
    require_within(actor, tenant_id)
    with attempt(actor, tenant_id, "tenants:write", Target("tenant", tenant_id)):
        require(actor, "tenants:write")
    _turn(actor, tenant_id, reason, False, Event.TENANT_FACTOR_WAIVED)


def _turn(actor: Actor, tenant_id: str, reason: str, required: bool, event: Event) -> None:
    checked_reason(reason)
    with tenant_change(tenant_id):
        tenant = found(Tenant.objects.all(), tenant_id)
        others = Tenant.objects.filter(id=tenant_id).exclude(mfa_required=required)
        if others.update(mfa_required=required):
            record(
                event, actor=actor, tenant=tenant_id, target=target_of(tenant), reason=reason,
                before={"mfa_required": not required}, after={"mfa_required": required},
            )  # fmt: skip
