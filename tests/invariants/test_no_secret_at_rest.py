"""I4, no secret at rest: it is in the one answer that issued it, wherever people put it after."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
from psycopg import sql

from portal.celery import app as jobs
from portal.core import tokens
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.crowd import REQUEST
from tests.plugin import ROOT
from tests.processes import CheckServer

KEPT = 10
"""So many characters of a secret in a row are found anywhere: one that was mistyped, too."""


def pieces(text: str) -> set[bytes]:
    """The secret part of a credential, in pieces, as text and as PostgreSQL shows bytes."""
    secret = text.rpartition("_")[2][:40]
    whole = [secret[at : at + KEPT] for at in range(0, 40, KEPT)]
    # One without lower case is in the upper-cased text, too, which is nobody's credential.
    found = [piece.encode() for piece in whole if piece != piece.upper()]
    return {*found, *(piece.hex().encode() for piece in found)}


def mistyped(text: str) -> list[str]:
    other = "A" if text[40] != "A" else "B"
    cut, swapped = text[:-3], text[:40] + other + text[41:]
    body = swapped[:-6]
    return [cut, swapped, body + tokens.checksum(body), text + "x", text.upper()]


class Place:
    """Where something was written, and everything that was."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def holding(self, needles: set[bytes]) -> list[str]:
        return [where for where, what in self.written.items() if any(n in what for n in needles)]


def tables(database: "psycopg.Connection[Any]") -> Place:
    """Every column of every row as text."""
    place = Place()
    named = database.execute(
        "SELECT c.oid::regclass::text, relname FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = relnamespace WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%'"
        " AND nspname <> 'information_schema'"
    ).fetchall()
    for where, table in named:
        rows = database.execute(
            sql.SQL("SELECT string_agg(t::text, chr(10)) FROM {} t").format(sql.Identifier(table))
        ).fetchone()
        place.written[where] = ((rows and rows[0]) or "").encode()
    return place


def keys_of_redis(store: "redis.Redis") -> Place:
    """Every key and its value, whatever its type."""
    read: dict[bytes, Any] = {
        b"string": store.get, b"hash": store.hgetall, b"set": store.smembers,
        b"list": lambda key: store.lrange(key, 0, -1), b"stream": store.xrange,
        b"zset": lambda key: store.zrange(key, 0, -1),
    }  # fmt: skip
    place = Place()
    for key in store.scan_iter():
        kind: Any = store.type(key)
        place.written[key.decode()] = key + repr(read[kind](key)).encode()
    return place


@contextlib.contextmanager
def watched(store: "redis.Redis") -> Iterator[list[str]]:
    """Every command that anyone sends to Redis meanwhile, with its arguments."""
    seen: list[str] = []
    last = f"the end {time.time_ns()}"
    began = threading.Event()

    def watch() -> None:
        with redis.Redis.from_url(os.environ["REDIS_URL"]).monitor() as monitor:
            began.set()
            while last not in (command := monitor.next_command()["command"]):
                seen.append(command)

    thread = threading.Thread(target=watch)
    thread.start()
    began.wait(5)
    try:
        yield seen
    finally:
        store.echo(last)
        thread.join(5)


