"""Snapshots from PostgreSQL: misses of one turn of the event loop are one statement."""

import asyncio
from typing import Final

import msgspec
import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from keys.decision.script import Script, StoreUnavailable
from keys.decision.snapshots import (
    ApiRow,
    ApiSnapshot,
    GatewayRow,
    GatewaySnapshot,
    KeyRow,
    KeySnapshot,
    Lru,
    Negative,
    TenantSnapshot,
    gateway_snapshot,
    key_snapshot,
)

SQL: Final = "SELECT kind, id, body FROM check_snapshots(%s, %s)"
TIMEOUT: Final = 2.0
"""Seconds for one statement, the wait for a connection included."""
log = structlog.get_logger()


class Snapshots:
    """Everything held: gateways, keys, and what is known not to exist, each bounded on its own."""

    def __init__(self, pool: AsyncConnectionPool, script: Script, held_keys: int) -> None:
        self.pool, self.script = pool, script
        self.keys: Lru[KeySnapshot] = Lru(held_keys)
        self.gateways: Lru[GatewaySnapshot] = Lru(10_000)
        self.unknown_keys: Lru[Negative] = Lru(100_000)
        self.unknown_gateways: Lru[Negative] = Lru(10_000)
        self.tenants: dict[str, tuple[str, TenantSnapshot]] = {}
        self.apis: dict[str, tuple[str, ApiSnapshot]] = {}
        self.wanted_gateways: set[str] = set()
        self.wanted_keys: set[str] = set()
        self.next: asyncio.Future[None] | None = None
        self.statements = 0

    def gateway(self, kid: str) -> GatewaySnapshot | Negative | None:
        """What is held of a gateway's kid; None: load it."""
        return self.gateways.get(kid) or self.unknown_gateways.get(kid)

    def key(self, kid: str) -> KeySnapshot | Negative | None:
        """What is held of a key's kid; None: load it."""
        return self.keys.get(kid) or self.unknown_keys.get(kid)

    async def load(self, gateway: str | None, key: str | None) -> None:
        """Read these afresh, together with all others that are wanted in this turn of the loop.

        Raises StoreUnavailable; what was held stays held, and is checked by Redis as before.
        """
        if gateway:
            self.wanted_gateways.add(gateway)
        if key:
            self.wanted_keys.add(key)
        if self.next is None:
            self.next = asyncio.ensure_future(self._load_wanted())
        await asyncio.shield(self.next)

    async def _load_wanted(self) -> None:
        try:
            await asyncio.sleep(0)  # let this turn's other misses join
            if not self.script.lease:
                await self.script.refresh()
        finally:
            # Newcomers start the next load: what this one reads may be older than they are.
            self.next = None
        gateways, self.wanted_gateways = self.wanted_gateways, set()
        keys, self.wanted_keys = self.wanted_keys, set()
        # Taken before the read: whatever was published after this refuses the offer.
        lease, stamp = self.script.lease, self.script.stamp
        rows = await self._read(list(gateways), list(keys))
        self._hold(rows, lease)
        self._forget(gateways, keys, {(kind, name) for kind, name, _ in rows}, stamp)

    async def _read(self, gateways: list[str], keys: list[str]) -> list[tuple[str, str, str]]:
        self.statements += 1
        try:
            async with asyncio.timeout(TIMEOUT):
                async with self.pool.connection(timeout=TIMEOUT) as connection:
                    cursor = await connection.execute(SQL, (gateways, keys))
                    return await cursor.fetchall()
        except (psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
            log.warning("snapshots.unavailable", error=type(error).__name__)
            raise StoreUnavailable from None

    def _hold(self, rows: list[tuple[str, str, str]], lease: str) -> None:
        # Tenants and Apis stand first: keys point at them. Equal text keeps the shared object.
        for kind, name, body in sorted(rows, key=lambda row: row[0] in "kg"):
            if kind == "t":
                held = self.tenants.get(name)
                if held is None or held[0] != body:
                    held = (body, msgspec.json.decode(body, type=TenantSnapshot))
                    self.tenants[name] = held
                held[1].lease = lease
            elif kind == "a":
                if name not in self.apis or self.apis[name][0] != body:
                    row = msgspec.json.decode(body, type=ApiRow)
                    self.apis[name] = (body, ApiSnapshot(row))
            elif kind == "k":
                key = msgspec.json.decode(body, type=KeyRow)
                tenant, api = self.tenants[key.tenant][1], self.apis[key.api][1]
                self.keys.put(name, key_snapshot(name, key, tenant, api, lease))
                self.unknown_keys.drop(name)
            else:
                gateway = msgspec.json.decode(body, type=GatewayRow)
                self.gateways.put(name, gateway_snapshot(name, gateway, lease))
                self.unknown_gateways.drop(name)

    def _forget(
        self, gateways: set[str], keys: set[str], found: set[tuple[str, str]], stamp: str
    ) -> None:
        for kid in keys:
            if ("k", kid) not in found:
                self.keys.drop(kid)
                self.unknown_keys.put(kid, Negative(stamp))
        for kid in gateways:
            if ("g", kid) not in found:
                self.gateways.drop(kid)
                self.unknown_gateways.put(kid, Negative(stamp))
