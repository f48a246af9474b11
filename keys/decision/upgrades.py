"""Digests under an old pepper, made new off the request by who has just verified the whole text.

So that an old pepper can leave the ring once its credentials have been used (docs/operations.md).
Nothing that a decision depends on changes: no version is raised.
"""

from typing import Final, Literal

from psycopg_pool import AsyncConnectionPool

from portal.core import tokens

MOST: Final = 1_000
Kind = Literal["key", "gateway"]


class Upgrades:
    """What is waiting to be written: digests, never texts."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self.pool = pool
        self.newest = tokens.newest_pepper()
        self.waiting: dict[tuple[Kind, str], tuple[int, bytes]] = {}

    def note(self, kind: Kind, kid: str, text: str, pepper: int) -> None:
        """A credential was verified under `pepper`; queue its new digest if that is an old one."""
        if pepper != self.newest and len(self.waiting) < MOST:
            self.waiting[(kind, kid)] = (pepper, tokens.digest(text, self.newest))

    async def write(self) -> None:
        """Write what waits; what fails waits for the credential's next use."""
        waiting, self.waiting = self.waiting, {}
        if not waiting:
            return
        async with self.pool.connection(timeout=2) as connection:
            for (kind, kid), (was, digest) in waiting.items():
                await connection.execute(
                    "SELECT credential_upgrade(%s, %s, %s::smallint, %s, %s::smallint)",
                    (kind, kid, was, digest, self.newest),
                )
