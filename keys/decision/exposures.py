"""Real credentials that were sent where others could read them: noted, for the worker to record.

What is noted was verified first, and is the kid alone. Bounded, and once an hour for each: who
sends a key in clear sends it with every request.
"""

import time
from typing import Final, Literal

from psycopg_pool import AsyncConnectionPool

from keys.decision.addresses import Caller

MOST: Final = 1_000
AGAIN: Final = 3600.0
Way = Literal["query", "plain"]
Kind = Literal["key", "gateway"]


class Exposures:
    """What one process has seen since it last wrote."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self.pool = pool
        self.noted: dict[tuple[Kind, str, Way], float] = {}
        self.waiting: dict[tuple[Kind, str, Way], str] = {}

    def note(self, kind: Kind, kid: str, way: Way, caller: Caller) -> None:
        """Queue a note, unless there was one within the hour."""
        seen, moment = (kind, kid, way), time.monotonic()
        if moment - self.noted.get(seen, -AGAIN) < AGAIN or len(self.waiting) >= MOST:
            return
        if len(self.noted) >= MOST:
            self.noted.clear()
        self.noted[seen] = moment
        self.waiting[seen] = caller.at.prefix if caller.at else ""

    async def write(self) -> None:
        """Write what waits; what fails is written with the next."""
        if not self.waiting:
            return
        async with self.pool.connection(timeout=2) as connection:
            for (kind, kid, way), network in list(self.waiting.items()):
                await connection.execute(
                    "SELECT credential_exposed(%s, %s, %s, %s)", (kind, kid, way, network)
                )
                self.waiting.pop((kind, kid, way), None)
