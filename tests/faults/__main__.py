"""`python -m tests.faults FIGURES`: docs/reliability.md from what the tests noted there."""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
"""Not tests.plugin's: to import that starts servers."""
PAGE: Final = ROOT / "docs" / "reliability.md"
HEAD: Final = """# Reliability

What was broken on purpose, under load, and how long it took to come back by itself. Written by
`make faults`, which repeats all of it: PostgreSQL and Redis told to stop, away for longer, killed,
frozen (SIGSTOP) and slowed to a fifth; check processes, portal, worker and drain killed at random
moments ({kills} kills). Two check processes, a portal and a drain on two cores, with load beside
them; the tests are in `tests/faults/`.

Through all of it, asserted and not only measured:

- no calendar window and no stretch of time was granted more than its limit (I1), every decision
  that was told is one row in PostgreSQL, and windows there are the sum of what was granted;
- after a revocation had answered `"propagation": "complete"`, no check that began later was allowed
  (I2), and every key that was revoked is refused by every process afterwards;
- every answer was a decision or a 503 `STORE_UNAVAILABLE`, and keys that may do nothing were never
  allowed (I6).

Milliseconds from the end of the fault (for a killed process: from its new start, which includes
starting Python) to the first good answer. Nobody lent a hand.

| fault | what came back | times | median | longest |
|---|---|---|---|---|
"""


def rows(lines: list[str]) -> list[str]:
    """A line of the table for each fault and what came back after it."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in lines:
        fault, what, seconds = json.loads(line)
        found[fault, what].append(1000 * seconds)
    return [
        f"| {fault} | {what} | {len(all_)} | {statistics.median(all_):.0f} | {max(all_):.0f} |"
        for (fault, what), all_ in sorted(found.items())
    ]


def main() -> None:
    """Write the page."""
    path, kills = sys.argv[1:]
    table = "\n".join(rows(Path(path).read_text().splitlines()))
    PAGE.write_text(HEAD.format(kills=kills) + table + "\n")
    print(f"{PAGE.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()
