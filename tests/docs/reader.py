"""Somebody who does what README and docs say, on a copy of the product."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.core.binaries import Binaries
from tests.docs.commands import ROOT
from tests.embedded.conftest import Copy


class Reader(Copy):
    """A copy, as `make run` starts it."""

    def __init__(self) -> None:
        super().__init__("portal.run")

    @property
    def demo(self) -> dict[str, Any]:
        """Its demo's credentials."""
        found: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return found

    def fill(self, text: str) -> str:
        """A command as a reader would have filled it in."""
        for old, new in (
            ("var/demo.json", str(self.data / "demo.json")),
            ("127.0.0.1:8000", f"127.0.0.1:{self.port}"),
            ("$GATEWAY", self.demo["gateway_token"]),
            ("csk_live_…", self.demo["key"]),
        ):
            text = text.replace(old, new)
        return text


def shell(text: str, inherited: Mapping[str, str] = os.environ, /, **environment: str) -> str:
    """Run commands as they stand; their output. It fails with the first one that does."""
    tools = Path(Binaries(None).postgresql().program("psql")).parent
    path = f"{tools}:{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=ROOT, text=True, capture_output=True,
        env={**inherited, "PATH": path, **environment}, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.returncode}: {ran.stdout[-2000:]} {ran.stderr[-2000:]}"
    return ran.stdout
