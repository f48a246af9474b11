"""People come into being, are disabled and enabled. What they own follows them."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.outbox import Propagation
from portal.core.refusals import refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Membership, Person
from portal.tenancy.permission import found, require, unless_taken
from portal.tenancy.texts import checked, checked_reason


def target_of(person: Person) -> Target:
    """The person as the ledger names them."""
    return Target("person", person.id, person.name)


def create_person(*, actor: Actor, email: str, name: str, platform_role: str = "") -> Person:
    """Make someone who may sign in, once they have set a password.

    `email` is compared without regard to case. Refuses with CONFLICT when it is taken.
    """
    require(actor, "tenants:write")
    checked(name, "/name"), checked(email, "/email", 254)
    email = email.lower()
    try:
        validate_email(email)
    except ValidationError:
        refuse("A mail address is needed.", "/email")
    if platform_role not in Person.PlatformRole.values:
        refuse("There is no such role.", "/platform_role")
    person = Person(email=email, name=name, platform_role=platform_role)
    person.set_unusable_password()
    with unless_taken("Someone has this address."), platform_change("people are the platform's"):
        person.save(force_insert=True)
        record(
            Event.PERSON_CREATED, actor=actor, tenant=None, target=target_of(person),
            after={"email": email, "name": name, "platform_role": platform_role},
        )  # fmt: skip
    return person


def disable_person(*, actor: Actor, person_id: str, reason: str) -> Propagation:
    """Stop a person in every tenant: their keys are OWNER_DISABLED, their tokens refused.

    Again: the same answer, no new event.
    """
    return _turn(actor, person_id, reason, False, Event.PERSON_DISABLED)


def enable_person(*, actor: Actor, person_id: str, reason: str) -> Propagation:
    """Let a person act again. Again: the same answer, no new event."""
    return _turn(actor, person_id, reason, True, Event.PERSON_ENABLED)


def _turn(actor: Actor, person_id: str, reason: str, active: bool, event: Event) -> Propagation:
    require(actor, "tenants:write")
    checked_reason(reason)
    with platform_change("a person may belong to many tenants") as change:
        person = found(Person.objects.all(), person_id)
        if Person.objects.filter(id=person_id, is_active=not active).update(is_active=active):
            record(
                event, actor=actor, tenant=None, target=target_of(person), reason=reason,
                before={"is_active": not active}, after={"is_active": active},
            )  # fmt: skip
        # After the update: a membership that is added meanwhile sees it. In one order: two verbs
        # that raise the same epochs never wait for each other.
        memberships = Membership.objects.filter(person_id=person_id).order_by("tenant_id")
        for tenant_id in memberships.values_list("tenant_id", flat=True):
            change.bump_epoch(tenant_id)
    return change.propagation
