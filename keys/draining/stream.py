"""Reading a shard's stream and writing it to PostgreSQL, exactly once, whatever is killed when."""

from typing import Any, Final, NamedTuple

import msgspec
from psycopg import AsyncConnection

from keys.decision.link import Link
from keys.draining.rollup import Rollup
from portal.core.names import SHARD, name, prefix

START: Final = "0-0"
STRETCH: Final = 64
"""Stream entries in one transaction; each is up to 128 decisions."""

# Trims what was written and takes it off the shard's fill, together. KEYS[1]: the prefix.
# ARGV[1], packed: {last id, decisions, bytes, entries}. What someone else trimmed is not taken off.
TRIM: Final = """
local last, decisions, bytes, entries = unpack(cmsgpack.unpack(ARGV[1]))
local log = KEYS[1] .. 'log'
local ms, n = string.match(last, '^(%d+)-(%d+)$')
local removed = redis.call('XTRIM', log, 'MINID', ms .. '-' .. string.format('%.0f', n + 1))
if redis.call('XLEN', log) == 0 then
  redis.call('SET', KEYS[1] .. 'log:decisions', 0)
  redis.call('SET', KEYS[1] .. 'log:bytes', 0)
elseif removed == entries then
  redis.call('DECRBY', KEYS[1] .. 'log:decisions', decisions)
  redis.call('DECRBY', KEYS[1] .. 'log:bytes', bytes)
end
return removed
"""


class Place(NamedTuple):
    """How far a shard was written: in which era, up to which stream id."""

    era: str | None
    position: str


class Stretch(NamedTuple):
    """Consecutive stream entries."""

    last: str
    packs: list[bytes]
    decisions: int
    size: int


async def place(connection: AsyncConnection) -> Place:
    """What PostgreSQL has; no era when nothing was ever drained."""
    cursor = await connection.execute("SELECT * FROM drain_position(%s::smallint)", (SHARD,))
    row = await cursor.fetchone()
    return Place(row[0], row[1]) if row else Place(None, START)


async def read(link: Link, after: str, until: str = "+", most: int = STRETCH) -> Stretch | None:
    """The entries after `after`; None when there are none."""
    begin = "-" if after == START else f"({after}"
    rows: list[Any] = await link.call("XRANGE", name("log"), begin, until, "COUNT", most)
    if not rows:
        return None
    fields = [dict(zip(row[1][::2], row[1][1::2], strict=True)) for row in rows]
    return Stretch(
        rows[-1][0].decode(),
        [f[b"d"] for f in fields],
        sum(int(f[b"n"]) for f in fields),
        sum(int(f[b"s"]) for f in fields),
    )


async def write(connection: AsyncConnection, era: str, after: str, stretch: Stretch) -> bool:
    """Write one stretch in one transaction; False when another drain was there first."""
    rollup = Rollup()
    for pack in stretch.packs:
        rollup.add(pack)
    cursor = await connection.execute(
        "SELECT drain_apply(%s::smallint, %s, %s, %s, %s::jsonb)",
        (SHARD, era, after, stretch.last, rollup.batch().decode()),
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def trim(link: Link, stretch: Stretch) -> None:
    """Remove what was written from the stream."""
    argument = (stretch.last, stretch.decisions, stretch.size, len(stretch.packs))
    await link.call("EVAL", TRIM, 1, prefix(), msgspec.msgpack.encode(argument))


async def drain(
    link: Link, connection: AsyncConnection, era: str, held: Place
) -> tuple[Place, int]:
    """Write the next stretch; returns the new place and how many decisions it had."""
    after = held.position if held.era == era else START
    stretch = await read(link, after)
    if stretch is None:
        return Place(era, after), 0
    if not await write(connection, era, after, stretch):
        return await place(connection), 0
    await trim(link, stretch)
    return Place(era, stretch.last), stretch.decisions


async def trim_written(link: Link, held: Place) -> None:
    """What a killed drain had written and not trimmed."""
    while stretch := await read(link, START, held.position):
        await trim(link, stretch)
