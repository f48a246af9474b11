"""A change as it is shown before it is saved: each member now and after, and if that is more."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A piece of a value: `del` what goes, `ins` what comes, `""` what stays."""

    kind: str
    words: str


@dataclass(frozen=True)
class Line:
    """One member that changes."""

    label: str
    now: list[str]
    after: list[Part]
    narrows: bool
    widens: bool
