"""A dump that is put back by the words of operations.md works, and is as old as they say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from portal.core.names import name
from tests.docs.commands import Line
from tests.docs.reader import shell
from tests.faults.load import CHAT, manage
from tests.invariants.stand import Acme, Casting, ask, eventually
from tests.invariants.traffic import body
from tests.plugin import ROLES, at, copy_template
from tests.processes import CheckServer, drain_process

REDIS_NUMBER = 6
"""A database of Redis that no worker and no browser test has."""
Environment = dict[str, str]


def on(database: str) -> Environment:
    """What our processes need to work on this database and Redis' own."""
    known = {role: at(os.environ[role], database) for role in ROLES}
    return {**known, "REDIS_URL": f"{os.environ['REDIS_URL'].partition('?')[0]}?db={REDIS_NUMBER}"}


def cast(environment: Environment, *bodies: dict[str, Any]) -> Acme:
    """Ada's tenant there, with a key of each of these."""
    casting = Casting(environment)
    try:
        return casting.acme(*bodies)
    finally:
        casting.end()


@contextmanager
def serving(environment: Environment, role: str = "all") -> Iterator[CheckServer]:
    server = CheckServer(role, **environment)
    try:
        yield server
    finally:
        server.stop()


def restored(line: Line, dump: Path) -> Environment:
    """The dump in an empty database."""
    environment = on("docs_restored")
    owner = environment["DATABASE_OWNER_URL"]
    for statement in ("DROP DATABASE IF EXISTS docs_restored", "CREATE DATABASE docs_restored"):
        shell(f'psql -qc "{statement}" "{at(owner, "postgres")}"')
    shell(line.text.replace("countersign.dump", str(dump)), DATABASE_OWNER_URL=owner)
    shell(".venv/bin/python manage.py migrate --check --database owner", **environment)
    return environment


def test_an_older_dump_brings_back_what_was_revoked_since(told: list[Line], tmp_path: Path) -> None:
    dump, restore, flush = told
    assert flush.text == "redis-cli FLUSHDB"
    copy_template("docs_dumped")
    then, file = on("docs_dumped"), tmp_path / "countersign.dump"
    store = redis.Redis.from_url(then["REDIS_URL"])
    store.flushdb()
    acme = cast(then, CHAT, {**CHAT, "limits": [body("month", 5, "month", "calendar")]})
    key, limited = (each.text for each in acme.keys)
    with serving(then) as server:
        codes = [ask(server, acme.gateway, text).code for text in (key, limited, limited)]
        assert codes == ["OK"] * 3
        with drain_process(**then):
            eventually(lambda: store.xlen(name("log")) == 0, 20)
        shell(dump.text.replace("countersign.dump", str(file)), **then)
        status, later = manage(server, acme, "", CHAT)
        assert status == 201
        assert ask(server, acme.gateway, limited).body["limits"][0]["remaining"] == 2
        taken = manage(server, acme, f"/{acme.keys[0].id}/revoke", {"reason": "lost"})[1]
        assert taken["propagation"] == "complete"
        assert ask(server, acme.gateway, key).code == "KEY_REVOKED"
    now = restored(restore, file)
    with serving(now, "check") as server:  # Redis knows of newer versions than the dump's
        assert ask(server, acme.gateway, key).code == "STORE_UNAVAILABLE"
    store.execute_command("FLUSHDB")
    with serving(now) as server:
        assert ask(server, acme.gateway, key).code == "OK", "it works again"
        assert ask(server, acme.gateway, later["secret"]).code == "KEY_UNKNOWN"
        assert ask(server, acme.gateway, limited).body["limits"][0]["remaining"] == 2, "as dumped"
        taken = manage(server, acme, f"/{acme.keys[0].id}/revoke", {"reason": "lost"})[1]
        assert taken["propagation"] == "complete"
        assert ask(server, acme.gateway, key).code == "KEY_REVOKED"
    store.close()
