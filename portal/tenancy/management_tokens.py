"""Management tokens come into being and are revoked."""

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import tokens
from portal.core.clock import now
from portal.core.refusals import Refusal, refuse
from portal.core.tokens import SecretText
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.models import ManagementToken, Membership
from portal.tenancy.permission import attempt, found, require_within
from portal.tenancy.roles import MANAGEMENT_SCOPES
from portal.tenancy.texts import checked, checked_reason

ACTION: Final = "tokens:write"
"""What it takes to make or end anyone's token."""
OWN: Final = "own-tokens:write"
"""And one's own."""


class IssuedToken(NamedTuple):
    """A new management token and, this once, its text."""

    token: ManagementToken
    secret: SecretText


def target_of(token: ManagementToken) -> Target:
    """The token as the ledger names it."""
    return Target("management_token", token.id, token.name)


def create_management_token(
    *,
    actor: Actor,
    tenant_id: str,
    creator_id: str,
    name: str,
    scopes: Iterable[str],
    expires_at: dt.datetime | None = None,
) -> IssuedToken:
    """Make a token that acts for one membership, never more than `scopes` and its present role.

    For oneself, or by who governs the tenant's tokens; a token never makes another.
    """
    require_within(actor, tenant_id)
    with attempt(actor, tenant_id, ACTION, Target("management_token", "new", name)):
        _require(actor, creator_id)
    checked(name, "/name")
    wanted = sorted(set(scopes))
    if not set(wanted) <= MANAGEMENT_SCOPES:
        refuse("There is no such scope.", "/scopes")
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now()):
        refuse("A moment in the future, with its time zone, is needed.", "/expires_at")
    minted = tokens.mint(tokens.MANAGEMENT, "live")
    with tenant_change(tenant_id) as change:
        creator = found(Membership.objects.filter(tenant_id=tenant_id), creator_id)
        if not (creator.is_active and creator.person.is_active):
            raise Refusal("CONFLICT", "The membership is disabled.")
        token = ManagementToken.objects.create(
            tenant_id=tenant_id, creator=creator, name=name, scopes=wanted, expires_at=expires_at,
            kid=minted.kid, digest=minted.digest, pepper_id=minted.pepper_id,
        )  # fmt: skip
        change.made = token.id
        record(
            Event.MANAGEMENT_TOKEN_CREATED, actor=actor, tenant=tenant_id, target=target_of(token),
            after={"creator": creator.id, "scopes": wanted, "expires_at": expires_at},
        )  # fmt: skip
    return IssuedToken(token, minted.secret)


def revoke_management_token(*, actor: Actor, tenant_id: str, token_id: str, reason: str) -> None:
    """End a token: it is read on each request, so the next one is refused.

    Again: nothing, and no new event.
    """
    require_within(actor, tenant_id)
    checked_reason(reason)
    aim = Target("management_token", token_id)
    with attempt(actor, tenant_id, ACTION, aim), tenant_change(tenant_id):
        token = found(ManagementToken.objects.filter(tenant_id=tenant_id), token_id)
        _require(actor, token.creator_id)
        living = ManagementToken.objects.filter(id=token.id, revoked_at=None)
        if living.update(revoked_at=now()):
            record(
                Event.MANAGEMENT_TOKEN_REVOKED, actor=actor, tenant=tenant_id,
                target=target_of(token), reason=reason,
                before={"revoked": False}, after={"revoked": True},
            )  # fmt: skip


def _require(actor: Actor, creator_id: str) -> None:
    own = actor.membership_id == creator_id and actor.may(OWN)
    if actor.kind == "service" or not (own or actor.may(ACTION)):
        raise Refusal("FORBIDDEN")
