"""What a check process holds of gateways and keys, believed until Redis says no.

A snapshot keeps no more than a decision needs, in few small objects: 100 000 keys are held. Each
carries the lease that it was read under (see decide.lua).
"""

from base64 import b64decode
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

import msgspec

from keys.codes import Code
from keys.decision.addresses import Network, network
from keys.decision.routes import Route, RouteTable
from portal.core import clock, versions

T = TypeVar("T")


class Negative(msgspec.Struct, frozen=True, gc=False):
    """No such kid, as of this stamp of Redis' negatives epoch."""

    stamp: str


class TenantSnapshot(msgspec.Struct, gc=False):
    """A tenant, shared by its keys."""

    id: str
    slug: str
    status: str
    epoch: int
    consent_epoch: int
    lease: str = ""


class ApiSnapshot:
    """An Api's name and routes, shared by its keys."""

    __slots__ = ("id", "routes", "slug")

    def __init__(self, row: "ApiRow") -> None:
        self.id, self.slug, self.routes = row.id, row.slug, RouteTable(row.routes)


class GatewaySnapshot(msgspec.Struct, gc=False):
    """A gateway: its credential's digest and what it may ask about."""

    id: str
    kid: str
    api: str
    environments: frozenset[str]
    networks: tuple[Network, ...]
    declared: frozenset[str]
    tenants: frozenset[str]
    disabled: bool
    version: int
    digest: bytes
    pepper: int
    lease: str


class LimitShape(msgspec.Struct, frozen=True, gc=False):
    """A limit without its counter: shared by all keys that have the same."""

    name: str
    unit: str
    amount: int
    window: str
    algorithm: str
    burst: int | None


class KeySnapshot(msgspec.Struct, gc=False):
    """A key and one of its secrets."""

    id: str
    kid: str
    tenant: TenantSnapshot
    api: ApiSnapshot
    environment: str
    state: str
    owner_active: bool
    revoked: bool
    scopes: frozenset[str]
    networks: tuple[Network, ...]
    models: frozenset[str]
    version: int
    digest: bytes
    pepper: int
    ends: tuple[int, ...]
    """Pairs of a moment in milliseconds and the code from then on."""
    limits: tuple[LimitShape, ...]
    units: frozenset[str]
    """Units that usage is kept in: others would let a caller fill the tables with made-up names."""
    packed_limits: msgspec.Raw
    rendered: bytes
    """The answer's `key` member."""
    lease: str


class LimitRow(msgspec.Struct):
    name: str
    unit: str
    amount: int
    window: str
    algorithm: str
    burst: int | None
    of: str
    made: int


class KeyRow(msgspec.Struct):
    id: str
    tenant: str
    api: str
    owner: str
    owner_active: bool
    name: str
    environment: str
    state: str
    scopes: list[str]
    cidrs: list[str]
    models: list[str]
    purposes: list[str] | None
    metadata: dict[str, Any]
    version: int
    expires: int | None
    secret_end: int | None
    revoked: int | None
    digest: str
    pepper: int
    limits: list[LimitRow]


class GatewayRow(msgspec.Struct):
    id: str
    api: str
    environments: list[str]
    cidrs: list[str]
    declared: list[str]
    version: int
    disabled: bool
    digest: str
    pepper: int
    tenants: list[str]


class ApiRow(msgspec.Struct):
    id: str
    slug: str
    routes: list[Route]


class Lru(Generic[T]):
    """A bounded mapping that forgets what was not asked for longest."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held: OrderedDict[str, T] = OrderedDict()

    def get(self, name: str) -> T | None:
        """What is held under `name`, now the most recent."""
        value = self.held.get(name)
        if value is not None:
            self.held.move_to_end(name)
        return value

    def put(self, name: str, value: T) -> None:
        """Hold it; the least recent gives way."""
        self.held[name] = value
        self.held.move_to_end(name)
        if len(self.held) > self.most:
            self.held.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget it."""
        self.held.pop(name, None)


_shared: dict[Any, Any] = {}
_SHARED_MOST: Final = 50_000


