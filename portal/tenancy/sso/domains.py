"""Mail domains that a tenant's provider may bring people of, once its DNS says so.

The record is asked for anew by whoever verifies, and never on a page that only looks.
"""

import re
import secrets
from typing import Final

from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.dns_texts import texts_of
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.models import IdentityProvider, ProviderDomain
from portal.tenancy.permission import found, unless_taken
from portal.tenancy.scope import tenant_scope
from portal.tenancy.sso.configuring import require_sso

LABEL: Final = "_countersign"
"""The record's name, before the domain (RFC 8552: what is not a host begins with `_`)."""
MOST: Final = 32
DOMAIN: Final = re.compile(
    r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])", re.ASCII
)
ELSEWHERE: Final = "Another tenant has shown that this domain is its own. Nothing was changed."


def record_name(domain: ProviderDomain) -> str:
    """Where the record has to stand."""
    return f"{LABEL}.{domain.domain}"


def record_text(domain: ProviderDomain) -> str:
    """What it has to say."""
    return f"countersign-domain={domain.challenge}"


def target_of(domain: ProviderDomain) -> Target:
    """The domain as the ledger names it."""
    return Target("domain", domain.id, domain.domain)


def claim_domain(*, actor: Actor, tenant_id: str, provider_id: str, domain: str) -> ProviderDomain:
    """Say that a domain is the tenant's; nothing comes of it before it is verified.

    Refuses with CONFLICT one that is claimed already, or more than 32.
    """
    require_sso(actor, tenant_id, Target("identity_provider", provider_id))
    text = domain.strip().lower().rstrip(".")
    if not DOMAIN.fullmatch(text):
        refuse("A domain is needed, such as acme.example; others than ASCII as `xn--…`.", "/domain")
    with unless_taken("It is claimed already."), tenant_change(tenant_id) as change:
        rows = IdentityProvider.objects.select_for_update().filter(tenant_id=tenant_id)
        provider = found(rows, provider_id)
        if provider.domains.count() >= MOST:
            raise Refusal("CONFLICT", f"At most {MOST} domains are taken.")
        claimed = ProviderDomain.objects.create(
            tenant_id=tenant_id, provider=provider, domain=text,
            challenge=secrets.token_urlsafe(24),
        )  # fmt: skip
        change.made = claimed.id
        record(
            Event.DOMAIN_CLAIMED, actor=actor, tenant=tenant_id, target=target_of(claimed),
            after={"domain": text},
        )  # fmt: skip
    return claimed


def verify_domain(*, actor: Actor, tenant_id: str, domain_id: str) -> ProviderDomain:
    """Ask the domain's DNS whether it is the tenant's. Verified already: no new event.

    Refuses with CONFLICT while its record is not there, and when it is another tenant's.
    """
    require_sso(actor, tenant_id, Target("domain", domain_id))
    with tenant_scope(tenant_id):
        claimed = found(ProviderDomain.objects.filter(tenant_id=tenant_id), domain_id)
    if record_text(claimed) not in texts_of(record_name(claimed)):
        raise Refusal("CONFLICT", f"{record_name(claimed)} has no such record yet.")
    with unless_taken(ELSEWHERE), tenant_change(tenant_id):
        waiting = ProviderDomain.objects.filter(id=domain_id, verified_at=None)
        if waiting.update(verified_at=Now()):
            record(
                Event.DOMAIN_VERIFIED, actor=actor, tenant=tenant_id, target=target_of(claimed),
                before={"verified": False}, after={"verified": True},
            )  # fmt: skip
    return claimed


def remove_domain(*, actor: Actor, tenant_id: str, domain_id: str) -> None:
    """Take a domain away: its people who came stay, new ones are not created. Again: NOT_FOUND."""
    require_sso(actor, tenant_id, Target("domain", domain_id))
    with tenant_change(tenant_id):
        claimed = found(ProviderDomain.objects.filter(tenant_id=tenant_id), domain_id)
        removed = target_of(claimed)
        claimed.delete()
        record(
            Event.DOMAIN_REMOVED, actor=actor, tenant=tenant_id, target=removed,
            before={"domain": claimed.domain, "verified": claimed.verified_at is not None},
        )  # fmt: skip
