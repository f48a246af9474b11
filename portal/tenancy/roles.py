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

# What pages alone ask for. No management token can hold any of it: it touches no members and makes
# no tokens (DESIGN.md, section 5). `own-tokens` act for oneself, `tokens` are everyone's.
EVERY_MEMBER: Final = frozenset({"members:read", "gateways:read"})
OWN_TOKENS: Final = frozenset({"own-tokens:read", "own-tokens:write"})
GOVERNING: Final = OWN_TOKENS | {"members:write", "tokens:read", "tokens:write"}

ACTIONS: Final[dict[str, frozenset[str]]] = {
    "owner": READ | WRITE | EVERY_MEMBER | GOVERNING | {"sso:read", "sso:write"},
    "developer": EVERY_MEMBER
    | OWN_TOKENS
    | {"keys:read", "keys:write", "limits:read", "usage:read"},
    "privacy_officer": READ | PRIVACY | EVERY_MEMBER,
    "viewer": (READ | EVERY_MEMBER) - {"subjects:read", "requests:read"},
}
"""Tenant roles."""

PLATFORM_READ: Final = READ | {
    "tenants:read", "people:read", "members:read", "tokens:read", "gateways:read", "apis:read",
    "mail:read", "sso:read",
}  # fmt: skip
PLATFORM_ACTIONS: Final[dict[str, frozenset[str]]] = {
    "": frozenset(),
    "security_admin": PLATFORM_READ
    | WRITE
    | {
        "tenants:write",
        "members:write",
        "tokens:write",
        "gateways:write",
        "apis:write",
        "sso:write",
    },
    "auditor": PLATFORM_READ,
}
"""Platform roles, in every tenant."""


def reading(actions: frozenset[str]) -> frozenset[str]:
    """Those of `actions` that change nothing."""
    return frozenset(action for action in actions if action.endswith(":read"))
