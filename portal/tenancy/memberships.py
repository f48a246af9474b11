"""People join tenants, change roles and leave."""

from typing import Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.outbox import Propagation
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import Change, platform_change, tenant_change
from portal.tenancy.models import Membership, Person, Tenant
from portal.tenancy.permission import (
    attempt,
    found,
    platform_attempt,
    require,
    require_within,
    unless_taken,
)
from portal.tenancy.roles import ACTIONS
from portal.tenancy.texts import checked_reason

ACTION: Final = "members:write"
"""What it takes to change who is what in a tenant."""
LAST_OWNER: Final = "A tenant keeps at least one active owner."


def target_of(membership: Membership) -> Target:
    """The membership as the ledger names it."""
    return Target("membership", membership.id, str(membership))


def add_member(*, actor: Actor, tenant_id: str, person_id: str, role: str) -> Membership:
    """Make a person a member of a tenant. Refuses with CONFLICT when they are one already."""
    with platform_attempt(actor, "tenants:write", Target("tenant", tenant_id)):
        require(actor, "tenants:write")
    checked_role(role)
    with (
        unless_taken("This person is a member already."),
        platform_change("a person is seen by a tenant only once they are its member") as change,
    ):
        person, tenant = (
            found(Person.objects.all(), person_id),
            found(Tenant.objects.all(), tenant_id),
        )
        membership = Membership.objects.create(tenant=tenant, person=person, role=role)
        change.made = membership.id
        record(
            Event.MEMBERSHIP_CREATED, actor=actor, tenant=tenant_id, target=target_of(membership),
            after={"person": person.id, "role": role},
        )  # fmt: skip
    return membership


def change_role(
    *, actor: Actor, tenant_id: str, membership_id: str, role: str, expected_role: str | None = None
) -> Membership:
    """Give a member another role; their management tokens follow it at once.

    `expected_role` is the one that was read; another now standing is PRECONDITION_FAILED. Refuses
    with CONFLICT to take the role of the last active owner.
    """
    require_members(actor, tenant_id)
    checked_role(role)
    require_members(actor, tenant_id, role)
    with tenant_change(tenant_id) as change:
        membership = _locked(change, tenant_id, membership_id)
        before = {"role": membership.role}
        if expected_role not in (None, membership.role):
            raise Refusal("PRECONDITION_FAILED")
        if role != Membership.Role.OWNER:
            _refuse_last_owner(membership)
        if membership.role != role:
            membership.role = role
            membership.save(update_fields=["role"])
            record(
                Event.MEMBERSHIP_CHANGED, actor=actor, tenant=tenant_id,
                target=target_of(membership), before=before, after={"role": role},
            )  # fmt: skip
    return membership


def disable_membership(
    *, actor: Actor, tenant_id: str, membership_id: str, reason: str
) -> Propagation:
    """End what a person may do in a tenant: keys that they own are OWNER_DISABLED.

    Refuses with CONFLICT for the last active owner. Again: the same answer, no new event.
    """
    require_members(actor, tenant_id)
    checked_reason(reason)
    with tenant_change(tenant_id) as change:
        membership = _locked(change, tenant_id, membership_id)
        _refuse_last_owner(membership)
        _turn(actor, membership, False, reason)
    return change.propagation


def enable_membership(
    *, actor: Actor, tenant_id: str, membership_id: str, reason: str
) -> Propagation:
    """Let a former member act again, in the role that they had. Again: no new event."""
    require_members(actor, tenant_id)
    checked_reason(reason)
    with tenant_change(tenant_id) as change:
        membership = _locked(change, tenant_id, membership_id)
        if not may_give(actor, membership.role):
            raise Refusal("FORBIDDEN")
        _turn(actor, membership, True, reason)
    return change.propagation


def may_give(actor: Actor, role: str) -> bool:
    """Whether `role` is no more than the actor has: a tenant's own people never give more."""
    return actor.tenant_id is None or ACTIONS[role] <= actor.actions


def require_members(actor: Actor, tenant_id: str, role: str = "") -> None:
    """Refuse, recorded, who may not change the tenant's members, or not give this `role`."""
    require_within(actor, tenant_id)
    with attempt(actor, tenant_id, ACTION, Target("tenant", tenant_id)):
        require(actor, ACTION)
        if role and not may_give(actor, role):
            raise Refusal("FORBIDDEN")


def checked_role(role: str) -> None:
    """Refuse what is no role of a tenant."""
    if role not in Membership.Role.values:
        refuse(f"One of {', '.join(Membership.Role.values)} is needed.", "/role")


def _locked(change: Change, tenant_id: str, membership_id: str) -> Membership:
    """The membership; the tenant's row is locked by its epoch, so that owners are counted right."""
    known = Membership.objects.filter(tenant_id=tenant_id).select_related("person")
    found(known, membership_id)
    change.bump_epoch(tenant_id)
    return known.get(id=membership_id)


def _refuse_last_owner(membership: Membership) -> None:
    if membership.role != Membership.Role.OWNER or not membership.is_active:
        return
    # Someone who is disabled everywhere keeps nothing going.
    others = Membership.objects.filter(
        tenant_id=membership.tenant_id, role=Membership.Role.OWNER, is_active=True,
        person__is_active=True,
    ).exclude(id=membership.id)  # fmt: skip
    if not others.exists():
        raise Refusal("CONFLICT", LAST_OWNER)


def _turn(actor: Actor, membership: Membership, active: bool, reason: str) -> None:
    if membership.is_active == active:
        return
    membership.is_active = active
    membership.save(update_fields=["is_active"])
    record(
        Event.MEMBERSHIP_ENABLED if active else Event.MEMBERSHIP_DISABLED, actor=actor,
        tenant=membership.tenant_id, target=target_of(membership), reason=reason,
        before={"is_active": not active}, after={"is_active": active},
    )  # fmt: skip
