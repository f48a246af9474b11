"""Who acts: every verb takes an `Actor` and asks it whether it may."""

from dataclasses import dataclass, field, replace

from audit.ledger.who import Who
from portal.tenancy.roles import (
    ACTIONS,
    MANAGEMENT_SCOPES,
    PLATFORM_ACTIONS,
    READ,
    WRITE,
)


@dataclass(frozen=True)
class Actor(Who):
    """A person, a management token or the system, with what it may do right now.

    `tenant_id` is None for platform roles and the system, which act in any tenant.
    """

    tenant_id: str | None = None
    membership_id: str | None = None
    actions: frozenset[str] = field(default_factory=frozenset)

    def may(self, action: str) -> bool:
        """Whether the role × action matrix allows `action`, such as `keys:write`."""
        return action in self.actions

    def within(self, *, request_id: str, address: str | None) -> "Actor":
        """The same actor, in one request."""
        return replace(self, request_id=request_id, address=address)


def system(label: str) -> Actor:
    """The product itself or an operator at its command line; `label` says which command."""
    every = READ | WRITE | PLATFORM_ACTIONS["security_admin"]
    return Actor(kind="system", id=label, label=label, actions=every)


def service(
    *, token_id: str, name: str, tenant_id: str, membership_id: str, role: str, scopes: list[str]
) -> Actor:
    """A management token: never more than its scopes, nor than its creator's present role."""
    return Actor(
        kind="service", id=token_id, label=name, auth=("management_token",),
        tenant_id=tenant_id, membership_id=membership_id,
        actions=ACTIONS[role] & MANAGEMENT_SCOPES & frozenset(scopes),
    )  # fmt: skip
