"""Accepting a tenant's invitation: by who has a sign-in, signed in; by who has none, making one.

The address decides who may: a link that is passed on is worth nothing to whoever signs in as
somebody else. An invitation is worth no more than who made it may give at this moment.
"""

from dataclasses import replace
from typing import Final

from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor, system
from portal.tenancy.change import platform_change
from portal.tenancy.invitations import digest_of, target_of
from portal.tenancy.memberships import ACTION
from portal.tenancy.memberships import target_of as membership_target
from portal.tenancy.models import Invitation, Membership, Person, Tenant, TenantInvitation
from portal.tenancy.people import create_person
from portal.tenancy.permission import unless_taken
from portal.tenancy.roles import ACTIONS
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.backend import person_by
from portal.tenancy.signing_in.inviting import SHAPE
from portal.tenancy.signing_in.setting_up import Chosen, check_chosen, set_up
from portal.tenancy.texts import fault_of_text

WHY: Final = "who is invited is nothing in the tenant yet"
TAKEN: Final = "You are a member there already."
SHOWN: Final = 20
"""Invitations that one person is shown."""


def opened(token: str, *, lock: bool = False) -> TenantInvitation | None:
    """The invitation behind a token, if it can still be accepted. Inside the platform's scope.

    None alike for what is mistyped, unknown, used, withdrawn, ended, and beyond who made it.
    """
    if not SHAPE.fullmatch(token):
        return None
    return _open(TenantInvitation.objects.filter(digest=digest_of(token)), lock=lock)


def offers_to(person: Person) -> list[TenantInvitation]:
    """What a person may accept, the newest first. Outside of any scope."""
    with platform_scope(WHY):
        rows = TenantInvitation.objects.filter(email=person.email, expires_at__gt=Now())
        rows = rows.select_related("tenant", "inviter__person").order_by("-sent_at", "id")
        return [each for each in rows[:SHOWN] if _is_answered_for(each)]


def offer_to(person: Person, id: str) -> TenantInvitation:
    """One of these; NOT_FOUND alike for somebody else's and for none. Outside of any scope."""
    with platform_scope(WHY):
        rows = TenantInvitation.objects.filter(email=person.email)
        return _found(_open(rows.filter(id=id)))


def _open(rows: QuerySet[TenantInvitation], *, lock: bool = False) -> TenantInvitation | None:
    rows = rows.filter(expires_at__gt=Now())
    if lock:
        # Roles change under this lock (Change.bump_epoch): whoever invites is who they are.
        theirs = Tenant.objects.filter(id__in=rows.values("tenant_id"))
        list(theirs.select_for_update(no_key=True).values_list("id"))
        rows = rows.select_for_update(of=("self",))
    found = rows.select_related("tenant", "inviter__person").first()
    return found if found is not None and _is_answered_for(found) else None


def _found(invitation: TenantInvitation | None) -> TenantInvitation:
    if invitation is None:
        raise Refusal("NOT_FOUND")
    return invitation


def _is_answered_for(invitation: TenantInvitation) -> bool:
    inviter = invitation.inviter
    if invitation.tenant.status != Tenant.Status.ACTIVE:
        return False
    if inviter is None:
        return True
    may = ACTIONS[inviter.role]
    active = inviter.is_active and inviter.person.is_active
    return active and ACTION in may and ACTIONS[invitation.role] <= may


def invited(email: str) -> Person:
    """Who has the address; somebody who is not stored, where nobody has it."""
    person = person_by(email=email)
    if person is None:
        person = Person(email=email, name="")
        person.set_unusable_password()
    return person


def is_new(person: Person) -> bool:
    """Whether they have no sign-in, so that the link makes one.

    Never for who signed in before by other means, nor for the platform's people: a tenant's word
    is no way into what they have.
    """
    waits = not person.has_usable_password() and person.last_sign_in_at is None
    return waits and person.is_active and not person.platform_role


def join(*, actor: Actor, person: Person, invitation_id: str) -> Membership:
    """Accept an invitation as the person that is signed in.

    Refuses with NOT_FOUND alike what is no open invitation and what is somebody else's; with
    CONFLICT who is a member already.
    """
    with unless_taken(TAKEN), platform_change(WHY) as change:
        now = Person.objects.select_for_update().filter(id=person.id, is_active=True).first()
        if now is None:
            raise Refusal("NOT_FOUND")
        rows = TenantInvitation.objects.filter(id=invitation_id, email=now.email)
        membership = _joined(actor, _found(_open(rows, lock=True)), now)
        change.made = membership.id
    return membership


def join_anew(*, visitor: Actor, token: str, name: str, chosen: Chosen) -> Person:
    """Accept an invitation by making a sign-in: password and second factor; who may is signed in.

    Refuses as `accept_invitation`, and with NOT_FOUND who got a sign-in meanwhile.
    """
    with platform_scope(WHY):
        person = invited(_found(opened(token)).email)
    faults = Faults()
    person.name = person.name or name
    faults.add("/name", fault_of_text(person.name, 128))
    check_chosen(faults, person, chosen)
    password = passwords.hashed(chosen.password)
    with unless_taken(TAKEN), platform_change(WHY):
        invitation = _found(opened(token, lock=True))
        person = _new_person(visitor, invitation, name)
        actor = set_up(visitor, person, password, chosen)
        # A set-up link of the platform's would choose everything anew.
        Invitation.objects.filter(person=person, used_at=None).delete()
        _joined(actor, invitation, person)
    return person


def _new_person(visitor: Actor, invitation: TenantInvitation, name: str) -> Person:
    rows = Person.objects.select_for_update().filter(email=invitation.email)
    person = rows.first()
    if person is None:
        by = system("invitation")
        by = replace(by, request_id=visitor.request_id, address=visitor.address)
        return create_person(actor=by, email=invitation.email, name=name)
    if not is_new(person):
        raise Refusal("NOT_FOUND")
    return person


def _joined(actor: Actor, invitation: TenantInvitation, person: Person) -> Membership:
    membership = Membership.objects.create(
        tenant_id=invitation.tenant_id, person=person, role=invitation.role
    )
    record(
        Event.INVITATION_ACCEPTED, actor=actor, tenant=invitation.tenant_id,
        target=target_of(invitation),
    )  # fmt: skip
    record(
        Event.MEMBERSHIP_CREATED, actor=actor, tenant=invitation.tenant_id,
        target=membership_target(membership), after={"person": person.id, "role": membership.role},
    )  # fmt: skip
    invitation.delete()
    return membership
