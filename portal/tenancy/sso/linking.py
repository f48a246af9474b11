"""Tying the account that someone has here to the one that they have at a provider.

It takes an invitation of whoever governs the provider, accepted by the person: signed in as they
always did, with a code, in the browser that then goes to the provider and comes back.
"""

import datetime as dt
from typing import Final, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core import configuration
from portal.core.mail import Letter
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.mailing import send
from portal.tenancy.models import ExternalIdentity, LinkInvitation, Membership, Person
from portal.tenancy.people import target_of
from portal.tenancy.permission import (
    attempt,
    found,
    platform_attempt,
    require,
    require_within,
    unless_taken,
)
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.signing import Factor, lock_unchanged, proving, use_factor
from portal.tenancy.sso.arriving import tie
from portal.tenancy.sso.provider import Provider
from portal.tenancy.texts import checked_reason

LASTS: Final = dt.timedelta(days=7)
THEIRS: Final = "That account is tied to somebody else here. Nothing was changed."


class Open(NamedTuple):
    """An invitation that its person may still accept. `tenant_slug` empty: the platform's."""

    id: str
    tenant_id: str | None
    tenant_slug: str
    expires_at: dt.datetime


def invite_to_link(*, actor: Actor, provider: Provider, person_id: str) -> LinkInvitation:
    """Let a person tie their account to the provider's, within seven days. An older one ends.

    A tenant invites its members alone; refuses others with NOT_FOUND. The mail has no secret: the
    page that it leads to needs the person's own sign-in.
    """
    if provider.tenant_id is None:
        with platform_attempt(actor, "tenants:write", Target("person", person_id)):
            require(actor, "tenants:write")
    else:
        require_within(actor, provider.tenant_id)
        with attempt(actor, provider.tenant_id, "sso:write", Target("person", person_id)):
            require(actor, "sso:write")
    with platform_change("who is invited may be in several tenants") as change:
        person = found(_able(provider).select_for_update(), person_id)
        open_ = LinkInvitation.objects.filter(
            tenant_id=provider.tenant_id, person=person, used_at=None
        )
        open_.delete()
        invitation = LinkInvitation.objects.create(
            tenant_id=provider.tenant_id, person=person, expires_at=Now() + LASTS
        )
        change.made = invitation.id
        record(
            Event.IDENTITY_INVITED, actor=actor, tenant=provider.tenant_id,
            target=target_of(person),
        )  # fmt: skip
        send(_letter(person, provider), about=person.id)
    return invitation


def _able(provider: Provider) -> QuerySet[Person]:
    people = Person.objects.filter(is_active=True)
    if provider.tenant_id is None:
        return people
    members = Membership.objects.filter(tenant_id=provider.tenant_id, is_active=True)
    return people.filter(id__in=members.values("person_id"))


def _letter(person: Person, provider: Provider) -> Letter:
    address = f"{configuration.BASE_URL().rstrip('/')}/sso/link/"
    return Letter(
        person.email,
        "Sign in to Countersign through your organisation",
        f"{person.name},\n\nfrom now on you can sign in to Countersign through {provider.name}."
        f"\nTie your account to it here, within seven days:\n\n{address}\n\nYou are asked to sign"
        " in as you did so far. If you did not expect this mail, leave it: nothing happens.\n",
    )


def open_links(person_id: str) -> list[Open]:
    """The invitations that a person may accept now. Outside of any scope."""
    with platform_scope("a person's invitations, of whichever tenant"):
        rows = LinkInvitation.objects.filter(
            person_id=person_id, used_at=None, expires_at__gt=Now()
        ).select_related("tenant")
        return [
            Open(row.id, row.tenant_id, row.tenant.slug if row.tenant else "", row.expires_at)
            for row in rows.order_by("created_at")
        ]


def prove_before_linking(
    *, actor: Actor, person: Person, factor: Factor, code: str, device: str | None
) -> None:
    """Use up a code of the person who accepts: a browser left open ties nobody to anything."""
    with proving(actor, person, factor, device), platform_change("a person's own sign-in"):
        lock_unchanged(person)
        use_factor(visitor=actor, person=person, factor=factor, text=code)


def link_identity(
    *, actor: Actor, person: Person, provider: Provider, invitation_id: str, subject: str
) -> None:
    """Tie the person to who came back from the provider. Uses the invitation up.

    Refuses with NOT_FOUND an invitation that is not theirs, was used or has ended, and with
    CONFLICT a subject that is somebody else here. Tied already: nothing more happens.
    """
    with unless_taken(THEIRS), platform_change("a person's own sign-in"):
        lock_unchanged(person)
        mine = LinkInvitation.objects.filter(
            id=invitation_id, person=person, tenant_id=provider.tenant_id, used_at=None,
            expires_at__gt=Now(),
        )  # fmt: skip
        if not mine.update(used_at=Now()):
            raise Refusal("NOT_FOUND")
        known = ExternalIdentity.objects.filter(issuer=provider.issuer, subject=subject).first()
        if known is None:
            tie(actor, provider.issuer, subject, person)
        elif known.person_id != person.id:
            raise Refusal("CONFLICT", THEIRS)


def unlink_identity(*, actor: Actor, person_id: str, identity_id: str, reason: str) -> None:
    """Who someone is at a provider, they are here no more. Again: NOT_FOUND."""
    with platform_attempt(actor, "tenants:write", Target("person", person_id)):
        require(actor, "tenants:write")
    checked_reason(reason)
    with platform_change("people are the platform's"):
        rows = ExternalIdentity.objects.filter(person_id=person_id).select_related("person")
        tied = found(rows, identity_id)
        tied.delete()
        record(
            Event.IDENTITY_UNLINKED, actor=actor, tenant=None, target=target_of(tied.person),
            reason=reason, payload={"issuer": tied.issuer},
        )  # fmt: skip
