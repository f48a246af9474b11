"""The forms about a tenant's provider, for the walks over every form."""

from typing import Any, NamedTuple

from portal.tenancy.models import ExternalIdentity
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.configuring import Definition, create_provider
from portal.tenancy.sso.deprovisioning import create_deprovisioning_token
from portal.tenancy.sso.domains import claim_domain
from tests.cast import Cast

ELSEWHERE = {
    "sso-domain": "it has no field",
    "sso-domain-remove": "it has no field",
    "person-sso": "it has no field, and needs a provider of the platform's",
}
TABLES = (
    "tenancy_identityprovider", "tenancy_providerdomain", "tenancy_deprovisioningtoken",
    "tenancy_externalidentity", "tenancy_linkinvitation",
)  # fmt: skip


class Made(NamedTuple):
    """What the addresses name."""

    token: str
    person: str
    identity: str

    def of_tenant(self) -> dict[str, str]:
        """Addresses below a tenant's, by their pages' names."""
        return {
            "sso-edit": "sso/edit", "sso-on": "sso/on", "sso-off": "sso/off",
            "sso-invite": "sso/invite", "sso-domain-new": "sso/domains/new",
            "sso-token-new": "sso/tokens/new",
            "sso-token-revoke": f"sso/tokens/{self.token}/revoke",
        }  # fmt: skip


def with_provider(cast: Cast) -> Made:
    """Acme with a provider that says everything, a domain, a token and someone who is tied."""
    who: dict[str, Any] = {"actor": cast.owner, "tenant_id": cast.tenant.id}
    definition = Definition(
        name="Keycloak", issuer="https://login.acme.example", client_id="portal", secret="kept",
        role_claim="groups", role_map=(("boss", "owner"),), default_role="viewer",
        mfa_acr=("urn:mfa",), mfa_amr=("mfa",), trusts_email=True, enforced=True,
    )  # fmt: skip
    row = create_provider(**who, definition=definition)
    claim_domain(**who, provider_id=row.id, domain=f"{cast.tenant.slug}.example")
    token = create_deprovisioning_token(**who, provider_id=row.id, name="directory").token
    with platform_scope("a test ties someone"):
        tied = ExternalIdentity.objects.create(
            person_id=cast.owner.id, issuer=row.issuer, subject=f"ada of {cast.tenant.slug}"
        )
    return Made(token.id, cast.owner.id, tied.id)
