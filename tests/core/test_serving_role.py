"""Serving refuses a database role that row security does not bind."""

import os
import subprocess
import sys

from tests.plugin import ROOT
from tests.processes import check_servers


def serve(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal.serve", "--role", "check", "--port", "1"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


def test_the_owner_of_tables_is_refused() -> None:
    ended = serve(DATABASE_CHECK_URL=os.environ["DATABASE_OWNER_URL"])
    assert ended.returncode == 1
    assert "DATABASE_CHECK_URL: this role owns tables" in ended.stderr


def test_the_roles_of_the_design_serve() -> None:
    with check_servers() as (server,):
        assert server.process.poll() is None