class World:
    """A portal, a check process and a drain; every answer and every log line is kept."""

    def __init__(self, cast: Cast) -> None:
        self.cast, self.answers = cast, Place()
        self.portal, self.check = CheckServer("all"), CheckServer()
        self.drain = subprocess.Popen(
            [sys.executable, "-m", "keys.draining"], cwd=ROOT, stderr=subprocess.PIPE,
            env={**os.environ, "LOG_LEVEL": "DEBUG"},
        )  # fmt: skip

    def call(
        self, server: CheckServer, method: str, path: str, body: Any = None, **headers: str
    ) -> Any:
        sent = {"Content-Type": "application/json"}
        sent |= {header.replace("_", "-"): value for header, value in headers.items()}
        text = None if body is None else json.dumps(body).encode()
        status, told, content = server.call(method, path, headers=sent, body=text)
        place = f"{len(self.answers.written)} {method} {path[:40]}: {status}"
        self.answers.written[place] = repr(told).encode() + content
        server.log()  # read, or a full pipe would stop it
        assert status < 500, content
        return json.loads(content) if "json" in told.get("content-type", "") else None

    def manage(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"Authorization": f"Bearer {self.cast.token}", **headers}
        base = f"/v1/tenants/{self.cast.tenant.slug}/keys"
        return self.call(self.portal, method, base + path, body, **headers)

    def ask(self, path: str = "", *, gateway: str | None = None, **body: Any) -> Any:
        bearer = f"Bearer {gateway or self.cast.gateway_token}"
        for server in (self.portal, self.check):
            told = self.call(server, "POST", f"/v1/keys/check{path}", body, Authorization=bearer)
        return told

    def end(self) -> None:
        store = redis.Redis.from_url(os.environ["REDIS_URL"])
        while store.xlen(name("log")):
            time.sleep(0.02)
        store.close()
        time.sleep(1.2)  # counts of malformed keys are written once a second
        self.drain.terminate()
        _, self.drain_log = self.drain.communicate(timeout=15)
        self.portal.stop()
        self.check.stop()

    def logs(self, database: "psycopg.Connection[Any]") -> Place:
        """What each process has written, PostgreSQL too."""
        (backend,) = database.execute("SELECT pg_backend_pid()").fetchall()[0]
        place = Place()
        place.written = {
            "portal": self.portal.output, "check": self.check.output, "drain": self.drain_log,
            "postgresql": Path(f"/proc/{backend}/fd/2").read_bytes(),
        }  # fmt: skip
        return place


def spread(world: World, text: str) -> None:
    """Put a credential everywhere that people put what they paste."""
    key = world.manage("POST", "", {"name": "n", "environment": "live", "scopes": []})["key"]
    one = f"/{key['id']}"
    for where in ("name", "metadata", "scopes", "allowed_models", "owner", "api", text):
        value = {"metadata": {text: text}, "name": text}.get(where, [text])
        world.manage("POST", "", {"name": "n", "environment": "live", "scopes": [], where: value})
        world.manage("PATCH", one, {where: value}, If_Match=f'"{key["version"]}"')
    for verb in ("suspend", "resume", "revoke"):
        world.manage("POST", f"{one}/{verb}", {"reason": f"it was {text}"})
    for path in (f"/{text}", f"?cursor={text}", f"?{text}=1", f"/{quote(text + '/x')}"):
        world.manage("GET", path)
    odd = ("User_Agent", "Idempotency_Key", "If_Match", "X_Request_Id", "Cookie", "Referer",
           "X_Forwarded_For", "Accept", "Traceparent")  # fmt: skip
    for header in odd:
        world.manage("PATCH", one, {"name": "x"}, **{header: text})
        world.call(world.portal, "GET", "/", **{header: text})
        world.call(
            world.check, "POST", "/v1/keys/check", {"key": "x"},
            Authorization=f"Bearer {world.cast.gateway_token}", **{header: text},
        )  # fmt: skip
    world.manage("GET", "", Authorization=f"Bearer {text}")
    world.manage("GET", "", Authorization=f"Basic {text}")
    world.call(world.portal, "GET", f"/t/{text}?key={text}")
    world.ask(f"?key={text}", key=text)
    world.ask(f"?{text}", key="x")
    for body in asked_about(text):
        world.ask(**{"key": "csk_live_x", **body})
    world.ask(gateway=text, key=text)
    for header in ("Authorization", "X_Api_Key", "X_Original_Uri", "X_Original_Method", "X_Real_Ip",
                   "X_Countersign_Gateway", "X_Countersign_Subject"):  # fmt: skip
        found = {
            "X_Countersign_Gateway": world.cast.gateway_token,
            header: f"/v1/models?key={text}",
        }
        world.call(world.check, "GET", "/v1/authorize/nginx", **found)


def asked_about(text: str) -> list[dict[str, Any]]:
    """Bodies of a check in which it stands where it should not."""
    return [
        {"key": text}, {"scopes": [text]}, {"usage": {text: 1}}, {"environment": text},
        {"subject": text, "purpose": text}, {text: text},
        *({"request": {**REQUEST, fact: text}} for fact in ("method", "ip", "model")),
        *({"request": {**REQUEST, "path": path}} for path in (text, f"/v1/models?key={text}")),
    ]  # fmt: skip


