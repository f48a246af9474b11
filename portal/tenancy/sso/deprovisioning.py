"""Ending memberships by a directory's own credential, which gives nobody anything.

A management token never touches members (DESIGN.md, section 5), and acts with a person's role. This
one is the provider's: it outlives whoever made it, sees its tenant's members and ends memberships.
It can't enable, invite, change a role, read a key or make another token; stolen, it keeps people
out, and an owner lets them in again.
"""

import datetime as dt
from dataclasses import replace
from typing import Final, NamedTuple

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import tokens
from portal.core.clock import now
from portal.core.outbox import Propagation
from portal.core.refusals import Refusal, refuse
from portal.core.tokens import SecretText
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change, tenant_change
from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import DeprovisioningToken, IdentityProvider, Membership, Session
from portal.tenancy.people import target_of as person_target
from portal.tenancy.permission import attempt, found, require, require_within
from portal.tenancy.scope import tenant_scope
from portal.tenancy.sso.configuring import require_sso
from portal.tenancy.texts import checked, checked_reason

ACTION: Final = "members:end"
READING: Final = "members:read"
MOST: Final = 4
"""Living tokens of a provider: one in use, one that takes its place, and room for a mistake."""


class IssuedToken(NamedTuple):
    """A new token and, this once, its text."""

    token: DeprovisioningToken
    secret: SecretText


def target_of(token: DeprovisioningToken) -> Target:
    """The token as the ledger names it."""
    return Target("deprovisioning_token", token.id, token.name)


def directory(
    *, token_id: str, name: str, tenant_id: str, request_id: str, address: str | None
) -> Actor:
    """Who acts with such a token: all that it ever may."""
    return Actor(
        kind="service", id=token_id, label=name, auth=("deprovisioning_token",),
        tenant_id=tenant_id, actions=frozenset({ACTION, READING}), request_id=request_id,
        address=address,
    )  # fmt: skip


def create_deprovisioning_token(
    *, actor: Actor, tenant_id: str, provider_id: str, name: str,
    expires_at: dt.datetime | None = None,
) -> IssuedToken:  # fmt: skip
    """Make a token for the tenant's directory. Refuses with CONFLICT a fifth living one."""
    require_sso(actor, tenant_id, Target("deprovisioning_token", "new", name))
    checked(name, "/name")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now()):
        refuse("A moment in the future, with its time zone, is needed.", "/expires_at")
    minted = tokens.mint(tokens.DEPROVISIONING, "live")
    with tenant_change(tenant_id) as change:
        rows = IdentityProvider.objects.select_for_update().filter(tenant_id=tenant_id)
        provider = found(rows, provider_id)
        living = DeprovisioningToken.objects.filter(provider=provider, revoked_at=None)
        if living.count() >= MOST:
            raise Refusal("CONFLICT", f"There are {MOST} tokens: revoke one first.")
        token = DeprovisioningToken.objects.create(
            tenant_id=tenant_id, provider=provider, name=name, expires_at=expires_at,
            kid=minted.kid, digest=minted.digest, pepper_id=minted.pepper_id,
        )  # fmt: skip
        change.made = token.id
        record(
            Event.DEPROVISIONING_TOKEN_CREATED, actor=actor, tenant=tenant_id,
            target=target_of(token), after={"provider": provider.id, "expires_at": expires_at},
        )  # fmt: skip
    return IssuedToken(token, minted.secret)


def revoke_deprovisioning_token(
    *, actor: Actor, tenant_id: str, token_id: str, reason: str
) -> None:
    """End a token: its next request is refused. Again: nothing, and no new event."""
    require_sso(actor, tenant_id, Target("deprovisioning_token", token_id))
    checked_reason(reason)
    with tenant_change(tenant_id):
        token = found(DeprovisioningToken.objects.filter(tenant_id=tenant_id), token_id)
        living = DeprovisioningToken.objects.filter(id=token.id, revoked_at=None)
        if living.update(revoked_at=now()):
            record(
                Event.DEPROVISIONING_TOKEN_REVOKED, actor=actor, tenant=tenant_id,
                target=target_of(token), reason=reason,
                before={"revoked": False}, after={"revoked": True},
            )  # fmt: skip


def deprovision_member(
    *, actor: Actor, tenant_id: str, membership_id: str, reason: str
) -> Propagation:
    """End a membership, and the sessions of who is nothing anywhere any more.

    The keys that they own are OWNER_DISABLED from the next check on. Refuses with CONFLICT for the
    last active owner. Again: the same answer, no new event.
    """
    require_within(actor, tenant_id)
    with attempt(actor, tenant_id, ACTION, Target("membership", membership_id)):
        require(actor, ACTION)
    checked_reason(reason)
    may = replace(actor, actions=frozenset({"members:write"}))  # for this one verb, and no longer
    done = disable_membership(
        actor=may, tenant_id=tenant_id, membership_id=membership_id, reason=reason
    )
    with tenant_scope(tenant_id):
        person_id = Membership.objects.values_list("person_id", flat=True).get(id=membership_id)
    _end_sessions(actor, person_id)
    return done


def _end_sessions(actor: Actor, person_id: str) -> None:
    """Sign someone out who is nothing anywhere. Elsewhere the tenant's directory has no say: a
    session there goes on, and reaches this tenant no more from its next request on."""
    with platform_change("whether a person is anything in any tenant"):
        elsewhere = Membership.objects.filter(person_id=person_id, is_active=True)
        sessions = Session.objects.filter(person_id=person_id).select_related("person")
        first = sessions.first()
        if first is None or first.person is None:
            return
        if first.person.platform_role or elsewhere.exists():
            return
        ended = sessions.delete()[0]
        record(
            Event.SESSIONS_CUT, actor=actor, tenant=None, target=person_target(first.person),
            payload={"ended": ended},
        )  # fmt: skip
