"""In which tenants a person is something, and who they are there."""

from dataclasses import replace
from typing import NamedTuple

from django.db import connection

from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.models import Membership, Tenant
from portal.tenancy.roles import ACTIONS, reading


class Place(NamedTuple):
    """A tenant and what one person is in it, as it stands at this moment."""

    tenant_id: str
    slug: str
    name: str
    status: str
    membership_id: str
    role: str
    issuer: str
    """Of the tenant's provider that is in force; empty without one."""
    enforced: bool
    """Whether nobody comes in but through it."""

    @property
    def suspended(self) -> bool:
        """Whether its people may only look."""
        return self.status == Tenant.Status.SUSPENDED

    @property
    def title(self) -> str:
        """The role in words."""
        return str(Membership.Role(self.role).label)

    @property
    def actions(self) -> frozenset[str]:
        """What the role allows here; in a suspended tenant no more than reading."""
        return reading(ACTIONS[self.role]) if self.suspended else ACTIONS[self.role]


def places_of(person_id: str) -> list[Place]:
    """Every tenant in which the person is an active member, by name. Outside of any scope."""
    return _read(person_id, None)


def place_in(person_id: str, slug: str) -> Place:
    """The person's place in the tenant of this slug.

    NOT_FOUND for a tenant that is not theirs and for one that is not at all. Outside of any scope.
    """
    found = _read(person_id, slug)
    if not found:
        raise Refusal("NOT_FOUND")
    return found[0]


def member(actor: Actor, place: Place) -> Actor:
    """The same person, acting as a member of one tenant and of no other."""
    return replace(
        actor, tenant_id=place.tenant_id, membership_id=place.membership_id, actions=place.actions
    )


def _read(person_id: str, slug: str | None) -> list[Place]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM tenancy_places(%s, %s)", [person_id, slug])
        return [Place(*row) for row in cursor.fetchall()]
