"""Loaded before Django's settings: throw-away PostgreSQL and Redis, a database for each worker.

The controller starts the servers and migrates one template as the owner; every worker, and every
race test that wants one, gets a copy of it. Nothing is rolled back and nothing is truncated: tests
commit, and each plays with tenants of its own.
"""

import base64
import compileall
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).parent.parent
TEMPLATE = "template_countersign"
PACKAGES = ("portal", "keys", "consent", "audit")
ROLES = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_CHECK_URL")
servers = ExitStack()


def at(url: str, database: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def copy_template(database: str) -> None:
    """A fresh, migrated database."""
    with psycopg.connect(at(os.environ["DATABASE_OWNER_URL"], "postgres"), autocommit=True) as c:
        c.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
        c.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(TEMPLATE)
            )
        )


def use(database: str, redis_number: int) -> None:
    """Point this process and its children at a database of their own."""
    for name in ROLES:
        os.environ[name] = at(os.environ[name], database)
    os.environ["REDIS_URL"] = os.environ["REDIS_URL"].partition("?")[0] + f"?db={redis_number}"


def start_servers() -> None:
    from portal.core import embedded

    for package in PACKAGES:  # every process of ours would compile them for itself again
        compileall.compile_dir(ROOT / package, quiet=2)
    running = servers.enter_context(embedded.throw_away())
    os.environ.update(
        DATABASE_URL=running.app_url,
        DATABASE_OWNER_URL=running.owner_url,
        DATABASE_CHECK_URL=running.check_url,
        REDIS_URL=running.redis_url,
        SECRET_KEY="tests-only-" + "s" * 50,
        KEY_PEPPERS="1:" + base64.b64encode(b"tests-only-pepper-" + b"p" * 20).decode(),
        ENCRYPTION_KEYS="1:" + base64.b64encode(b"tests-only-sealing-" + b"e" * 20).decode(),
        COUNTERSIGN_TEST_CLOCK="1",
        SECURE="0",
        ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
        PYTHONDONTWRITEBYTECODE="1",
    )
    owner = at(running.owner_url, "postgres")
    with psycopg.connect(owner, autocommit=True) as c:
        c.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    template = {name: at(os.environ[name], TEMPLATE) for name in ROLES}
    with psycopg.connect(template["DATABASE_OWNER_URL"], autocommit=True) as c:
        c.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--database", "owner", "--verbosity", "0",
         "--skip-checks"],
        cwd=ROOT, env={**os.environ, **template, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        check=True,
    )  # fmt: skip


worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker is None:
    start_servers()
if worker is None or os.environ.get("COUNTERSIGN_TESTS_READY") != worker:
    number = int(worker.removeprefix("gw")) + 1 if worker else 0
    if worker is None:
        os.environ["COUNTERSIGN_TESTS_BASE"] = "\n".join(
            os.environ[n] for n in (*ROLES, "REDIS_URL")
        )
    else:
        base = os.environ["COUNTERSIGN_TESTS_BASE"].split("\n")
        os.environ.update(zip((*ROLES, "REDIS_URL"), base, strict=True))
        os.environ["COUNTERSIGN_TESTS_READY"] = worker
    copy_template(f"test_{worker or 'main'}")
    use(f"test_{worker or 'main'}", number)


def pytest_unconfigure() -> None:
    """The controller ends what it started."""
    servers.close()
