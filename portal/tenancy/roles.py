"""Who may do what: the one matrix of roles and actions. What is not listed is refused."""

from typing import Final

READ: Final = frozenset(
    f"{area}:read"
    for area in (
        "keys", "limits", "usage", "audit", "consents",
        "purposes", "notices", "subjects", "retention", "requests",
    )
)  # fmt: skip
WRITE: Final = frozenset(
    f"{area}:write"
    for area in (
        "keys", "limits", "consents", "purposes", "notices", "subjects", "retention", "requests",
    )
)  # fmt: skip
MANAGEMENT_SCOPES: Final = READ | WRITE
"""Every scope that a management token can hold (CONTRACT.md, Credentials)."""

PRIVACY: Final = frozenset(
    f"{area}:write"
    for area in ("consents", "purposes", "notices", "subjects", "retention", "requests")
)

ACTIONS: Final[dict[str, frozenset[str]]] = {
    "owner": READ | WRITE | {"sso:read", "sso:write"},
    "developer": frozenset({"keys:read", "keys:write", "limits:read", "usage:read"}),
    "privacy_officer": READ | PRIVACY,
    "viewer": READ - {"subjects:read", "requests:read"},
}
"""Tenant roles."""

PLATFORM_READ: Final = READ | {
    "tenants:read", "people:read", "gateways:read", "apis:read", "mail:read", "sso:read",
}  # fmt: skip
PLATFORM_ACTIONS: Final[dict[str, frozenset[str]]] = {
    "": frozenset(),
    "security_admin": PLATFORM_READ
    | WRITE
    | {
        "tenants:write",
        "gateways:write",
        "apis:write",
        "sso:write",
    },
    "auditor": PLATFORM_READ,
}
"""Platform roles, in every tenant."""
