"""A tenant's own people invite others, by mail address and role.

Nothing here asks whether anybody has the address: with one that somebody has and one that nobody
has, the same is done and told. Who it is, and whether they have a sign-in yet, is found out when
they open the link (portal.tenancy.signing_in.joining).
"""

import datetime as dt
import hashlib
from typing import Any, Final

from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import configuration
from portal.core.clock import rfc3339
from portal.core.ids import base62
from portal.core.mail import Letter
from portal.core.refusals import Faults, Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change, tenant_change
from portal.tenancy.mailing import send
from portal.tenancy.memberships import checked_role, require_members
from portal.tenancy.models import Membership, Tenant, TenantInvitation
from portal.tenancy.permission import found, unless_taken
from portal.tenancy.scope import tenant_scope
from portal.tenancy.signing_in.throttling import Bucket, Rate, take
from portal.tenancy.texts import fault_of_email

LASTS: Final = dt.timedelta(days=7)
BY_TENANT: Final = Rate(600, 50)
BY_ADDRESS: Final = Rate(600, 3)
"""Mails that a tenant may have us write, to all and to one address: we are nobody's mail gun."""
OPEN: Final = "An invitation to this address is open. Send it again, or withdraw it."
MEMBER: Final = "This address is a member's already."
MAILS: Final = "mails are the platform's"


def target_of(invitation: TenantInvitation) -> Target:
    """The invitation as the ledger names it."""
    return Target("invitation", invitation.id, str(invitation))


def digest_of(token: str) -> bytes:
    """What an invitation is found by."""
    return hashlib.sha256(token.encode()).digest()


def invite_member(*, actor: Actor, tenant_id: str, email: str, role: str) -> TenantInvitation:
    """Offer an address a role in the tenant, by a mail whose link works once, for seven days.

    Refuses with FORBIDDEN a role beyond the actor's own, with CONFLICT a member's address and one
    with an open invitation, with Wait too many mails.
    """
    require_members(actor, tenant_id)
    _check(email, role)
    require_members(actor, tenant_id, role)
    email = email.lower()
    _take(tenant_id, email)
    token = f"once-{base62(43)}"
    with unless_taken(OPEN), platform_change(MAILS) as change:
        tenant = found(Tenant.objects.all(), tenant_id)
        if Membership.objects.filter(tenant=tenant, person__email=email).exists():
            raise Refusal("CONFLICT", MEMBER)
        ended = TenantInvitation.objects.filter(tenant=tenant, email=email, expires_at__lte=Now())
        ended.delete()
        invitation = TenantInvitation(tenant=tenant, email=email, role=role)
        _offer(actor, invitation, token)
        change.made = invitation.id
        _tell(Event.INVITATION_SENT, actor, invitation, token)
    return invitation


def send_invitation_again(*, actor: Actor, tenant_id: str, invitation_id: str) -> TenantInvitation:
    """Another mail with another link, for seven days from now; the older link dies.

    The actor answers for it from then on. Refuses as `invite_member`.
    """
    require_members(actor, tenant_id)
    rows = TenantInvitation.objects.filter(tenant_id=tenant_id)
    with tenant_scope(tenant_id):
        invitation = found(rows, invitation_id)
    require_members(actor, tenant_id, invitation.role)
    _take(tenant_id, invitation.email)
    with platform_change(MAILS):
        rows = rows.select_for_update(of=("self",)).select_related("tenant")
        invitation = found(rows, invitation_id)
        token = f"once-{base62(43)}"
        _offer(actor, invitation, token)
        _tell(Event.INVITATION_SENT_AGAIN, actor, invitation, token)
    return invitation


def withdraw_invitation(*, actor: Actor, tenant_id: str, invitation_id: str) -> None:
    """End an invitation: its link is as unknown as any other. Refuses an ended one as NOT_FOUND."""
    require_members(actor, tenant_id)
    with tenant_change(tenant_id):
        rows = TenantInvitation.objects.select_for_update(of=("self",))
        invitation = found(rows.filter(tenant_id=tenant_id), invitation_id)
        record(
            Event.INVITATION_WITHDRAWN, actor=actor, tenant=tenant_id,
            target=target_of(invitation), before=_columns(invitation),
        )  # fmt: skip
        invitation.delete()


def _check(email: str, role: str) -> None:
    faults = Faults()
    faults.add("/email", fault_of_email(email))
    try:
        checked_role(role)
    except Refusal as refusal:
        faults.errors += [dict(error) for error in refusal.errors]
    faults.settle()


def _take(tenant_id: str, email: str) -> None:
    one = Bucket(BY_ADDRESS, f"invite:{tenant_id}:{email}")
    take([one, Bucket(BY_TENANT, f"invite:{tenant_id}")])


def _offer(actor: Actor, invitation: TenantInvitation, token: str) -> None:
    invitation.digest = digest_of(token)
    invitation.inviter_id = actor.membership_id
    invitation.sent_at, invitation.expires_at = Now(), Now() + LASTS
    invitation.save()
    invitation.refresh_from_db(fields=["sent_at", "expires_at"])


def _tell(event: Event, actor: Actor, invitation: TenantInvitation, token: str) -> None:
    """In the ledger, and by mail."""
    record(
        event, actor=actor, tenant=invitation.tenant_id, target=target_of(invitation),
        after=_columns(invitation), payload={"until": rfc3339(invitation.expires_at)},
    )  # fmt: skip
    link = f"{configuration.BASE_URL().rstrip('/')}/join/{token}"
    until = invitation.expires_at.strftime("%d %b %Y, %H:%M")
    role = invitation.get_role_display().lower()
    letter = Letter(
        invitation.email,
        "You are invited to a tenant on Countersign",
        f"{actor.label} invites you to {invitation.tenant.name} on Countersign, as its {role}."
        f"\n\nLook at it and accept it here:\n\n{link}\n\nThe link works once, until {until} UTC."
        " Opening it does nothing yet.\nIf you did not expect this mail, leave it: nothing"
        " happens.\n",
    )
    send(letter, about=invitation.id)


def _columns(invitation: TenantInvitation) -> dict[str, Any]:
    return {"email": invitation.email, "role": invitation.role}
