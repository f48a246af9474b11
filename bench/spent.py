"""What a row cost: processor time of everyone who took part, per request."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.load import Figures

TICKS: Final = os.sysconf("SC_CLK_TCK")
Spent = dict[str, float]
"""Microseconds of processor time a request, by who spent it."""


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _family(pid: int) -> list[int]:
    """A process and its children: PostgreSQL's work is done by them."""
    listed = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid, *(one for one in listed if (found := _stat(one)) and int(found[1]) == pid)]


def _seconds(pid: int) -> float:
    return sum(
        (int(found[11]) + int(found[12])) / TICKS for one in _family(pid) if (found := _stat(one))
    )


def _loads() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def while_it_runs(
    watched: dict[str, int], run: Callable[[], Figures], seconds: int
) -> tuple[Figures, Spent]:
    """Run a row; what each of `watched` (name: process) and the load spent a request meanwhile."""
    before, load = {name: _seconds(pid) for name, pid in watched.items()}, _loads()
    figures = run()
    requests = max(1.0, figures.rate * seconds)
    spent = {name: (_seconds(pid) - before[name]) / requests * 1e6 for name, pid in watched.items()}
    return figures, spent | {"load": (_loads() - load) / requests * 1e6}
