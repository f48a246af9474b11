"""Counts of unknown and malformed keys, per gateway, address prefix and minute. Bounded.

Unknown keys are counted by the script, which they go through anyway. A malformed one is refused
before any I/O, so these counts are kept here and written once a second.
"""

from typing import Final

from keys.codes import Code
from keys.decision.addresses import Address
from keys.decision.script import DECIDED, ERR, FRESH, Script, StoreUnavailable

MOST: Final = 512


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

    async def write(self, script: Script) -> None:
        """Add the counts to this minute's in Redis, under its own bound; else they are kept."""
        counts, self.counts = self.counts, {}
        for field, number in counts.items():
            try:
                state = (await script.ask([FRESH, False, [], field, number]))[0]
            except StoreUnavailable:
                state = ERR
            if state != DECIDED:
                self.counts[field] = self.counts.get(field, 0) + number
