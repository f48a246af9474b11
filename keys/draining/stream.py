"""Reading a shard's stream and writing it to PostgreSQL, exactly once, whatever is killed when."""

from typing import Any, Final, NamedTuple

import msgspec
import psycopg
import structlog
from psycopg import AsyncConnection

from keys.decision.link import Link
from keys.draining.rollup import Rollup
from portal.core.names import SHARD, name, prefix

START: Final = "0-0"
POISON: Final = (psycopg.DataError, msgspec.MsgspecError, ValueError)
"""What an entry that nobody can write raises; anything else is the store's trouble, and passes."""
MOST_DEAD: Final = 1_000
STRETCH: Final = 512
"""Stream entries in one transaction; each is up to 128 decisions."""
PAGE: Final = 64
"""Entries in one reply: Redis does nothing else while it makes it."""
MOST_DECISIONS: Final = 8192
"""Decisions in one transaction, or a page more. The more there are, the fewer rows all of them
raise: keys, hours and windows come again."""

# Removes what was written and takes it off the shard's fill, together. KEYS[1]: the prefix.
# ARGV[1], packed: {id, decisions, bytes, …}. What another drain removed is not taken off again.
TRIM: Final = """
local log, entries = KEYS[1] .. 'log', cmsgpack.unpack(ARGV[1])
local decisions, bytes = 0, 0
for i = 1, #entries, 3 do
  if redis.call('XDEL', log, entries[i]) == 1 then
    decisions, bytes = decisions + entries[i + 1], bytes + entries[i + 2]
  end
end
if redis.call('XLEN', log) == 0 then
  redis.call('SET', KEYS[1] .. 'log:decisions', 0)
  redis.call('SET', KEYS[1] .. 'log:bytes', 0)
else
  redis.call('DECRBY', KEYS[1] .. 'log:decisions', decisions)
  redis.call('DECRBY', KEYS[1] .. 'log:bytes', bytes)
end
"""

log = structlog.get_logger()


class Place(NamedTuple):
    """How far a shard was written: in which era, up to which stream id."""

    era: str | None
    position: str


class Stretch(NamedTuple):
    """Consecutive stream entries."""

    last: str
    packs: list[bytes]
    fill: list[tuple[str, int, int]]
    """Of each entry its id, decisions and bytes."""


async def place(connection: AsyncConnection) -> Place:
    """What PostgreSQL has; no era when nothing was ever drained."""
    cursor = await connection.execute("SELECT * FROM drain_position(%s::smallint)", (SHARD,))
    row = await cursor.fetchone()
    return Place(row[0], row[1]) if row else Place(None, START)


async def read(link: Link, after: str, until: str = "+", most: int = STRETCH) -> Stretch | None:
    """The entries after `after`; None when there are none."""
    packs: list[bytes] = []
    fill: list[tuple[str, int, int]] = []
    decisions = 0
    while decisions < MOST_DECISIONS and len(fill) < most:
        begin = "-" if after == START else f"({after}"
        rows: list[Any] = await link.call(
            "XRANGE", name("log"), begin, until, "COUNT", min(PAGE, most)
        )
        for entry_id, flat in rows:
            fields, after = dict(zip(flat[::2], flat[1::2], strict=True)), entry_id.decode()
            packs.append(fields[b"d"])
            fill.append((after, int(fields[b"n"]), int(fields[b"s"])))
            decisions += fill[-1][1]
        if len(rows) < PAGE:
            break
    return Stretch(after, packs, fill) if fill else None


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
    flat = [member for entry in stretch.fill for member in entry]
    await link.call("EVAL", TRIM, 1, prefix(), msgspec.msgpack.encode(flat))


async def drain(
    link: Link, connection: AsyncConnection, era: str, held: Place, most: int = STRETCH
) -> tuple[Place, bool]:
    """Write the next stretch, of at most so many entries; returns the new place and whether there
    was one."""
    after = held.position if held.era == era else START
    stretch = await read(link, after, most=most)
    if stretch is None:
        return Place(era, after), False
    try:
        written = await write(connection, era, after, stretch)
    except POISON:
        stretch, written = await _write_first(link, connection, era, after)
    if not written:
        # Another drain was first; should it have been killed since, this one trims for it.
        held = await place(connection)
        await trim_written(link, held, era)
        return held, True
    await trim(link, stretch)
    return Place(era, stretch.last), True


async def _write_first(
    link: Link, connection: AsyncConnection, era: str, after: str
) -> tuple[Stretch, bool]:
    """Write one entry alone; one that can't be written is put aside, and the stream goes on."""
    stretch = await read(link, after, most=1)
    assert stretch is not None, "it was there a moment ago, and drains alone remove"
    try:
        return stretch, await write(connection, era, after, stretch)
    except POISON as error:
        log.exception("drain.put_aside", entry=stretch.last, error=type(error).__name__)
        await link.call("RPUSH", name("dead"), stretch.packs[0])
        await link.call("LTRIM", name("dead"), -MOST_DEAD, -1)
        nothing = Stretch(stretch.last, [], stretch.fill)
        return stretch, await write(connection, era, after, nothing)


async def trim_written(link: Link, held: Place, era: str) -> None:
    """What a killed drain had written and not trimmed.

    A place in another era says nothing about this one's entries: their ids are of another clock.
    """
    while held.era == era and (stretch := await read(link, START, held.position)):
        await trim(link, stretch)
