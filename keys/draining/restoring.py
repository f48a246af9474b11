"""What happens when Redis has lost its memory: calendar counters come back, a new era begins.

An era is a stretch of time in which one Redis remembered everything. Without one nothing is
decided. One process, by a lock in Redis, drains what is left, writes the open windows' counters
back from PostgreSQL, and begins the era; what was granted since the last drain is what can be
granted twice (DESIGN.md, I1).
"""

import asyncio
import datetime as dt
import secrets
from contextlib import suppress
from typing import Final

import hiredis
import msgspec
import psycopg
import structlog
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from keys.decision.link import Link, LinkDown
from keys.decision.script import StoreUnavailable
from keys.draining import stream
from keys.draining.stream import START, Place
from portal.core.clock import milliseconds
from portal.core.names import SHARD, name, prefix

LOCK_MS: Final = 10_000
PAGE: Final = 1_000
log = structlog.get_logger()

# Gives counters back, never lowering one. ARGV[1]: packed {counter, start, end, used, …}.
GIVE_BACK: Final = """
local rows = cmsgpack.unpack(ARGV[1])
for i = 1, #rows, 4 do
  local key = KEYS[1] .. 'q:' .. rows[i] .. ':' .. string.format('%.0f', rows[i + 1])
  if tonumber(redis.call('GET', key) or 0) < rows[i + 3] then
    redis.call('SET', key, string.format('%.0f', rows[i + 3]),
      'PXAT', string.format('%.0f', rows[i + 2] + 86400000))
  end
end
"""
# Begins the era, if the lock is still ours. ARGV: lock, era's id, 1 when it is the first ever.
BEGIN: Final = """
if redis.call('GET', KEYS[1] .. 'restoring') ~= ARGV[1] then return false end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
-- Not before the last moment that was decided: buckets have refilled up to it.
ms = math.max(ms, tonumber(redis.call('GET', KEYS[1] .. 'clock') or 0))
local start = ARGV[3] == '1' and '0' or string.format('%.0f', ms)
local era = ARGV[2] .. ':' .. start
redis.call('SET', KEYS[1] .. 'era', era, 'NX')
redis.call('DEL', KEYS[1] .. 'restoring')
return era
"""
RENEW: Final = """
if redis.call('GET', KEYS[1] .. 'restoring') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1] .. 'restoring', ARGV[2])
"""
LET_GO: Final = """
if redis.call('GET', KEYS[1] .. 'restoring') == ARGV[1] then
  redis.call('DEL', KEYS[1] .. 'restoring')
end
"""


class Restorer:
    """Begins an era when there is none; callers in one process share the attempt."""

    def __init__(self, link: Link, pool: AsyncConnectionPool) -> None:
        self.link, self.pool = link, pool
        self.attempt: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Try once; raises StoreUnavailable when PostgreSQL or Redis can't be reached."""
        if self.attempt is None or self.attempt.done():
            self.attempt = asyncio.ensure_future(self._try())
        await asyncio.shield(self.attempt)

    async def _try(self) -> None:
        lock = secrets.token_hex(16)
        try:
            if not await self.link.call("SET", name("restoring"), lock, "NX", "PX", LOCK_MS):
                await asyncio.sleep(0.05)  # another process is at it
                return
            if await self.link.call("EXISTS", name("era")):
                await self.link.call("DEL", name("restoring"))
                return
            async with self.pool.connection(timeout=2) as connection:
                await connection.set_autocommit(True)
                await self._restore(connection, lock)
        except (psycopg.Error, PoolTimeout, LinkDown, hiredis.HiredisError, OSError) as error:
            log.warning("restore.unavailable", error=type(error).__name__)
            # The next attempt need not wait until the lock runs out.
            with suppress(LinkDown, hiredis.HiredisError, OSError):
                await self.link.call("EVAL", LET_GO, 1, prefix(), lock)
            raise StoreUnavailable from None

    async def _restore(self, connection: psycopg.AsyncConnection, lock: str) -> None:
        held = await stream.place(connection)
        if held.era is not None:
            await self._drain_left(connection, held, lock)
        counters = await self._give_back(connection, lock)
        first = "1" if held.era is None else "0"
        era = await self.link.call(
            "EVAL", BEGIN, 1, prefix(), lock, secrets.token_hex(8), first
        )  # fmt: skip
        if era:
            empty = '{"decisions":[],"quota":[],"usage":[],"uses":[],"seen":[]}'
            await connection.execute(
                "SELECT drain_apply(%s::smallint, %s, %s, %s, %s::jsonb)",
                (SHARD, era.decode(), START, START, empty),
            )
            log.info("era.began", first=held.era is None, counters=counters)

    async def _renew(self, lock: str) -> None:
        """Go on holding the lock; raises LinkDown when it ran out and is another's now."""
        if not await self.link.call("EVAL", RENEW, 1, prefix(), lock, LOCK_MS):
            raise LinkDown("the lock ran out")

    async def _drain_left(
        self, connection: psycopg.AsyncConnection, held: Place, lock: str
    ) -> None:
        era, more = held.era or START, True
        await stream.trim_written(self.link, held, era)
        while more:
            await self._renew(lock)
            held, more = await stream.drain(self.link, connection, era, held)

    async def _give_back(self, connection: psycopg.AsyncConnection, lock: str) -> int:
        after: tuple[str, dt.datetime] = ("", dt.datetime.fromtimestamp(0, dt.UTC))
        given = 0
        while True:
            await self._renew(lock)
            cursor = await connection.execute(
                "SELECT * FROM quota_windows_open(%s, %s, %s)", (*after, PAGE)
            )
            rows = await cursor.fetchall()
            if not rows:
                return given
            flat: list[str | int] = []
            for counter, start, end, used in rows:
                flat += [counter, milliseconds(start), milliseconds(end), used]
            await self.link.call("EVAL", GIVE_BACK, 1, prefix(), msgspec.msgpack.encode(flat))
            given += len(rows)
            after = (rows[-1][0], rows[-1][1])
