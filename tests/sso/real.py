"""The certified provider from npm, installed into a folder that is thrown away."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import free_port

FILES = Path(__file__).parent / "certified"
NEEDED = 20


def _missing() -> str:
    """Why it can't be had on this machine; empty if it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Node and npm are not here"
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    major = told.stdout.strip().removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < NEEDED:
        return f"Node {NEEDED} or newer is needed, here is {told.stdout.strip() or 'none'}"
    return ""


def _installed(folder: Path) -> str:
    """Install what the lock file names, by its digests; why not, if that can't be done."""
    for name in ("package.json", "package-lock.json", "server.mjs"):
        shutil.copy(FILES / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(
            [*command, "--fetch-timeout=20000"], cwd=folder, capture_output=True, text=True,
            timeout=80, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "npm took too long"
    return "" if done.returncode == 0 else f"npm could not install it: {done.stderr[-300:]}"


@pytest.fixture(scope="session")
def certified() -> Iterator[Path]:
    """The folder with the provider in it; skips, and says why, where it can't be had."""
    reason = _missing()
    with tempfile.TemporaryDirectory() as folder:
        reason = reason or _installed(Path(folder))
        if reason:
            pytest.skip(f"the certified provider was not tried: {reason}")
        yield Path(folder)


class Real:
    """A certified provider to be: its issuer is known before its client is."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, client: dict[str, Any], *, mfa: bool = False) -> Iterator[None]:
        """With this client."""
        config = {"issuer": self.issuer, "port": self.port, "client": client, "mfa": mfa}
        process = subprocess.Popen(
            ["node", "server.mjs"], cwd=self.folder, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"CONFIG": json.dumps(config), "PATH": os.environ["PATH"]},
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", "it did not start"
            yield
        finally:
            process.kill()
            process.communicate()
