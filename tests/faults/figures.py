"""Seconds to the first good answer after each fault, kept for docs/reliability.md."""

import json
import os
from pathlib import Path
from typing import Final

KILLS: Final = int(os.environ.get("FAULTS", "0")) or 20
TIMES: Final = max(1, KILLS // 40)
"""How often each of the stores' faults happens."""


def note(fault: str, what: str, seconds: float) -> None:
    """Print it; keep it where `make faults` asks for that."""
    print(f"{fault}: {what} after {1000 * seconds:.0f} ms")
    if path := os.environ.get("FAULTS_FIGURES"):
        with Path(path).open("a") as kept:
            kept.write(json.dumps([fault, what, seconds]) + "\n")
