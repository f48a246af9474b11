"""Who it is that a provider sends: someone known by issuer and subject, or someone new.

A mail address finds nobody. It says whether a new person may be created, inside a domain that is
the provider's to speak for; if the address is somebody's here already, nobody is let in: that
account is tied to the provider's by its own person, signed in (portal.tenancy.sso.linking).
"""

from typing import Any, Final, NoReturn

from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change
from portal.tenancy.memberships import add_member, change_role
from portal.tenancy.models import ExternalIdentity, Membership, Person
from portal.tenancy.people import change_platform_role, create_person, target_of
from portal.tenancy.permission import unless_taken
from portal.tenancy.roles import ACTIONS
from portal.tenancy.scope import platform_scope, tenant_scope
from portal.tenancy.signing_in.signing import (
    Factor,
    device_of,
    lock_unchanged,
    proving,
    use_factor,
)
from portal.tenancy.sso.provider import Claims, Provider, domain_of
from portal.tenancy.texts import fault_of_email, fault_of_text

GONE: Final = "This account was disabled here. Nobody was signed in."
NO_ROLE: Final = "The provider gives you no role here. Nobody was signed in."
UNKNOWN: Final = (
    "Nobody here is tied to that account, and it can't be created: its mail address is not a"
    " verified one of the provider's domains. Nobody was signed in."
)
TAKEN: Final = (
    "Somebody here has that account's mail address already. If it is you, ask for an invitation to"
    " tie the two, and accept it signed in as you always did. Nobody was signed in."
)
SAID: Final = "said by the claim of the identity provider"


def arrive(*, visitor: Actor, provider: Provider, claims: Claims) -> Person:
    """The person that these claims are about, created and given their role where that is due.

    Refuses with FORBIDDEN or CONFLICT, in words for whoever signs in.
    """
    by = _acting(provider, visitor)
    person = _known(provider, claims) or _create(by, provider, claims)
    if not person.is_active:
        _refuse(GONE)
    if provider.tenant_id is None:
        _follow_platform_role(by, provider, claims, person)
    else:
        _follow_membership(by, provider, provider.tenant_id, claims, person)
    return person


def sign_in_through(*, visitor: Actor, person: Person, provider: Provider) -> None:
    """Sign someone in whose second factor the provider asked for."""
    with platform_change("a person's sign-in"):
        lock_unchanged(person)
        note_through(visitor, person, provider, "its second factor")


def sign_in_with_code(
    *, visitor: Actor, person: Person, provider: Provider, factor: Factor, code: str,
    device: tuple[str, str] | None,
) -> None:  # fmt: skip
    """Sign someone in whose second factor is ours; refuses as portal.tenancy.signing_in does."""
    known = device_of(person, device)
    with proving(visitor, person, factor, known), platform_change("a person's sign-in"):
        lock_unchanged(person)
        use_factor(visitor=visitor, person=person, factor=factor, text=code)
        note_through(visitor, person, provider, factor.words)


def note_through(visitor: Actor, person: Person, provider: Provider, factor: str) -> None:
    """Write down that the person signed in. In the transaction that proved it."""
    Person.objects.filter(id=person.id).update(last_sign_in_at=Now())
    ExternalIdentity.objects.filter(person=person, issuer=provider.issuer).update(
        last_used_at=Now()
    )
    record(
        Event.LOGIN_THROUGH_PROVIDER, actor=visitor, tenant=provider.tenant_id,
        target=target_of(person), payload={"provider": provider.name, "factor": factor},
    )  # fmt: skip


def _acting(provider: Provider, visitor: Actor) -> Actor:
    """The provider, which does what its set-up lets it, in the request of who signs in."""
    return Actor(
        kind="service", id=provider.id, label=provider.name, auth=("oidc",),
        request_id=visitor.request_id, address=visitor.address, tenant_id=provider.tenant_id,
        actions=ACTIONS["owner"] | {"tenants:write"},
    )  # fmt: skip


