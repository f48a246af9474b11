"""A tenant's provider is set up, changed, turned on and off."""

from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import F

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.fetching import fault_of_url
from portal.core.refusals import Faults, Refusal
from portal.core.sealing import seal
from portal.tenancy.actors import Actor
from portal.tenancy.change import tenant_change
from portal.tenancy.models import IdentityProvider, Membership
from portal.tenancy.permission import attempt, found, require, require_within, unless_taken
from portal.tenancy.sso.discovery import forget, metadata_of
from portal.tenancy.sso.distrust import Distrust
from portal.tenancy.sso.provider import SECRET, Provider
from portal.tenancy.texts import checked_reason, fault_of_text

MOST_ROLES: Final = 32
MOST_VALUES: Final = 16
GOVERNED: Final = (
    "name", "issuer", "client_id", "scopes", "role_claim", "role_map", "default_role", "mfa_acr",
    "mfa_amr", "trusts_email", "enforced",
)  # fmt: skip
CONNECTING: Final = ("issuer", "client_id")
"""What, changed, makes another provider of it: it is turned off until it was asked again."""


@dataclass(frozen=True)
class Definition:
    """A provider as a form or a program says it. `secret` None: leave the one that there is."""

    name: str
    issuer: str
    client_id: str
    secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    role_claim: str = ""
    role_map: tuple[tuple[str, str], ...] = ()
    default_role: str = ""
    mfa_acr: tuple[str, ...] = ()
    mfa_amr: tuple[str, ...] = ()
    trusts_email: bool = False
    enforced: bool = False

    def check(self) -> None:
        """Refuse what is wrong, all at once."""
        faults = Faults()
        faults.add("/name", fault_of_text(self.name, 128))
        faults.add("/issuer", _fault_of_issuer(self.issuer))
        faults.add("/client_id", fault_of_text(self.client_id, 256))
        if self.secret is not None and not (
            len(self.secret) <= 512 and self.secret.isascii() and self.secret.isprintable()
        ):
            faults.add("/secret", "At most 512 printable ASCII characters are taken.")
        if "openid" not in self.scopes:
            faults.add("/scopes", "`openid` is needed.")
        for name in ("scopes", "mfa_acr", "mfa_amr"):
            faults.add(f"/{name}", _fault_of_words(getattr(self, name)))
        if self.role_claim:
            faults.add("/role_claim", fault_of_text(self.role_claim, 256))
        elif self.role_map:
            faults.add("/role_claim", "Which claim has these values?")
        faults.add("/role_map", _fault_of_map(self.role_map))
        if self.default_role not in ("", *Membership.Role.values):
            faults.add("/default_role", "There is no such role.")
        faults.settle()

    def columns(self) -> dict[str, Any]:
        """What the row and the record hold: everything but the secret."""
        told = {name: getattr(self, name) for name in GOVERNED}
        lists = {name: list(told[name]) for name in ("scopes", "mfa_acr", "mfa_amr")}
        return {**told, **lists, "role_map": [list(pair) for pair in self.role_map]}


def _fault_of_issuer(issuer: str) -> str | None:
    if len(issuer) > 512:
        return "At most 512 characters are taken."
    fault = fault_of_url(issuer)
    if fault is not None:
        return f"This {fault}: such as https://login.acme.example is needed."
    return "An issuer has no query." if "?" in issuer else None


def _fault_of_words(words: tuple[str, ...]) -> str | None:
    if len(words) > MOST_VALUES:
        return f"At most {MOST_VALUES} are taken."
    bad = any(
        len(word) > 128 or not word.isascii() or not word.isprintable() or " " in word
        for word in words
    )
    return "Each is 1 to 128 printable ASCII characters, without spaces." if bad else None


def _fault_of_map(pairs: tuple[tuple[str, str], ...]) -> str | None:
    if len(pairs) > MOST_ROLES:
        return f"At most {MOST_ROLES} values are taken."
    for value, role in pairs:
        if fault_of_text(value, 256) or role not in Membership.Role.values:
            return f"Lines of `value = role` are needed, a role being one of {_ROLES}."
    return None


_ROLES: Final = ", ".join(Membership.Role.values)


def target_of(provider: IdentityProvider) -> Target:
    """The provider as the ledger names it."""
    return Target("identity_provider", provider.id, provider.name)


