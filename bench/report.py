"""The rows of a run as a table for people and as JSON."""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from bench.load import Figures
from bench.spent import Spent


class Row(NamedTuple):
    """One line: what was asked, its figures, and the hello measured beside it."""

    name: str
    figures: Figures
    hello: Figures
    spent: Spent = {}
    note: str = ""

    @property
    def ratio(self) -> float:
        """Requests a second, of the hello's."""
        return self.figures.rate / self.hello.rate


def machine() -> dict[str, Any]:
    """Where this was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {"commit": commit, "python": sys.version.split()[0], "cpu": _cpu()}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    return platform.processor()


def _share(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _line(row: Row, hello: Spent) -> str:
    figures = row.figures
    core = f"{hello['check'] / row.spent['check']:.2f}" if row.spent.get("check") else ""
    spent = ", ".join(f"{name} {us:.0f}" for name, us in row.spent.items() if us >= 0.5)
    return (
        f"| {row.name} | {figures.rate:,.0f} | {_share(row.ratio)} | {core} | {figures.p50:.2f} |"
        f" {figures.p99:.2f} | {figures.p99 / row.hello.p99:.1f} | {figures.bad} | {spent} |"
    )


def table(rows: list[Row]) -> str:
    """Markdown. `of its time` compares processor time of the measured server with the first row's,
    which is the hello: what neighbours on the machine disturb least."""
    head = (
        "| row | requests/s | of hello | of its time | p50 ms | p99 ms | p99 of hello | not 200 |"
        " µs spent |\n"
        "|---|--:|--:|--:|--:|--:|--:|--:|---|"
    )
    notes = [f"\n- {row.name}: {row.note}" for row in rows if row.note]
    return "\n".join([head, *(_line(row, rows[0].spent) for row in rows)]) + "\n" + "".join(notes)


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {
            "row": row.name, **row.figures._asdict(), "of_hello": row.ratio,
            "hello": row.hello._asdict(), "spent_us": row.spent, "note": row.note,
        }
        for row in rows
    ]  # fmt: skip