def _refuse(words: str) -> NoReturn:
    raise Refusal("FORBIDDEN", words)


def _known(provider: Provider, claims: Claims) -> Person | None:
    with platform_scope("who someone is at an issuer is nobody's but the person's"):
        rows = ExternalIdentity.objects.filter(issuer=provider.issuer, subject=claims["sub"])
        found = rows.select_related("person").first()
        return found.person if found is not None else None


def _create(by: Actor, provider: Provider, claims: Claims) -> Person:
    email, role = _email_in(provider, claims), provider.role_in(claims)
    if email is None:
        _refuse(UNKNOWN)
    if role is None and provider.tenant_id is not None:
        _refuse(NO_ROLE)
    try:
        with unless_taken(TAKEN), platform_change("a first sign-in makes a person"):
            person = create_person(
                actor=by, email=email, name=_name_in(claims, email),
                platform_role="" if provider.tenant_id else role or "",
            )  # fmt: skip
            if provider.tenant_id is not None:
                add_member(
                    actor=by, tenant_id=provider.tenant_id, person_id=person.id, role=role or ""
                )
            tie(by, provider.issuer, claims["sub"], person)
    except Refusal as refusal:
        # Of two first sign-ins at once, the second finds what the first made.
        first = _known(provider, claims) if refusal.code == "CONFLICT" else None
        if first is None:
            raise Refusal(refusal.code, TAKEN if refusal.code == "CONFLICT" else "") from None
        return first
    return person


def tie(by: Actor, issuer: str, subject: str, person: Person) -> ExternalIdentity:
    """Make the person who they are at an issuer. In a transaction of the platform's."""
    tied = ExternalIdentity.objects.create(person=person, issuer=issuer, subject=subject)
    record(
        Event.IDENTITY_LINKED, actor=by, tenant=None, target=target_of(person),
        payload={"issuer": issuer},
    )  # fmt: skip
    return tied


def _email_in(provider: Provider, claims: Claims) -> str | None:
    """The address, if it is one that the provider may speak for; None otherwise."""
    email, verified = claims.get("email"), claims.get("email_verified")
    good = verified is True or (verified is None and provider.trusts_email)
    if not good or fault_of_email(email) is not None:
        return None
    return str(email) if domain_of(str(email)) in provider.domains else None


def _name_in(claims: Claims, email: str) -> str:
    names: list[Any] = [claims.get("name"), email.partition("@")[0]]
    return next((str(name) for name in names if fault_of_text(name, 128) is None), "someone new")


def _follow_membership(
    by: Actor, provider: Provider, tenant_id: str, claims: Claims, person: Person
) -> None:
    """Be a member, in the role that the claim gives if there is one that decides."""
    with tenant_scope(tenant_id):
        member = Membership.objects.filter(tenant_id=tenant_id, person=person).first()
    role = provider.role_in(claims)
    if member is not None and not member.is_active:
        _refuse(GONE)  # what was taken away, no sign-in gives back
    if role is None and (member is None or provider.role_claim):
        _refuse(NO_ROLE)
    if member is None:
        if _email_in(provider, claims) is None:
            _refuse(UNKNOWN)
        add_member(actor=by, tenant_id=tenant_id, person_id=person.id, role=role or "")
    elif provider.role_claim and role is not None and role != member.role:
        try:
            change_role(actor=by, tenant_id=tenant_id, membership_id=member.id, role=role)
        except Refusal as refusal:
            if refusal.code != "CONFLICT":  # the last owner stays one
                raise


def _follow_platform_role(by: Actor, provider: Provider, claims: Claims, person: Person) -> None:
    role = provider.role_in(claims) or ""
    if not provider.role_claim or role == person.platform_role:
        return
    try:
        change_platform_role(actor=by, person_id=person.id, role=role, reason=SAID)
    except Refusal as refusal:
        if refusal.code != "CONFLICT":  # the last security admin stays one
            raise
    else:
        person.platform_role = role
