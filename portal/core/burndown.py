"""What is left of an amount over a window, as paths for SVG: a shape so far, a dashed line on.

Shapes differ, not only colours: what is known is filled, what is foretold is dashed, and an even
pace is dotted. Coordinates are texts of 100 by 100; words stand in HTML (look/README.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TOP: Final = 2.0
BOTTOM: Final = 98.0


@dataclass(frozen=True)
class Plot:
    """A burn-down to draw: `left` is filled, `line` its edge, `ahead` what is foretold."""

    left: str
    line: str
    ahead: str
    even: str


def plot(points: Sequence[tuple[float, float]], ahead: tuple[float, float] | None) -> Plot:
    """The paths of `points`: (share of the window that has passed, share of the amount left).

    `points` begin at (0, 1) and end at this moment; `ahead` is where the line is going.
    """
    drawn = [f"{x * 100:.2f} {_y(share)}" for x, share in points]
    edge = "M" + "L".join(drawn)
    floor = f"{BOTTOM:g}"
    then = f"M{drawn[-1]}L{ahead[0] * 100:.2f} {_y(ahead[1])}" if ahead else ""
    return Plot(f"{edge}V{floor}H0z", edge, then, f"M0 {TOP:g}L100 {floor}")


def _y(share: float) -> str:
    return f"{BOTTOM - max(0.0, min(share, 1.0)) * (BOTTOM - TOP):.2f}"
