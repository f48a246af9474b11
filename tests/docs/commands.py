"""The shell blocks of README and docs, and how each is executed by the tests."""

import re
from pathlib import Path
from typing import Final, NamedTuple

ROOT = Path(__file__).parents[2]
BLOCK: Final = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """One shell block: the file it stands in and its text."""

    file: str
    text: str

    @property
    def name(self) -> str:
        """How a test is called: the file and the first line."""
        first = next(line for line in self.text.splitlines() if not line.startswith("#"))
        return f"{self.file}: {first[:48].strip()}"


def blocks() -> list[Block]:
    """Every shell block, in order."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        Block(str(file.relative_to(ROOT)), match.group(1))
        for file in files
        for match in BLOCK.finditer(file.read_text())
    ]


ELSEWHERE: Final = {
    "make test": "it is this gate",
    "make run": "tests/embedded starts its supervisor; the acceptance of a release runs it whole",
    "apt-get install": "the gate's own first step does it (Makefile, system-packages)",
    "make bench": "a measurement of minutes; what it prints is tested in tests/bench",
    "make fuzz": "the gate's fuzz tests with more examples",
    "make faults": "the gate's fault tests, repeated",
}
"""Beginnings of commands that a test of commands can't run, each with who does."""


def elsewhere(line: str) -> bool:
    """Whether a command's line is executed by something else."""
    return line.startswith(tuple(ELSEWHERE))
