"""The rows of who: one module a noun."""

from portal.tenancy.models.api import Api, ApiGrant, Route, Scope
from portal.tenancy.models.credential import Gateway, GatewayTenant, ManagementToken
from portal.tenancy.models.idempotency import IdempotencyRecord
from portal.tenancy.models.job import Job, JobPart
from portal.tenancy.models.passkey import Passkey
from portal.tenancy.models.person import Membership, Person
from portal.tenancy.models.provider import (
    DeprovisioningToken,
    ExternalIdentity,
    IdentityProvider,
    LinkInvitation,
    ProviderDomain,
)
from portal.tenancy.models.sign_in import (
    Invitation,
    PasswordReset,
    RecoveryCode,
    Session,
    Totp,
    Tries,
    UsedForm,
)
from portal.tenancy.models.tenant import Tenant
from portal.tenancy.models.tenant_invitation import TenantInvitation

__all__ = [
    "Api",
    "ApiGrant",
    "DeprovisioningToken",
    "ExternalIdentity",
    "Gateway",
    "GatewayTenant",
    "IdempotencyRecord",
    "IdentityProvider",
    "Invitation",
    "Job",
    "JobPart",
    "LinkInvitation",
    "ManagementToken",
    "Membership",
    "Passkey",
    "PasswordReset",
    "Person",
    "ProviderDomain",
    "RecoveryCode",
    "Route",
    "Scope",
    "Session",
    "Tenant",
    "TenantInvitation",
    "Totp",
    "Tries",
    "UsedForm",
]
