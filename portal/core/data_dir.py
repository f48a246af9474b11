"""The data directory of one copy of the product: its lock, and the record of what runs for it."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.core.processes import Process, StartRefused, birth, boot_id, wait_until

RUN_MARK = "COUNTERSIGN_RUN"  # in the environment of everything that a supervisor starts


@dataclass
class DataDir:
    """The folder of one copy, locked against a second one; `run.json` says what runs for it."""

    path: Path
    lock: int
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    folders: list[Path] = field(default_factory=list)
    running: dict[str, Process] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> DataDir:
        """Make and lock the folder, and end what an earlier run that was killed has left behind.

        Raises StartRefused when another copy uses it or it cannot be written.
        """
        path = path.resolve()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (path / "logs").mkdir(mode=0o700, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise StartRefused(f"DATA_DIR {path} cannot be used: {problem.strerror}") from problem
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(lock)
            raise StartRefused(f"another copy is running with DATA_DIR {path}") from problem
        data = cls(path, lock)
        earlier = data.earlier()
        data.folders = [Path(folder) for folder in earlier.get("folders", [])]
        _end_leftovers(earlier)
        data.record()
        return data

    def earlier(self) -> dict[str, Any]:
        """What `run.json` holds; {} if there is none or a crash of the machine spoilt it."""
        try:
            run = json.loads((self.path / "run.json").read_text())
        except (OSError, ValueError):
            return {}
        return run if isinstance(run, dict) else {}

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def started(self, process: Process) -> Process:
        """Record a child, so that the next start can end it if this one cannot."""
        self.running[process.name] = process
        self.record()
        return process

    def record(self) -> None:
        """Rewrite `run.json`."""
        run = {
            "boot": boot_id(),
            "mark": self.mark,
            "folders": [str(folder) for folder in self.folders],
            "processes": [
                {"name": p.name, "pid": p.pid, "started": p.born}
                for p in self.running.values()
                if p.popen.returncode is None
            ],
        }
        self.write("run.json", json.dumps(run, indent=1))

    def write(self, name: str, text: str) -> None:
        """Write a private file of the folder, whole or not at all, through a crash too."""
        part = self.path / f".{name}.part"
        try:
            part.unlink(missing_ok=True)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
        except OSError as problem:
            raise StartRefused(f"{self.path / name}: {problem.strerror}") from problem

    def close(self) -> None:
        """Record that nothing runs any more and give the folder free."""
        if self.lock >= 0:
            self.running.clear()
            self.record()
            os.close(self.lock)
            self.lock = -1


# What ends a server without loss, and how long that may take; SIGKILL follows.
GENTLE_ENDS: Mapping[str, Sequence[tuple[int, float]]] = {
    "postgresql": ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0)),
    "redis": ((signal.SIGTERM, 5.0),),
}


def _end_leftovers(run: Mapping[str, Any]) -> None:
    """End the processes that `run` records and that are still the same ones, servers last."""
    if run.get("boot") != boot_id():
        return  # the machine started anew: the numbers are other processes'
    recorded = {(e["name"], e["pid"], e["started"]) for e in run.get("processes", [])}
    order = ["redis", "postgresql"]
    servers = sorted((e for e in recorded if e[0] in order), key=lambda e: order.index(e[0]))
    others = [e for e in recorded if e[0] not in order]
    marked = [("marked", pid, born) for pid, born in _marked(str(run.get("mark", "")))]
    for name, pid, born in [*others, *marked, *servers]:
        for number, patience in [*GENTLE_ENDS.get(name, ()), (signal.SIGKILL, 10.0)]:
            if birth(pid) != born:
                break
            os.kill(pid, number)
            wait_until(lambda pid=pid, born=born: birth(pid) != born, patience)  # type: ignore[misc]


def _marked(mark: str) -> Iterable[tuple[int, int]]:
    """Processes whose environment carries an earlier run's mark: children of its children."""
    sought = f"{RUN_MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found = mark and sought in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        born = birth(int(entry.name)) if found else None
        if born is not None and int(entry.name) != os.getpid():
            yield int(entry.name), born
