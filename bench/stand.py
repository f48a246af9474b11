"""What is measured: throw-away servers with AOF, a tenant, keys, a check server, a drain."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench.load import pin
from portal.core import embedded

ROOT = Path(__file__).parent.parent
LIMITS: list[dict[str, Any]] = [
    {"name": "second", "unit": "requests", "amount": 100_000_000, "window": "second",
     "algorithm": "smooth", "shared_by": "key"},
    {"name": "day", "unit": "tokens", "amount": 10**12, "window": "day",
     "algorithm": "calendar", "shared_by": "key"},
]  # fmt: skip


@contextlib.contextmanager
def servers(core: int = 1) -> Iterator[embedded.Servers]:
    """PostgreSQL and Redis on `core`, migrated; their addresses in the environment."""
    before = os.sched_getaffinity(0)
    pin(core)()
    with embedded.throw_away(durable=True) as running:
        os.sched_setaffinity(0, before)
        known = embedded.load_secrets(running.data)
        os.environ.update(
            DATABASE_URL=running.app_url, DATABASE_OWNER_URL=running.owner_url,
            DATABASE_CHECK_URL=running.check_url, REDIS_URL=running.redis_url,
            SECRET_KEY=known["secret_key"], KEY_PEPPERS=known["key_peppers"],
            ENCRYPTION_KEYS=known["encryption_keys"],
            DJANGO_SETTINGS_MODULE="portal.settings", LOG_LEVEL="WARNING", SECURE="0",
        )  # fmt: skip
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--database", "owner", "-v0", "--skip-checks"],
            cwd=ROOT, check=True,
        )  # fmt: skip
        yield running


@contextlib.contextmanager
def process(*command: str, core: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process on one core."""
    child = subprocess.Popen([sys.executable, *command], cwd=ROOT, preexec_fn=pin(core))
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)


def copies(owner_url: str, key_id: str, count: int) -> list[str]:
    """`count` more keys like this one, straight into the tables; their secrets."""
    from portal.core import tokens

    minted = [tokens.mint("csk", "live") for _ in range(count)]
    with psycopg.connect(owner_url) as connection:
        connection.execute("CREATE TEMP TABLE fresh (kid text, digest bytea)")
        with connection.cursor().copy("COPY fresh FROM STDIN") as copy:
            for one in minted:
                copy.write_row((one.kid, one.digest))
        _copy(connection, key_id, minted[0].pepper_id)
    return [one.secret.reveal() for one in minted]


COLUMNS = (
    "tenant_id, api_id, owner_id, name, environment, state, scopes, allowed_cidrs,"
    " allowed_models, purposes, metadata, expires_at, version, created_at"
)


def _copy(connection: "psycopg.Connection[Any]", key_id: str, newest_pepper: int) -> None:
    """This key once more for each kid in `fresh`, with a secret and limits of its own."""
    connection.execute(
        f"INSERT INTO keys_apikey (id, {COLUMNS}) SELECT 'key_' || f.kid, {COLUMNS}"
        " FROM keys_apikey, fresh f WHERE id = %s", (key_id,),
    )  # fmt: skip
    connection.execute(
        "INSERT INTO keys_secret (kid, tenant_id, key_id, digest, pepper_id, issued_at)"
        " SELECT f.kid, k.tenant_id, 'key_' || f.kid, f.digest, %s, now()"
        " FROM keys_apikey k, fresh f WHERE k.id = %s", (newest_pepper, key_id),
    )  # fmt: skip
    connection.execute(
        'INSERT INTO keys_limit (id, tenant_id, key_id, name, unit, amount, "window",'
        " algorithm, burst, version, created_at)"
        " SELECT 'lim_' || left(l.name, 3) || f.kid, l.tenant_id, 'key_' || f.kid, l.name, l.unit,"
        ' l.amount, l."window", l.algorithm, l.burst, 1, now()'
        " FROM keys_limit l, fresh f WHERE l.key_id = %s", (key_id,),
    )  # fmt: skip
    connection.execute(
        "INSERT INTO keys_keylimit (tenant_id, key_id, limit_id, position)"
        " SELECT l.tenant_id, 'key_' || f.kid, 'lim_' || left(l.name, 3) || f.kid,"
        " row_number() OVER (PARTITION BY f.kid ORDER BY l.name)"
        " FROM keys_limit l, fresh f WHERE l.key_id = %s", (key_id,),
    )  # fmt: skip
    connection.execute("ANALYZE")


def fill(owner_url: str, key_id: str, most: int) -> None:
    """Keys like this one that nobody asks about, made by SQL until the table holds so many."""
    minted = "('AAAA' || lpad(to_hex(n), 8, '0'))"
    with psycopg.connect(owner_url) as connection:
        found = connection.execute("SELECT count(*) FROM keys_apikey").fetchone()
        there = found[0] if found else 0
        connection.execute(
            f"CREATE TEMP TABLE fresh AS SELECT {minted} AS kid, sha256({minted}::bytea) AS digest"
            " FROM generate_series(1, %s) n", (max(0, most - there),),
        )  # fmt: skip
        _copy(connection, key_id, newest_pepper=1)


def pids(running: embedded.Servers) -> dict[str, int]:
    """Redis and PostgreSQL, by name."""
    return {s.name: s.process.pid for s in running.services if s.process is not None}


def resident(pid: int) -> float:
    """A process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def listening(port: int) -> None:
    """Wait until someone listens on the port."""
    import socket

    for _ in range(400):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")
