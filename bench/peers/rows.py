"""What people use today, beside us: packages that answer about a token from a Django process.

Each has one credential that is asked about again and again, and one gunicorn worker on core 0. "At
its best": threads, kept client and database connections. "By default": what gunicorn and Django do
unless told otherwise, a connection to the database for every request.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench import load, ours, stand
from bench.load import Figures
from bench.report import Row

PORT: Final = 18_240
PYTHON: Final = stand.ROOT / ".venv-peers/bin/python"
NAMES: Final = {
    "api-key": "djangorestframework-api-key", "knox": "django-rest-knox",
    "token": "DRF TokenAuthentication", "introspect": "django-oauth-toolkit, introspection",
}  # fmt: skip
WAYS: Final = {
    "at its best": (["--worker-class", "gthread", "--threads", "4", "--keep-alive", "75"], "1"),
    "by default": ([], ""),
}
ASK: Final = """
wrk.method = "POST"
wrk.headers["Authorization"] = "%s"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = "%s"
"""


def _database() -> str:
    """A database of their own on the throw-away server."""
    owner = urlsplit(os.environ["DATABASE_OWNER_URL"])
    with psycopg.connect(urlunsplit(owner._replace(path="/postgres")), autocommit=True) as control:
        control.execute("DROP DATABASE IF EXISTS peers WITH (FORCE)")
        control.execute("CREATE DATABASE peers")
    return urlunsplit(owner._replace(path="/peers"))


def rows(bare: Figures, seconds: int) -> list[Row]:
    """Four packages, each in two ways, against the hello of our own rows."""
    if not PYTHON.exists():
        print("no .venv-peers: `make bench` makes it")
        return []
    environment = {"DATABASE_URL": _database(), "PATH": os.environ["PATH"]}
    made = subprocess.run(
        [PYTHON, "-m", "bench.peers.project"], cwd=stand.ROOT, env=environment, check=True,
        stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    found: list[Row] = []
    for way, (options, persistent) in WAYS.items():
        command = [
            str(PYTHON), "-m", "gunicorn", "--workers", "1", "--bind", f"127.0.0.1:{PORT}",
            "--log-level", "error", *options, "bench.peers.project:application",
        ]  # fmt: skip
        server = subprocess.Popen(
            command, cwd=stand.ROOT, env={**environment, "PERSISTENT": persistent},
            preexec_fn=load.pin(0),
        )  # fmt: skip
        try:
            stand.listening(PORT)
            for path, (credential, body) in json.loads(made).items():
                found.append(_row(f"{NAMES[path]}, {way}", path, credential, body, bare, seconds))
        finally:
            server.terminate()
            server.wait(20)
    return found


def _row(
    title: str, path: str, credential: str, body: str, bare: Figures, seconds: int
) -> Row:  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(ASK % (credential, body))
        script.flush()
        url = f"http://127.0.0.1:{PORT}/{path}"
        load.run(url, Path(script.name), seconds=1, connections=4)
        figures = load.run(url, Path(script.name), seconds=seconds, connections=ours.FEW)
    return Row(title, figures, bare)