def _share(value: T) -> T:
    """The first equal value seen: most keys have the scopes and limits of their neighbours."""
    if len(_shared) > _SHARED_MOST:
        _shared.clear()
    return _shared.setdefault(value, value)  # type: ignore[no-any-return]  # equal, so of T


def counter(of: str, limit: LimitRow) -> str:
    """The name of a counter: what it is of, and the identity of the limit (DESIGN.md, section 5).

    The amount takes no part, so that a changed limit goes on counting.
    """
    identity = "|".join((of, limit.name, limit.unit, limit.window, limit.algorithm))
    return blake2b(identity.encode(), digest_size=12).hexdigest()


def packed(limits: Sequence[LimitRow]) -> msgspec.Raw:
    """Limits as decide.lua takes them."""
    flat: list[str | int] = []
    for limit in limits:
        flat += [
            counter(limit.of, limit), limit.algorithm, limit.amount, limit.window,
            limit.burst or 0, limit.made,
        ]  # fmt: skip
    return msgspec.Raw(msgspec.msgpack.encode(flat))


def _rendered(row: KeyRow, tenant: TenantSnapshot, api: ApiSnapshot) -> bytes:
    expires = None if row.expires is None else clock.rfc3339(clock.from_milliseconds(row.expires))
    return msgspec.json.encode(
        {
            "id": row.id, "name": row.name, "tenant": tenant.slug, "api": api.slug,
            "environment": row.environment, "owner": row.owner, "scopes": row.scopes,
            "expires_at": expires, "metadata": row.metadata,
        }
    )  # fmt: skip


def _ends(row: KeyRow) -> tuple[int, ...]:
    ends: list[int] = []
    for moment in (row.expires, row.secret_end):
        if moment is not None:
            ends += [moment, Code.KEY_EXPIRED]
    return tuple(ends)


def key_snapshot(
    kid: str, row: KeyRow, tenant: TenantSnapshot, api: ApiSnapshot, lease: str
) -> KeySnapshot:
    """The snapshot of one secret of a key."""
    shapes = tuple(
        _share(LimitShape(x.name, x.unit, x.amount, x.window, x.algorithm, x.burst))
        for x in row.limits
    )
    return KeySnapshot(
        id=row.id, kid=kid, tenant=tenant, api=api,
        environment=row.environment, state=row.state,
        owner_active=row.owner_active, revoked=row.revoked is not None,
        scopes=_share(frozenset(row.scopes)),
        networks=_share(tuple(network(text) for text in row.cidrs)),
        models=_share(frozenset(row.models)), version=row.version,
        digest=b64decode(row.digest), pepper=row.pepper, ends=_share(_ends(row)),
        limits=_share(shapes),
        units=_share(frozenset({"requests", "tokens", *(x.unit for x in row.limits)})),
        packed_limits=packed(row.limits),
        rendered=_rendered(row, tenant, api), lease=lease,
    )  # fmt: skip


def gateway_snapshot(kid: str, row: GatewayRow, lease: str) -> GatewaySnapshot:
    """The snapshot of a gateway."""
    return GatewaySnapshot(
        id=row.id, kid=kid, api=row.api, environments=frozenset(row.environments),
        networks=tuple(network(text) for text in row.cidrs),
        declared=frozenset(name.lower() for name in row.declared),
        tenants=frozenset(row.tenants), disabled=row.disabled, version=row.version,
        digest=b64decode(row.digest), pepper=row.pepper, lease=lease,
    )  # fmt: skip


def believed_of_gateway(gateway: GatewaySnapshot) -> list[str | int]:
    """Name, version and lease, as the script wants them."""
    return [versions.of_gateway(gateway.id), gateway.version, gateway.lease]


def believed(gateway: GatewaySnapshot, key: KeySnapshot) -> list[str | int]:
    """Everything that a decision on this key believes."""
    tenant = key.tenant
    return [
        versions.of_gateway(gateway.id), gateway.version, gateway.lease,
        versions.of_key(key.id), key.version, key.lease,
        versions.of_tenant(tenant.id), tenant.epoch, tenant.lease,
    ]  # fmt: skip
