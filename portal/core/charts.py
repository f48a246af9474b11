"""Charts as numbers for SVG attributes: no script, no style, text in HTML (look/README.md).

Allowed stands above the line, denied hangs below it on its own scale, so that no one needs the
colours. Coordinates are texts: a template would put a comma into a number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

KINDS: Final = ("limit", "rule", "consent", "key")
"""In stacking order, from the line down."""
MOST_BARS: Final = 48
LINE: Final = 70.0
"""Where the line is, of 100; above it is room for allowed, below for denied."""


class Bar(NamedTuple):
    """One rectangle."""

    css: str
    x: str
    y: str
    width: str
    height: str

    @property
    def path(self) -> str:
        """The same as a subpath, in few letters."""
        return f"M{self.x} {self.y}h{self.width}v{self.height}h-{self.width}z"


class Slot(NamedTuple):
    """One bar's figures: allowed, and denied by kind."""

    label: str
    allowed: int
    denied: Mapping[str, int]


@dataclass(frozen=True)
class Chart:
    """A plot of at most 48 slots, its scales and the labels below it."""

    bars: list[Bar]
    spark: list[Bar]
    top: int
    """The most allowed in one slot."""
    bottom: int
    """The most denied in one slot."""
    labels: list[str]
    slots: Sequence[Slot]

    @property
    def spark_paths(self) -> list[tuple[str, str]]:
        """The sparkline as one path a class: a list has fifty of them."""
        kinds = ("up", "down")
        paths = {kind: "".join(b.path for b in self.spark if b.css == kind) for kind in kinds}
        return [(kind, path) for kind, path in paths.items() if path]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.top or self.bottom)


def chart(slots: Sequence[Slot]) -> Chart:
    """The chart of `slots`, oldest first; raises ValueError for more than 48."""
    if len(slots) > MOST_BARS:
        raise ValueError("at most 48 bars")
    top = max((slot.allowed for slot in slots), default=0)
    bottom = max((sum(slot.denied.values()) for slot in slots), default=0)
    step = 100 / max(len(slots), 1)
    every = max(1, -(-len(slots) // 7))
    return Chart(
        bars=[bar for i, slot in enumerate(slots) for bar in _bars(i, slot, step, top, bottom)],
        spark=[bar for i, slot in enumerate(slots) for bar in _spark(i, slot, top, bottom)],
        top=top,
        bottom=bottom,
        labels=[slot.label for slot in (*slots[:-1:every], *slots[-1:])],
        slots=slots,
    )


def _bars(place: int, slot: Slot, step: float, top: int, bottom: int) -> list[Bar]:
    x, width = f"{place * step + step * 0.14:.2f}", f"{step * 0.72:.2f}"
    found = []
    if slot.allowed:
        high = max(slot.allowed / top * (LINE - 2), 0.6)
        found.append(Bar("up", x, f"{LINE - high:.2f}", width, f"{high:.2f}"))
    y = LINE + 0.8
    for kind in KINDS:
        if count := slot.denied.get(kind, 0):
            high = max(count / bottom * (98 - LINE), 0.6)
            found.append(Bar(f"s-{kind}", x, f"{y:.2f}", width, f"{high:.2f}"))
            y += high
    return found


def _spark(place: int, slot: Slot, top: int, bottom: int) -> list[Bar]:
    """96 by 24: the line is at 16, denied hangs below it."""
    found, x = [], str(place * 4)
    if slot.allowed:
        high = max(slot.allowed / top * 15, 1)
        found.append(Bar("up", x, f"{16 - high:.1f}", "3", f"{high:.1f}"))
    if denied := sum(slot.denied.values()):
        found.append(Bar("down", x, "17", "3", f"{max(denied / bottom * 7, 0.4):.1f}"))
    return found


def left(remaining: int, amount: int) -> tuple[int, str]:
    """What a meter shows: percent left, and its class: amber under 15 %, red under 5 %."""
    percent = 100 * max(remaining, 0) // amount if amount else 0
    return min(percent, 100), "bad" if percent < 5 else "warn" if percent < 15 else ""
