"""The whole portal as a process, as `make run` starts it, on this worker's database."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

from tests.plugin import ROOT
from tests.processes import free_port


class Portal:
    """`python -m portal.serve --role all`."""

    def __init__(self, **environment: str) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        # Appended to, for the offset is shared with who reads.
        self.output = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by stop()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portal.serve", "--role", "all", "--port", str(self.port)],
            cwd=ROOT, env={**os.environ, "BASE_URL": self.base, **environment}, stderr=self.output,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.base}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the portal is not ready: {self.log()[-2000:]}")

    def ask(self, gateway: str, key: str, *scopes: str) -> dict[str, Any]:
        """A gateway's question about a key."""
        body = json.dumps({"key": key, "scopes": scopes}).encode()
        headers = {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.base}/v1/keys/check", body, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def log(self) -> str:
        """What it has logged."""
        file = self.output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def stop(self) -> None:
        """End it and wait."""
        self.process.terminate()
        self.process.wait(15)
        self.output.close()
