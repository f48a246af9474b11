"""People come into being, are disabled and enabled. What they own follows them."""

from typing import Final

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.outbox import Propagation
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.models import Invitation, Membership, Person, Session
from portal.tenancy.permission import found, platform_attempt, require, unless_taken
from portal.tenancy.texts import checked, checked_reason, fault_of_email

PEOPLE: Final = "people are the platform's"
LAST_ADMIN: Final = "The platform keeps at least one active security admin who can sign in."


def target_of(person: Person) -> Target:
    """The person as the ledger names them."""
    return Target("person", person.id, person.name)


def create_person(*, actor: Actor, email: str, name: str, platform_role: str = "") -> Person:
    """Make someone who may sign in, once they have set a password.

    `email` is compared without regard to case. Refuses with CONFLICT when it is taken.
    """
    with platform_attempt(actor, "tenants:write", Target("platform", "people")):
        require(actor, "tenants:write")
    checked(name, "/name")
    if fault := fault_of_email(email):
        refuse(fault, "/email")
    email = email.lower()
    if platform_role not in Person.PlatformRole.values:
        refuse("There is no such role.", "/platform_role")
    person = Person(email=email, name=name, platform_role=platform_role)
    person.set_unusable_password()
    with unless_taken("Someone has this address."), platform_change(PEOPLE) as change:
        person.save(force_insert=True)
        change.made = person.id
        record(
            Event.PERSON_CREATED, actor=actor, tenant=None, target=target_of(person),
            after={"email": email, "name": name, "platform_role": platform_role},
        )  # fmt: skip
    return person


def disable_person(*, actor: Actor, person_id: str, reason: str) -> Propagation:
    """Stop a person in every tenant: their keys are OWNER_DISABLED, their tokens refused.

    Their sessions and open invitations end. Refuses with CONFLICT for the last active security
    admin; the last owner of a tenant is none too many to stop. Again: no new event.
    """
    return _turn(actor, person_id, reason, False, Event.PERSON_DISABLED)


def enable_person(*, actor: Actor, person_id: str, reason: str) -> Propagation:
    """Let a person act again. Again: the same answer, no new event."""
    return _turn(actor, person_id, reason, True, Event.PERSON_ENABLED)


def change_platform_role(
    *, actor: Actor, person_id: str, role: str, reason: str, expected_role: str | None = None
) -> Person:
    """Give a person another role on the platform, or with "" none. It holds from the next request.

    `expected_role` is the one that was read; another now standing is PRECONDITION_FAILED. Refuses
    with CONFLICT to take the role of the last active security admin.
    """
    with platform_attempt(actor, "tenants:write", Target("person", person_id)):
        require(actor, "tenants:write")
    if role not in Person.PlatformRole.values:
        refuse("There is no such role.", "/role")
    checked_reason(reason)
    with platform_change(PEOPLE):
        person = _locked(person_id)
        before = person.platform_role
        if expected_role not in (None, before):
            raise Refusal("PRECONDITION_FAILED")
        if role != before:
            if role != Person.PlatformRole.SECURITY_ADMIN:
                _refuse_last_admin(person)
            person.platform_role = role
            person.save(update_fields=["platform_role"])
            record(
                Event.PERSON_ROLE_CHANGED, actor=actor, tenant=None, target=target_of(person),
                reason=reason, before={"platform_role": before}, after={"platform_role": role},
            )  # fmt: skip
    return person


def _locked(person_id: str) -> Person:
    """The person; with them every security admin's row, so that they are counted right."""
    admins = Person.objects.filter(platform_role=Person.PlatformRole.SECURITY_ADMIN)
    list(admins.select_for_update(no_key=True).order_by("id").values_list("id"))
    return found(Person.objects.select_for_update(no_key=True), person_id)


def _refuse_last_admin(person: Person) -> None:
    role = Person.PlatformRole.SECURITY_ADMIN
    if person.platform_role != role or not person.is_active:
        return
    others = Person.objects.filter(platform_role=role, is_active=True).exclude(id=person.id)
    if person.has_usable_password():  # who never chose one may never come, and is no successor
        others = others.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    if not others.exists():
        raise Refusal("CONFLICT", LAST_ADMIN)


def _turn(actor: Actor, person_id: str, reason: str, active: bool, event: Event) -> Propagation:
    with platform_attempt(actor, "tenants:write", Target("person", person_id)):
        require(actor, "tenants:write")
    checked_reason(reason)
    with platform_change("a person may belong to many tenants") as change:
        person = _locked(person_id)
        if not active:
            _refuse_last_admin(person)
            Session.objects.filter(person=person).delete()
            Invitation.objects.filter(person=person, used_at=None).delete()
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
