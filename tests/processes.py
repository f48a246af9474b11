"""The product's own processes, started for a test: check servers and the drain."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from tests.plugin import ROOT


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Whole(http.client.HTTPConnection):
    """Sends head and body in one piece, as gateways do: only such questions take the short way."""

    pieces: list[bytes] | None = None

    def request(self, *arguments: Any, **more: Any) -> None:
        pieces: list[bytes] = []
        self.pieces = pieces
        super().request(*arguments, **more)
        self.pieces = None
        self.send(b"".join(pieces))

    def send(self, data: Any) -> None:
        if self.pieces is None:
            super().send(data)
        else:
            self.pieces.append(data)


class CheckServer:
    """`python -m portal.serve` and a client of it."""

    def __init__(self, role: str = "check", **environment: str) -> None:
        self.port = free_port()
        # A file and no pipe: nobody reads while a test runs, and a full pipe stops the server.
        self.errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - the process' own
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.serve", "--role", role, "--port", str(self.port)],
            cwd=ROOT, env={**os.environ, **environment}, stderr=self.errors,
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no check server: {self.log()[-2000:]}")

    def log(self) -> str:
        """What it has logged up to now."""
        # By place: the offset is the process', too, and each line that it writes moves it.
        file = self.errors.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def connect(self) -> http.client.HTTPConnection:
        """A connection of one's own, for a thread."""
        return Whole("127.0.0.1", self.port, timeout=10)

    def call(
        self, method: str, path: str, *, headers: dict[str, str], body: bytes | None = None,
        connection: http.client.HTTPConnection | None = None,
    ) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
        """One request: status, headers in lower case, body."""
        used = connection or self.connect()
        try:
            used.request(method, path, body=body, headers=headers)
            response = used.getresponse()
            content = response.read()
        finally:
            if connection is None:
                used.close()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, content

    def check(
        self, gateway: str, key: str, *, connection: http.client.HTTPConnection | None = None,
        **more: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """One decision, or the problem's body."""
        headers = {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"}
        body = json.dumps({"key": key, **more}).encode()
        _, _, content = self.call(
            "POST", "/v1/keys/check", headers=headers, body=body, connection=connection
        )
        answer: dict[str, Any] = json.loads(content)
        return answer

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it and wait."""
        self.process.send_signal(number)
        self.process.wait(15)
        self.output = self.log().encode()
        self.errors.close()


@contextlib.contextmanager
def check_servers(count: int = 1, **environment: str) -> Iterator[list[CheckServer]]:
    """Several check processes over one Redis."""
    running = [CheckServer(**environment) for _ in range(count)]
    try:
        yield running
    finally:
        for server in running:
            server.stop(signal.SIGKILL)


@contextlib.contextmanager
def drain_process(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A drain."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keys.draining"], cwd=ROOT, env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(15)
