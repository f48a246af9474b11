"""wrk, pinned to a core, and what it says."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple


class Figures(NamedTuple):
    """One run: requests a second, latencies in milliseconds, answers that were not 200."""

    rate: float
    p50: float
    p99: float
    bad: int


def wrk_or_say() -> str:
    """wrk's path; ends with what to install when it is missing."""
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("make bench needs wrk: apt-get install wrk")
    return found


SCRIPT = """
local keys = {}
for line in io.lines("%(keys)s") do keys[#keys + 1] = line end
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %(gateway)s"
wrk.headers["Content-Type"] = "application/json"
local i = 0
request = function()
  i = i %% #keys + 1
  return wrk.format(nil, nil, nil, '{"key":"' .. keys[i] .. '",%(rest)s}')
end
"""


def script(folder: Path, gateway: str, keys: list[str], rest: str) -> Path:
    """A wrk script that asks about these keys in turn, with full contract bodies."""
    folder.mkdir()
    listed = folder / "keys.txt"
    listed.write_text("\n".join(keys))
    path = folder / "check.lua"
    path.write_text(SCRIPT % {"keys": listed, "gateway": gateway, "rest": rest})
    return path


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]  # wrk's own form
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def run(url: str, lua: Path, *, seconds: int, connections: int = 32, core: int = 1) -> Figures:
    """Load `url` from one thread on `core`."""
    said = subprocess.run(
        [wrk_or_say(), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         "-s", str(lua), url],
        capture_output=True, text=True, check=True, preexec_fn=pin(core),
    ).stdout  # fmt: skip
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
    )
    return Figures(
        float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]),  # type: ignore[index]  # always printed
        _milliseconds(re.search(r"(?m)^\s+50%\s+(\S+)", said)[1]),  # type: ignore[index]
        _milliseconds(re.search(r"(?m)^\s+99%\s+(\S+)", said)[1]),  # type: ignore[index]
        (int(bad[1]) if bad else 0) + (sum(map(int, errors.groups())) if errors else 0),
    )


def pin(core: int):  # type: ignore[no-untyped-def]  # a preexec_fn
    """Keep a child on one core, where there are two."""

    def pinned() -> None:
        if (os.cpu_count() or 1) > core:
            os.sched_setaffinity(0, {core})

    return pinned
