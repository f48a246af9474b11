"""`python -m keys.draining`: consumes the shard's stream; SIGTERM ends it between stretches."""

import asyncio
import signal
import time
from typing import Final

import hiredis
import msgspec
import psycopg
import structlog

from keys.decision.link import Link, LinkDown
from keys.draining import stream
from portal.core import configuration
from portal.core.logs import configure_logs
from portal.core.names import name

IDLE: Final = 0.1
"""Seconds between looks at an empty stream."""
LINK_TIMEOUT: Final = 5.0
log = structlog.get_logger()


async def drain_for_ever(stop: asyncio.Event) -> None:
    """Drain until told to stop; what is lost meanwhile (PostgreSQL, Redis) is waited for."""
    link = Link(configuration.REDIS_URL(), LINK_TIMEOUT)
    url = configuration.DATABASE_CHECK_URL() or configuration.DATABASE_URL()
    while not stop.is_set():
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await _drain(link, connection, stop)
        except (psycopg.Error, LinkDown, hiredis.HiredisError, OSError) as error:
            log.warning("drain.waiting", error=type(error).__name__)
            await asyncio.sleep(0.5)
    link.close()


async def _drain(link: Link, connection: psycopg.AsyncConnection, stop: asyncio.Event) -> None:
    held = await stream.place(connection)
    await stream.trim_written(link, held)
    counted = 0.0
    while not stop.is_set():
        era = await link.call("GET", name("era"))
        drained = 0
        if era is not None:
            held, drained = await stream.drain(link, connection, era.decode(), held)
        if time.monotonic() - counted > 5:
            counted = time.monotonic()
            await _write_unknown(link, connection)
        if not drained:
            await asyncio.sleep(IDLE)


async def _write_unknown(link: Link, connection: psycopg.AsyncConnection) -> None:
    """The last minutes' counts of unknown keys; absolute, so that repeating is harmless."""
    now = int(time.time() // 60) * 60_000
    for minute in range(now - 3 * 60_000, now + 1, 60_000):
        flat = await link.call("HGETALL", name("unknown", str(minute)))
        rows = []
        for field, count in zip(flat[::2], flat[1::2], strict=True):
            gateway, network, code = field.decode().split("|")
            rows.append(
                {"gateway_id": gateway, "prefix": network, "minute": minute, "code": code,
                 "checks": int(count)}
            )  # fmt: skip
        if rows:
            text = msgspec.json.encode(rows).decode()
            await connection.execute("SELECT drain_unknown(%s::jsonb)", (text,))


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await drain_for_ever(stop)


if __name__ == "__main__":
    configure_logs(configuration.LOG_LEVEL())
    asyncio.run(main())
