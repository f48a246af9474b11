"""One line of the doctor's."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "FAIL"]
"""`FAIL` is unsafe in production, or does not work at all."""


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is and, unless it is well, what to do."""

    level: Level
    name: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<4}  {self.name}: {self.text}"
        return f"{line}. {self.hint}" if self.hint else line


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", name, text)


def warn(name: str, text: str, hint: str) -> Finding:
    """Better mended, not unsafe."""
    return Finding("warn", name, text, hint)


def fail(name: str, text: str, hint: str) -> Finding:
    """Unsafe in production."""
    return Finding("FAIL", name, text, hint)