LOGGED = ("model", "purpose", "scopes")
"""What a gateway states of a request and the decision log keeps."""


def logged(member: str, text: str) -> dict[str, Any]:
    """A check in which a credential is stated as one of these."""
    found: dict[str, dict[str, Any]] = {
        "scopes": {"scopes": [text]}, "purpose": {"subject": "user", "purpose": text},
    }  # fmt: skip
    return found.get(member, {"request": {**REQUEST, member: text}})


@pytest.mark.parametrize("member", LOGGED)
def test_what_looks_like_a_credential_is_refused_where_it_would_be_logged(
    acme: Cast, checker: CheckServer, store: "redis.Redis", member: str
) -> None:
    key = acme.issue(scopes=["chat:write"]).secret.reveal()
    waiting = store.xlen(name("log"))
    answer = checker.check(acme.gateway_token, key, **logged(member, key))
    assert answer["code"] == "REQUEST_INVALID"
    assert member in answer["errors"][0]["pointer"].split("/")
    assert key not in json.dumps(answer)
    assert store.xlen(name("log")) == waiting


def test_a_secret_is_found_in_the_answer_that_issued_it_and_nowhere_else(
    acme: Cast, owner_db: "psycopg.Connection[Any]"
) -> None:
    store = redis.Redis.from_url(os.environ["REDIS_URL"])
    with watched(store) as commands:
        world = World(acme)
        new = {"name": "canary", "environment": "live", "scopes": ["chat:write"]}
        made = world.manage("POST", "", new, Idempotency_Key="once")
        assert world.manage("POST", "", new, Idempotency_Key="once")["secret"] is None
        canaries = [made["secret"], acme.gateway_token, acme.token]
        assert world.ask(key=made["secret"], request=REQUEST)["code"] == "OK"
        for body in asked_about(made["secret"]):
            if body not in [logged(member, made["secret"]) for member in LOGGED]:
                world.ask(**{"key": made["secret"], **body})
        for canary in canaries:
            for text in (canary, *mistyped(canary)):
                spread(world, text)
        jobs.send_task("keys.tasks.make_partitions")
        world.end()
    needles = {needle for canary in canaries for needle in pieces(canary)}
    issued = [place for place in world.answers.written if place.startswith("0 POST")]
    assert world.answers.holding(needles) == issued
    in_tables, in_redis, in_logs = tables(owner_db), keys_of_redis(store), world.logs(owner_db)
    store.close()
    sent = Place()
    sent.written = {command[:120]: command.encode() for command in commands}
    for place in (in_tables, in_redis, in_logs, sent):
        assert place.holding(needles) == []
    # The same search finds what may be kept.
    known = {made["key"]["secrets"][0]["kid"].encode()}
    assert {"keys_secret", "keys_secretuse"} <= set(in_tables.holding(known))
    assert sent.holding(known)
    assert any("celery" in key for key in in_redis.written)
    assert all(in_logs.written[log] for log in ("portal", "postgresql"))


def test_a_log_line_that_has_one_all_the_same_loses_it(acme: Cast) -> None:
    program = """
import logging, sys, structlog
from portal.core.logs import configure_logs
configure_logs("INFO")
text = sys.stdin.read()
structlog.get_logger().info(text, deep=[{"a": (text, text.encode())}], **{text: 1})
logging.getLogger("other").warning("got %s", text)
try:
    raise ValueError(text)
except ValueError:
    structlog.get_logger().exception("failed")
"""
    for text in (acme.issue().secret.reveal(), acme.gateway_token, acme.token):
        ended = subprocess.run(
            [sys.executable, "-c", program], input=text.encode(), capture_output=True, cwd=ROOT
        )
        place = Place()
        place.written["log"] = ended.stderr
        assert (ended.returncode, ended.stderr.count(b"[redacted]") >= 6) == (0, True), ended.stderr
        assert not place.holding(pieces(text))
