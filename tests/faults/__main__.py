"""`python -m tests.faults FIGURES`: docs/reliability.md from what the tests noted there."""

import json
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
"""Not tests.plugin's: to import that starts servers."""
PAGE: Final = ROOT / "docs" / "reliability.md"
HEAD: Final = """# Reliability

What was broken on purpose, under load, and how long it took to come back by itself. Written by
`make faults`, which repeats all of it: PostgreSQL and Redis told to stop, away for longer, killed,
frozen (SIGSTOP) and slowed to a fifth; check processes, portal, worker and drain killed at random
moments ({kills}). Two check processes, a portal and a drain on two cores, with load beside
them; the tests are in `tests/faults/`.

Through all of it, asserted and not only measured:

- no calendar window and no stretch of time was granted more than its limit (I1), every decision
  that was told is one row in PostgreSQL, and windows there are the sum of what was granted;
- after a revocation had answered `"propagation": "complete"`, no check that began later was allowed
  (I2), and every key that was revoked is refused by every process afterwards;
- every answer was a decision or a 503 `STORE_UNAVAILABLE`, and keys that may do nothing were never
  allowed (I6).

Milliseconds from the end of the fault (for a killed process: from its new start, which includes
starting Python) to the first good answer. Drain and worker are killed before they are back, too,
and are timed from the first new start. Nobody lent a hand.

| fault | what came back | times | median | longest |
|---|---|---|---|---|
"""


def split(figures: list[Any]) -> str:
    """How often which process was killed, in words."""
    killed = Counter[str]()
    for told in figures:
        killed.update(told["killed"] if isinstance(told, dict) else {})
    each = ", ".join(f"{what} {times}" for what, times in sorted(killed.items()))
    return f"{killed.total()} kills: {each}"


def rows(figures: list[Any]) -> list[str]:
    """A line of the table for each fault and what came back after it."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for fault, what, seconds in (told for told in figures if isinstance(told, list)):
        found[fault, what].append(1000 * seconds)
    return [
        f"| {fault} | {what} | {len(all_)} | {statistics.median(all_):.0f} | {max(all_):.0f} |"
        for (fault, what), all_ in sorted(found.items())
    ]


def page(lines: list[str]) -> str:
    """All of it."""
    figures = [json.loads(line) for line in lines]
    return HEAD.format(kills=split(figures)) + "\n".join(rows(figures)) + "\n"


def main() -> None:
    """Write the page."""
    (path,) = sys.argv[1:]
    PAGE.write_text(page(Path(path).read_text().splitlines()))
    print(f"{PAGE.relative_to(ROOT)} is written")


if __name__ == "__main__":
    main()
