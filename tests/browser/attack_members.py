"""An attacker's texts in what is about people: who was invited, their tokens, their provider."""

from typing import TYPE_CHECKING, Any

from tests.browser.payloads import address, bad

if TYPE_CHECKING:
    from portal.tenancy.actors import Actor

GUEST = "everybodys-guest@countersign.example"
"""Whom every tenant has invited: what they are called stands on this person's pages."""


def make_people(operator: "Actor", tenant: str, spare: str, place: int) -> str:
    """Someone who was invited, disabled and enabled, here and everywhere; the id of their mail."""
    from portal.core.models import Mail
    from portal.tenancy.invitations import invite_member
    from portal.tenancy.memberships import add_member, disable_membership, enable_membership
    from portal.tenancy.people import (
        change_platform_role,
        create_person,
        disable_person,
        enable_person,
    )
    from portal.tenancy.scope import platform_scope
    from portal.tenancy.signing_in.inviting import invite_person

    email = address("address", place)
    made = create_person(actor=operator, email=email, name=bad("guest", place))
    invite_person(actor=operator, person_id=made.id)
    member = add_member(actor=operator, tenant_id=tenant, person_id=made.id, role="viewer")
    of: dict[str, Any] = {"actor": operator, "tenant_id": tenant, "membership_id": member.id}
    disable_membership(**of, reason=bad("why they left the tenant", place))
    enable_membership(**of, reason=bad("why they are back", place))
    disable_person(actor=operator, person_id=made.id, reason=bad("why they left", place))
    enable_person(actor=operator, person_id=made.id, reason=bad("why they came back", place))
    change_platform_role(
        actor=operator, person_id=spare, role=("auditor", "security_admin")[place % 2],
        reason=bad("why another role", place),
    )  # fmt: skip
    invited = address("invited address", place)
    invite_member(actor=operator, tenant_id=tenant, email=invited, role="viewer")
    invite_member(actor=operator, tenant_id=tenant, email=GUEST, role="viewer")
    with platform_scope("the attack looks for a mail"):
        return str(Mail.objects.get(about=made.id).id)


def make_tokens(operator: "Actor", tenant_id: str, creator: str, place: int) -> None:
    """A token, and one that was revoked."""
    from portal.tenancy.management_tokens import create_management_token, revoke_management_token

    made = [
        create_management_token(
            actor=operator, tenant_id=tenant_id, creator_id=creator, name=bad("token", place),
            scopes=["keys:read"],
        ).token.id
        for _ in range(2)
    ]  # fmt: skip
    revoke_management_token(
        actor=operator, tenant_id=tenant_id, token_id=made[1],
        reason=bad("why the token ended", place),
    )  # fmt: skip


def make_provider(operator: "Actor", tenant_id: str, person_id: str, place: int) -> None:
    """An identity provider whose texts are bad, a person who was tied to it, its directory."""
    from portal.tenancy.models import ExternalIdentity, IdentityProvider
    from portal.tenancy.scope import platform_scope
    from portal.tenancy.sso.configuring import Definition, create_provider, turn_provider_off
    from portal.tenancy.sso.linking import unlink_identity

    of: dict[str, Any] = {"actor": operator, "tenant_id": tenant_id}
    issuer = "https://x.example/'-alert(1)-'"
    provider = create_provider(
        **of,
        definition=Definition(
            name=bad("provider", place), issuer=issuer, client_id=bad("client id", place),
            role_claim=bad("role claim", place), role_map=((bad("role value", place), "owner"),),
            mfa_acr=("<b>x",),
        ),
    )  # fmt: skip
    with platform_scope("the attack's provider answers nobody"):
        rows = IdentityProvider.objects.filter(id=provider.id)
        rows.update(is_active=True)
        tied = [
            ExternalIdentity.objects.create(
                person_id=person_id, issuer=f"{issuer}{place}-{n}", subject=bad("tied as", place)
            ).id
            for n in range(2)
        ]
    unlink_identity(
        actor=operator, person_id=person_id, identity_id=tied[0], reason=bad("why untied", place)
    )
    turn_provider_off(**of, provider_id=provider.id, reason=bad("why turned off", place))
    with platform_scope("the attack turns it on again"):
        rows.update(is_active=True)
    make_directory(of, provider.id, place)


def make_directory(of: dict[str, Any], provider_id: str, place: int) -> None:
    """A directory's token, and one that was revoked."""
    from portal.tenancy.sso.deprovisioning import (
        create_deprovisioning_token,
        revoke_deprovisioning_token,
    )

    made = [
        create_deprovisioning_token(
            **of, provider_id=provider_id, name=bad("directory token", place)
        ).token.id
        for _ in range(2)
    ]
    reason = bad("why the directory's token ended", place)
    revoke_deprovisioning_token(**of, token_id=made[1], reason=reason)
