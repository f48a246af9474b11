"""Seconds to the first good answer after each fault, kept for docs/reliability.md."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

KILLS: Final = int(os.environ.get("FAULTS", "0")) or 12
TIMES: Final = max(1, KILLS // 40)
"""How often each of the stores' faults happens."""


def _keep(figure: Any) -> None:
    """Where `make faults` asks for that."""
    if path := os.environ.get("FAULTS_FIGURES"):
        with Path(path).open("a") as kept:
            kept.write(json.dumps(figure) + "\n")


def note(fault: str, what: str, seconds: float) -> None:
    """Print it and keep it."""
    print(f"{fault}: {what} after {1000 * seconds:.0f} ms")
    _keep([fault, what, seconds])


def count(killed: Mapping[str, int]) -> None:
    """How often which process was killed."""
    print(dict(killed))
    _keep({"killed": dict(killed)})
