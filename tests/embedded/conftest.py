"""A copy of the supervisor in a process of its own, by default with stand-ins for the product's."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
import redis

from portal.core import postgresql, redis_server
from portal.core.processes import wait_until

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def strangers() -> dict[str, str]:
    """The environment of somebody who has set nothing of ours."""
    ours = ("DATABASE", "REDIS", "PG", "COUNTERSIGN", "SECRET", "KEY_", "ENCRYPTION")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Copy:
    """One data directory and the supervisor that may be running on it."""

    def __init__(self, program: str = "tests.embedded.standin") -> None:
        self.program = program
        self.data = Path(tempfile.mkdtemp(prefix="countersign-test-"))
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        self.output = ""

    def launch(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.program],
            cwd=ROOT,
            env=strangers() | {"PORT": str(self.port), "DATA_DIR": str(self.data)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> Self:
        self.launch()
        assert self.process is not None and self.process.stdout is not None
        self.output = ""
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Ctrl-C"):
                return self
        raise AssertionError(f"it did not start: {self.output}")

    def finish(self) -> str:
        """Wait for its end; what it printed."""
        assert self.process is not None
        rest = self.process.communicate(timeout=20)[0]
        return self.output + rest

    def stop(self) -> float:
        """SIGTERM; the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.finish()
        return time.monotonic() - began

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.finish()

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return found

    def pid(self, name: str) -> int:
        return next(int(p["pid"]) for p in self.run["processes"] if p["name"] == name)

    def folders(self) -> list[Path]:
        return [self.data, *map(Path, self.run["folders"])]

    @property
    def home(self) -> Path:
        """Where the servers' files are."""
        return Path(self.run["folders"][0])

    def database(self, role: str = postgresql.OWNER) -> psycopg.Connection[Any]:
        known = json.loads((self.data / "secrets.json").read_text())
        url = f"postgresql://{role}:{known[role]}@/countersign?host={self.home / 'sockets'}"
        return psycopg.connect(url, autocommit=True)

    def redis(self) -> redis.Redis:
        known = json.loads((self.data / "secrets.json").read_text())
        folder = self.home / "sockets"
        server = redis_server.Server(Path(), Path(), folder, None, {})
        return redis.Redis.from_url(server.url(known), decode_responses=True)

    def leftovers(self) -> list[str]:
        """Command lines that still name one of this copy's folders."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if any(str(folder) in line for folder in self.folders()):
                found.append(line)
        return found

    def nothing_is_left(self) -> bool:
        return wait_until(lambda: not self.leftovers(), 10)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        folders = self.folders() if (self.data / "run.json").exists() else [self.data]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def copy() -> Iterator[Copy]:
    made = Copy()
    yield made
    made.remove()


@pytest.fixture
def another() -> Iterator[Copy]:
    made = Copy()
    yield made
    made.remove()