def create_provider(*, actor: Actor, tenant_id: str, definition: Definition) -> IdentityProvider:
    """Set up a tenant's provider, turned off. Refuses with CONFLICT when it has one."""
    require_sso(actor, tenant_id, Target("identity_provider", "new", definition.name))
    definition.check()
    with unless_taken("The tenant has a provider already."), tenant_change(tenant_id) as change:
        provider = IdentityProvider(tenant_id=tenant_id, **definition.columns())
        provider.sealed_secret = _sealed(provider, definition.secret)
        provider.save(force_insert=True)
        change.made = provider.id
        record(
            Event.PROVIDER_CREATED, actor=actor, tenant=tenant_id, target=target_of(provider),
            after={**definition.columns(), "has_secret": bool(provider.sealed_secret)},
        )  # fmt: skip
    return provider


def change_provider(
    *, actor: Actor, tenant_id: str, provider_id: str, expected_version: int,
    definition: Definition,
) -> IdentityProvider:  # fmt: skip
    """Change it. Another issuer or client turns it off: it has to be asked anew.

    Refuses with PRECONDITION_FAILED when it was changed since `expected_version`.
    """
    require_sso(actor, tenant_id, Target("identity_provider", provider_id))
    definition.check()
    with tenant_change(tenant_id):
        rows = IdentityProvider.objects.select_for_update().filter(tenant_id=tenant_id)
        provider = found(rows, provider_id)
        if provider.version != expected_version:
            raise Refusal("PRECONDITION_FAILED")
        before = _recorded(provider)
        for name, value in definition.columns().items():
            setattr(provider, name, value)
        if definition.secret is not None:
            provider.sealed_secret = _sealed(provider, definition.secret)
        if any(before[name] != getattr(provider, name) for name in CONNECTING):
            provider.is_active = False
        changed = _recorded(provider) != before or definition.secret is not None
        if changed:
            provider.version += 1
            provider.save()
            record(
                Event.PROVIDER_CHANGED, actor=actor, tenant=tenant_id, target=target_of(provider),
                before=before, after={**_recorded(provider), "secret": _renewed(definition)},
            )  # fmt: skip
    return provider


def turn_provider_on(*, actor: Actor, tenant_id: str, provider: Provider, reason: str) -> None:
    """Let people in through it, once it was asked who it is. Again: no new event.

    Refuses with CONFLICT, saying why, when it does not answer as a provider does.
    """
    require_sso(actor, tenant_id, Target("identity_provider", provider.id, provider.name))
    checked_reason(reason)
    forget(provider)
    try:
        metadata_of(provider)
    except Distrust as fault:
        raise Refusal("CONFLICT", f"The provider can't be used: {fault}.") from None
    _turn(actor, tenant_id, provider.id, True, reason)


def turn_provider_off(*, actor: Actor, tenant_id: str, provider_id: str, reason: str) -> None:
    """Let nobody else in through it. Again: no new event."""
    require_sso(actor, tenant_id, Target("identity_provider", provider_id))
    checked_reason(reason)
    _turn(actor, tenant_id, provider_id, False, reason)


def require_sso(actor: Actor, tenant_id: str, target: Target) -> None:
    """Refuse, recorded, who may not say how a tenant's people come in."""
    require_within(actor, tenant_id)
    with attempt(actor, tenant_id, "sso:write", target):
        require(actor, "sso:write")


def _turn(actor: Actor, tenant_id: str, provider_id: str, active: bool, reason: str) -> None:
    with tenant_change(tenant_id):
        provider = found(IdentityProvider.objects.filter(tenant_id=tenant_id), provider_id)
        others = IdentityProvider.objects.filter(id=provider_id, is_active=not active)
        if others.update(is_active=active, version=F("version") + 1):
            record(
                Event.PROVIDER_TURNED_ON if active else Event.PROVIDER_TURNED_OFF, actor=actor,
                tenant=tenant_id, target=target_of(provider), reason=reason,
                before={"is_active": not active}, after={"is_active": active},
            )  # fmt: skip


def _sealed(provider: IdentityProvider, secret: str | None) -> str:
    return seal(secret.encode(), SECRET, provider.id) if secret else ""


def _renewed(definition: Definition) -> str:
    return "unchanged" if definition.secret is None else "new" if definition.secret else "none"


def _recorded(provider: IdentityProvider) -> dict[str, Any]:
    return {name: getattr(provider, name) for name in (*GOVERNED, "is_active")}
