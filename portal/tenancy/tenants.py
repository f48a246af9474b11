"""Tenants come into being, are suspended and resumed."""

import re
from typing import Any, Final

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.outbox import Propagation
from portal.core.refusals import refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Tenant
from portal.tenancy.permission import found, platform_attempt, require, unless_taken
from portal.tenancy.texts import checked, checked_reason

SLUG: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)


def checked_slug(slug: Any) -> str:
    """`slug` if it can be one: 1 to 63 of a-z, 0-9 and single hyphens between them."""
    if not isinstance(slug, str) or not SLUG.fullmatch(slug):
        refuse("1 to 63 of a-z, 0-9 and single hyphens between them are needed.", "/slug")
    return slug


def target_of(tenant: Tenant) -> Target:
    """The tenant as the ledger names it."""
    return Target("tenant", tenant.id, tenant.slug)


def create_tenant(*, actor: Actor, slug: str, name: str) -> Tenant:
    """Make a tenant. Refuses with CONFLICT when the slug is taken."""
    with platform_attempt(actor, "tenants:write", Target("platform", "tenants")):
        require(actor, "tenants:write")
    checked_slug(slug), checked(name, "/name")
    with unless_taken("This slug is taken."), platform_change("a new tenant") as change:
        tenant = Tenant.objects.create(slug=slug, name=name)
        change.made = tenant.id
        record(
            Event.TENANT_CREATED, actor=actor, tenant=tenant.id, target=target_of(tenant),
            after={"slug": slug, "name": name, "status": tenant.status},
        )  # fmt: skip
    return tenant


def suspend_tenant(*, actor: Actor, tenant_id: str, reason: str) -> Propagation:
    """Refuse all of a tenant's keys until it is resumed. Again: the same answer, no new event."""
    return _turn(actor, tenant_id, reason, Tenant.Status.SUSPENDED, Event.TENANT_SUSPENDED)


def resume_tenant(*, actor: Actor, tenant_id: str, reason: str) -> Propagation:
    """End a suspension. Again: the same answer, no new event."""
    return _turn(actor, tenant_id, reason, Tenant.Status.ACTIVE, Event.TENANT_RESUMED)


def _turn(
    actor: Actor, tenant_id: str, reason: str, status: Tenant.Status, event: Event
) -> Propagation:
    with platform_attempt(actor, "tenants:write", Target("tenant", tenant_id)):
        require(actor, "tenants:write")
    checked_reason(reason)
    with platform_change("a tenant's status is the platform's") as change:
        tenant = found(Tenant.objects.all(), tenant_id)
        others = Tenant.objects.filter(id=tenant_id).exclude(status=status)
        if others.update(status=status):
            record(
                event, actor=actor, tenant=tenant.id, target=target_of(tenant), reason=reason,
                before={"status": tenant.status}, after={"status": status.value},
            )  # fmt: skip
        # Also when nothing changed: the first answer may have been `pending`.
        change.bump_epoch(tenant.id)
    return change.propagation
