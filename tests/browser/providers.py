"""Tenants with a provider, for pages with something on them: one is on, one is off."""

from typing import Any


def set_up_providers(admin: Any, told: dict[str, Any]) -> list[str]:
    """By the verbs; what only a provider that answers could do is written. Returns more pages."""
    from portal.core.clock import now
    from portal.tenancy.models import (
        DeprovisioningToken,
        ExternalIdentity,
        IdentityProvider,
        Person,
        ProviderDomain,
    )
    from portal.tenancy.scope import platform_scope
    from portal.tenancy.sso.configuring import Definition, create_provider
    from portal.tenancy.sso.deprovisioning import create_deprovisioning_token
    from portal.tenancy.sso.domains import claim_domain

    for slug, name in (("acme", "Acme’s Keycloak"), ("globex", "Globex Entra ID")):
        who: dict[str, Any] = {"actor": admin, "tenant_id": told["tenants"][slug]}
        definition = Definition(
            name=name, issuer=f"https://login.{slug}.example/realms/{slug}", client_id="portal",
            secret="kept and sealed", role_claim="groups",
            role_map=(("key-owners", "owner"), ("engineering", "developer")),
            default_role="viewer", mfa_amr=("mfa", "hwk"),
        )  # fmt: skip
        row = create_provider(**who, definition=definition)
        for domain in (f"{slug}.example", f"mail.{slug}.example"):
            claim_domain(**who, provider_id=row.id, domain=domain)
        create_deprovisioning_token(**who, provider_id=row.id, name="Leavers of the directory")
        if slug == "acme":
            with platform_scope("the story's provider answers nobody"):
                IdentityProvider.objects.filter(id=row.id).update(is_active=True)
                ProviderDomain.objects.filter(domain="acme.example").update(verified_at=now())
    with platform_scope("the story ties someone"):
        ada = Person.objects.get(email="ada@acme.example")
        tied = ExternalIdentity.objects.create(
            person=ada, issuer="https://login.acme.example/realms/acme", subject="8f14e45f-ada"
        )
    with platform_scope("the story looks at what it made"):
        waiting = ProviderDomain.objects.get(domain="mail.acme.example").id
        token = DeprovisioningToken.objects.get(tenant_id=told["tenants"]["acme"]).id
    pages = (
        "", "edit/", "off/", "invite/", "domains/new/", f"domains/{waiting}/",
        f"domains/{waiting}/remove/", "tokens/new/", f"tokens/{token}/revoke/",
    )  # fmt: skip
    told["sso"] = [f"/admin/tenants/acme/sso/{page}" for page in pages]
    told["sso"] += [f"/admin/tenants/globex/sso/{page}" for page in ("", "on/")]
    told["sso"] += [f"/admin/people/{ada.id}/", f"/admin/people/{ada.id}/sso/{tied.id}/untie/"]
    return list(told["sso"])
