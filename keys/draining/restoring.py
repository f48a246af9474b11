"""What happens when Redis has lost its memory, or may have: another era begins.

An era is a stretch of time in which one run of one Redis remembered everything. Without one nothing
is decided, and what was believed in an earlier one is read anew. One process, by a lock in Redis,
drains what is left, writes the open windows' counters back from PostgreSQL, and begins the era;
what was granted since the last drain is what can be granted twice (DESIGN.md, I1).

A Redis that was started again, or another one in its place, may be without its last writes. If its
log reaches as far as the drain has read it, all that was drained is in its counters and buckets,
and they stay. If not, its buckets are from another time: they begin empty, as after a whole loss.
"""

import asyncio
import datetime as dt
import secrets
from contextlib import suppress
from typing import Any, Final, NamedTuple

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
LOG: Final = ((), ("decisions",), ("bytes",))
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
# Begins the era, if the lock is still ours. ARGV: lock, era's id, its start or '', server's run.
BEGIN: Final = """
if redis.call('GET', KEYS[1] .. 'restoring') ~= ARGV[1] then return false end
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
-- Not before the last moment that was decided: buckets have refilled up to it.
ms = math.max(ms, tonumber(redis.call('GET', KEYS[1] .. 'clock') or 0))
local start = ARGV[3] ~= '' and ARGV[3] or string.format('%.0f', ms)
local era = ARGV[2] .. ':' .. start
redis.call('MSET', KEYS[1] .. 'era', era, KEYS[1] .. 'run', ARGV[4])
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


def _moment(entry: str) -> tuple[int, ...]:
    """A stream id as it is ordered."""
    return tuple(map(int, entry.split("-")))


class Found(NamedTuple):
    """What a Redis remembers, before its era begins."""

    run: str
    era: str | None
    whole: bool
    """Everything that was drained is in its counters."""


class Restorer:
    """Begins an era when there is none of this run; callers in one process share the attempt."""

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
            run = await self.link.call_of(lambda run: ("ECHO", run))
            era, of_run = await self.link.call("MGET", name("era"), name("run"))
            if era is not None and of_run == run:
                await self.link.call("DEL", name("restoring"))
                return
            async with self.pool.connection(timeout=2) as connection:
                await connection.set_autocommit(True)
                await self._restore(connection, lock, run.decode(), era and era.decode())
        except (psycopg.Error, PoolTimeout, LinkDown, hiredis.HiredisError, OSError) as error:
            log.warning("restore.unavailable", error=type(error).__name__)
            # The next attempt need not wait until the lock runs out.
            with suppress(LinkDown, hiredis.HiredisError, OSError):
                await self.link.call("EVAL", LET_GO, 1, prefix(), lock)
            raise StoreUnavailable from None

    async def _restore(
        self, connection: psycopg.AsyncConnection, lock: str, run: str, era: str | None
    ) -> None:
        held = await stream.place(connection)
        found = Found(run, era, await self._reaches(held, era))
        if era not in (None, held.era):
            # Entries of an era before the drain's: which of them it has read nobody knows any more.
            await self.link.call("DEL", *(name("log", *part) for part in LOG))
        elif held.era is not None:
            await self._drain_left(connection, held, lock)
        counters, start = 0, "0" if held.era is None else ""
        if era is not None and found.whole:
            start = era.rpartition(":")[2]  # nothing is lost but what nobody had drained
        else:
            if not found.whole:
                await self._forget_buckets(lock)
            counters = await self._give_back(connection, lock)
        await self._begin(connection, lock, found, start)
        log.info(
            "era.began", first=held.era is None, counters=counters, kept=found.whole and bool(era)
        )

    async def _reaches(self, held: Place, era: str | None) -> bool:
        """Whether the log in Redis goes as far as the drain has read."""
        if era not in (None, held.era):
            return False
        try:
            told = await self.link.call("XINFO", "STREAM", name("log"))
        except hiredis.ReplyError:  # no such key
            return held.position == START
        last = dict(zip(told[::2], told[1::2], strict=True))[b"last-generated-id"].decode()
        return _moment(last) >= _moment(held.position)

    async def _begin(
        self, connection: psycopg.AsyncConnection, lock: str, found: Found, start: str
    ) -> None:
        def command(run: str) -> tuple[Any, ...]:
            if run != found.run:
                raise LinkDown("the server has changed meanwhile")
            return ("EVAL", BEGIN, 1, prefix(), lock, secrets.token_hex(8), start, run)

        era = await self.link.call_of(command)
        if era:
            empty = '{"decisions":[],"quota":[],"usage":[],"uses":[],"seen":[]}'
            await connection.execute(
                "SELECT drain_apply(%s::smallint, %s, %s, %s, %s::jsonb)",
                (SHARD, era.decode(), START, START, empty),
            )

    async def _forget_buckets(self, lock: str) -> None:
        cursor = b"0"
        while True:
            await self._renew(lock)
            cursor, keys = await self.link.call(
                "SCAN", cursor, "MATCH", name("b", "*"), "COUNT", PAGE
            )
            if keys:
                await self.link.call("UNLINK", *keys)
            if cursor == b"0":
                return

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
