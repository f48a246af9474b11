"""Whom we let say who someone is: the platform's provider of the settings, or a tenant's own.

A tenant's provider speaks for that tenant alone: whoever comes through it reaches nothing else, and
nothing of the platform (portal.tenancy.sso.binding).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from portal.core import configuration
from portal.core.client_address import Network
from portal.core.fetching import EVERYWHERE
from portal.core.sealing import SealBroken, open_sealed
from portal.core.tokens import SecretText
from portal.tenancy.models import IdentityProvider, Tenant

PLATFORM: Final = "platform"
"""The id of the settings' provider; a tenant's is `idp_…`."""
SECRET: Final = "client secret of an identity provider"  # noqa: S105 - what the seal is for
Claims = dict[str, Any]

COLUMNS: Final = (
    "id", "tenant_id", "slug", "tenant_name", "name", "issuer", "client_id", "sealed_secret",
    "scopes", "role_claim", "role_map", "default_role", "mfa_acr", "mfa_amr", "trusts_email",
    "enforced", "domains",
)  # fmt: skip


@dataclass(frozen=True)
class Provider:
    """A provider as sign-in needs it. `tenant_id` None: the platform's."""

    id: str
    tenant_id: str | None
    slug: str
    tenant_name: str
    name: str
    issuer: str
    client_id: str
    secret: SecretText | None = field(repr=False)
    """None: a public client."""
    scopes: tuple[str, ...]
    role_claim: str
    role_map: tuple[tuple[str, str], ...]
    """Values of the claim and the role of each, the first that matches first."""
    default_role: str
    mfa_acr: frozenset[str]
    mfa_amr: frozenset[str]
    trusts_email: bool
    enforced: bool
    domains: frozenset[str]

    @property
    def inside(self) -> Sequence[Network]:
        """Which private networks its servers may stand in: a tenant does not choose that."""
        return EVERYWHERE if self.id == PLATFORM else configuration.OIDC_PRIVATE_NETWORKS()

    @property
    def redirect_uri(self) -> str:
        """Where it sends people back: an address of its own, so that no other's answer fits in."""
        return f"{configuration.BASE_URL().rstrip('/')}/sso/back/{self.id}"

    def counts_as_mfa(self, claims: Claims) -> bool:
        """Whether the provider says that it asked for a second factor, in words that we know."""
        methods = claims.get("amr")
        told = set(map(str, methods)) if isinstance(methods, list) else set()
        return claims.get("acr") in self.mfa_acr or bool(told & self.mfa_amr)

    def role_in(self, claims: Claims) -> str | None:
        """The role that the claim gives, or the default; None: nothing is given."""
        values = values_of(claims, self.role_claim)
        found = (role for value, role in self.role_map if value in values)
        return next(found, self.default_role) or None


def values_of(claims: Claims, name: str) -> set[str]:
    """What a claim says, one text or a list of them.

    A name that begins with `/` is a JSON pointer (RFC 6901), for claims inside of others, such as
    `/realm_access/roles`.
    """
    found: Any = claims
    steps = name[1:].split("/") if name.startswith("/") else [name]
    for step in steps if name else ():
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, dict) else None
    if not name or isinstance(found, dict):
        return set()
    many = found if isinstance(found, list) else [found]
    return {each for each in many if isinstance(each, str)}


def platform_provider() -> Provider | None:
    """The provider of the settings; None when there is none."""
    issuer, client_id = configuration.OIDC_ISSUER(), configuration.OIDC_CLIENT_ID()
    if not issuer or not client_id:
        return None
    secret = configuration.OIDC_CLIENT_SECRET()
    roles = {
        "security_admin": configuration.OIDC_ADMIN_VALUES(),
        "auditor": configuration.OIDC_AUDITOR_VALUES(),
    }
    return Provider(
        id=PLATFORM, tenant_id=None, slug="", tenant_name="", name=configuration.OIDC_NAME(),
        issuer=issuer, client_id=client_id, secret=SecretText(secret) if secret else None,
        scopes=tuple(configuration.OIDC_SCOPES()), role_claim=configuration.OIDC_ROLE_CLAIM(),
        role_map=tuple((value, role) for role, values in roles.items() for value in values),
        default_role="", mfa_acr=frozenset(configuration.OIDC_MFA_ACR()),
        mfa_amr=frozenset(configuration.OIDC_MFA_AMR()),
        trusts_email=configuration.OIDC_TRUST_EMAIL(), enforced=configuration.OIDC_ENFORCED(),
        domains=frozenset(map(str.lower, configuration.OIDC_DOMAINS())),
    )  # fmt: skip


def provider_by(id: str) -> Provider | None:
    """The provider in force of this id. Outside of any scope."""
    return platform_provider() if id == PLATFORM else _read(id=id)


def provider_of(slug: str) -> Provider | None:
    """The provider in force of the tenant of this slug. Outside of any scope."""
    return _read(slug=slug)


def provider_for(email: str) -> Provider | None:
    """Who speaks for the address's domain, the platform's first. Outside of any scope."""
    domain = domain_of(email)
    platform = platform_provider()
    if platform is not None and domain in platform.domains:
        return platform
    return _read(domain=domain) if domain else None


def of_row(row: IdentityProvider, tenant: Tenant) -> Provider:
    """A tenant's provider as it is set up, in force or not; without its domains."""
    told = {name: getattr(row, name) for name in COLUMNS if hasattr(row, name)}
    return _made({
        **told, "slug": tenant.slug, "tenant_name": tenant.name, "domains": [],
    })  # fmt: skip


def any_provider() -> bool:
    """Whether anyone can sign in through one at all. Outside of any scope."""
    return platform_provider() is not None or _read() is not None


def domain_of(email: str) -> str:
    """The domain of a mail address in lower case; empty for what is none."""
    return email.rpartition("@")[2].strip().lower() if "@" in email else ""


def _read(
    id: str | None = None, slug: str | None = None, domain: str | None = None
) -> Provider | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(COLUMNS)} FROM tenancy_provider_read(%s, %s, %s)",  # noqa: S608 - ours
            [id, slug, domain],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    told = dict(zip(COLUMNS, row, strict=True))
    return _made({**told, "role_map": json.loads(told["role_map"])})


def _made(told: dict[str, Any]) -> Provider:
    secret = _opened(told.pop("sealed_secret"), told["id"])
    return Provider(
        **told | {
            "secret": secret, "scopes": tuple(told["scopes"]),
            "role_map": tuple((value, role) for value, role in told["role_map"]),
            **{name: frozenset(told[name]) for name in ("mfa_acr", "mfa_amr", "domains")},
        }
    )  # fmt: skip


def _opened(sealed: str, id: str) -> SecretText | None:
    """The secret; what lost its key is no secret that the provider would take."""
    if not sealed:
        return None
    try:
        return SecretText(open_sealed(sealed, SECRET, id).decode())
    except SealBroken:
        return SecretText("")
