"""Counts of unknown and malformed keys, per gateway, address prefix and minute. Bounded.

Unknown keys are counted by the script, which they go through anyway. A malformed one is refused
before any I/O, so these counts are kept here and written once a second.
"""

import time
from typing import Final

import structlog

from keys.codes import Code
from keys.decision.addresses import Address
from keys.decision.link import Link, LinkDown
from portal.core.names import name

MOST: Final = 4096
log = structlog.get_logger()


def guess(gateway_id: str, address: Address | None, code: Code) -> str:
    """The field that one refusal is counted under."""
    return f"{gateway_id}|{address.prefix if address else '-'}|{code.name}"


class Guesses:
    """What one process has counted since it last wrote."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def count(self, gateway_id: str, address: Address | None, code: Code) -> None:
        """One more; beyond the bound all other networks are one sum."""
        field = guess(gateway_id, address, code)
        if field not in self.counts and len(self.counts) >= MOST:
            field = f"{gateway_id}|other|{code.name}"
        self.counts[field] = self.counts.get(field, 0) + 1

    async def write(self, link: Link) -> None:
        """Add the counts to this minute's in Redis; what can't be written is kept."""
        counts, self.counts = self.counts, {}
        minute = int(time.time() // 60 * 60_000)
        key = name("unknown", str(minute))
        while counts:
            field, number = counts.popitem()
            try:
                await link.call("HINCRBY", key, field, number)
                await link.call("EXPIRE", key, 172_800)
            except LinkDown:
                counts[field] = number
                for kept, more in counts.items():
                    self.counts[kept] = self.counts.get(kept, 0) + more
                return
