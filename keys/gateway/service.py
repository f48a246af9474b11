"""The check path as a running service: its own pool and link, and what it repairs meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import hiredis
import msgspec
import psycopg
import structlog
from prometheus_client import REGISTRY
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from keys.decision.addresses import Caller
from keys.decision.decider import Decider
from keys.decision.link import Link, LinkDown
from keys.decision.loader import Snapshots
from keys.decision.script import Script, StoreUnavailable
from keys.draining.restoring import Restorer
from keys.gateway.check import CheckEndpoint
from keys.gateway.http import Callers, Disconnected, Receive, Scope, Send, refuse
from keys.gateway.metrics import CheckMetrics
from keys.gateway.nginx import NginxEndpoint
from keys.gateway.probes import Readiness, healthz, metrics
from portal.core import configuration
from portal.core.names import name, prefix
from portal.core.versions import BUMP_SCRIPT

POLL: Final = 0.1
LEFT_BEHIND: Final = "300 milliseconds"
"""Older outbox rows are not a writer's about to publish: it died, or could not reach Redis."""
REPAIR_TIMEOUT: Final = 5.0
log = structlog.get_logger()
Endpoint = Callable[[Scope, Receive, Send, Caller], Awaitable[None]]


class CheckService:
    """An ASGI application for the paths that gateways call. `start` before, `stop` after."""

    def __init__(self, *, alone: bool = False) -> None:
        """`alone`: no portal beside it in this process, so it answers probes itself."""
        url = configuration.REDIS_URL()
        # It gives up soon: the next miss tries again at once, where its own attempts double their
        # pause, and keys that are not held stayed 503 for seconds after PostgreSQL was back.
        self.pool = AsyncConnectionPool(
            configuration.DATABASE_CHECK_URL() or configuration.DATABASE_URL(),
            min_size=1, max_size=4, open=False, timeout=2, reconnect_timeout=0.5,
            kwargs={"autocommit": True, "options": "-c statement_timeout=2000"},
        )  # fmt: skip
        self.link = Link(url)
        # Repairs take longer than a decision may, and must not stand in its way.
        self.repair_link = Link(url, REPAIR_TIMEOUT)
        self.script = Script(
            self.link,
            most_decisions=configuration.STREAM_CAP(),
            test_clock=configuration.TEST_CLOCK(),
        )
        self.snapshots = Snapshots(self.pool, self.script, configuration.HELD_KEYS())
        self.restorer = Restorer(self.repair_link, self.pool)
        self.decider = Decider(self.snapshots, self.script, self.restorer)
        self.callers = Callers()
        self.endpoints: dict[str, Endpoint] = {
            "/v1/keys/check": CheckEndpoint(self.decider),
            "/v1/authorize/nginx": NginxEndpoint(self.decider),
        }
        if alone:
            self.endpoints |= {
                "/healthz": healthz, "/readyz": Readiness(self.script), "/metrics": metrics,
            }  # fmt: skip
        self.metrics = CheckMetrics(self)
        self.undrained = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.stopping = False

    def serves(self, path: str) -> bool:
        """Whether this path is one that gateways call."""
        return path in self.endpoints

    async def start(self) -> None:
        """Open connections in the background: the service starts without its stores too."""
        REGISTRY.register(self.metrics)
        await self.pool.open(wait=False)
        with suppress(StoreUnavailable):
            await self.restorer()
        for work in (self._repair_outbox, self._write_notes):
            self.tasks.append(asyncio.ensure_future(self._repeat(work)))

    async def stop(self) -> None:
        """End the repairs and close connections."""
        REGISTRY.unregister(self.metrics)
        self.stopping = True  # a cancellation may be swallowed where psycopg waits
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.link.close()
        self.repair_link.close()
        await self.pool.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; a path that is none of ours is a 404 problem."""
        endpoint = self.endpoints.get(scope["path"])
        if endpoint is None:
            await refuse(send, "NOT_FOUND", "There is nothing at this address.")
            return
        with suppress(Disconnected):
            scheme = scope.get("scheme", "http")
            caller = self.callers.caller(scope.get("client"), scheme, scope["headers"])
            await endpoint(scope, receive, send, caller)

    async def _repeat(self, work: Callable[[], Awaitable[float]]) -> None:
        while not self.stopping:
            try:
                pause = await work()
            except (psycopg.Error, PoolTimeout, LinkDown, hiredis.HiredisError, OSError) as error:
                log.warning("repair.waiting", work=work.__name__, error=type(error).__name__)
                pause = 0.5
            except Exception:  # a repair that ends unseen would break what it keeps
                log.exception("repair.failed", work=work.__name__)
                pause = 0.5
            await asyncio.sleep(pause)

    async def _repair_outbox(self) -> float:
        """Publish what dead writers left behind (DESIGN.md, section 6: within half a second)."""
        async with self.pool.connection(timeout=2) as connection, connection.transaction():
            cursor = await connection.execute(
                "SELECT id, versions::text FROM outbox_claim(%s::interval, 100)", (LEFT_BEHIND,)
            )
            rows = await cursor.fetchall()
            if not rows:
                return POLL
            for _, versions in rows:
                packed = msgspec.msgpack.encode(msgspec.json.decode(versions))
                await self.repair_link.call("EVAL", BUMP_SCRIPT, 1, prefix(), packed)
            await connection.execute("SELECT outbox_done(%s)", ([row[0] for row in rows],))
        return 0.0

    async def _write_notes(self) -> float:
        await self.decider.guesses.write(self.script)
        await self.decider.upgrades.write()
        await self.decider.exposures.write()
        self.undrained = int(await self.repair_link.call("GET", name("log", "decisions")) or 0)
        return 1.0
