"""`python -m keys.draining`: consumes the shard's stream; SIGTERM ends it between stretches."""

import asyncio
import signal
import sys
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
MINUTE: Final = 60_000
LATE: Final = 3 * MINUTE
"""For so long after a minute its counts may change: clocks differ, processes write late."""
REMEMBERED: Final = 48 * 60 * MINUTE
"""How long Redis keeps them: a drain that was away for a day finds them all."""
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
    held, trimmed = await stream.place(connection), ""
    counted, since = 0.0, _minute() - REMEMBERED
    # A drain that is killed again and again still gets a little further each time.
    most = stream.PAGE
    while not stop.is_set():
        found = await link.call("GET", name("era"))
        more = False
        if found is not None:
            era = found.decode()
            if era != trimmed:
                await stream.trim_written(link, held, era)
                trimmed = era
            held, more = await stream.drain(link, connection, era, held, most)
            most = min(2 * most, stream.STRETCH)
        if time.monotonic() - counted > 5:
            counted, until = time.monotonic(), _minute()
            await _write_unknown(link, connection, since, until)
            since = until - LATE
        if not more:
            await asyncio.sleep(IDLE)


def _minute() -> int:
    return int(time.time() // 60) * MINUTE


async def _write_unknown(
    link: Link, connection: psycopg.AsyncConnection, since: int, until: int
) -> None:
    """These minutes' counts of unknown keys; absolute, so that repeating is harmless."""
    for minute in range(since, until + 1, MINUTE):
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
            if minute < until - LATE:
                await link.call("DEL", name("unknown", str(minute)))


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await drain_for_ever(stop)


if __name__ == "__main__":
    try:
        configure_logs(configuration.LOG_LEVEL())
        configuration.REDIS_URL()
    except configuration.ConfigurationError as error:
        sys.exit(str(error))
    asyncio.run(main())
