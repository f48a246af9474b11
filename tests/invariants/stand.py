"""A whole Countersign on servers of its own, which may be stopped, frozen and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import embedded
from portal.core.binaries import Binaries
from portal.core.processes import Service
from tests.invariants.crowd import REQUEST
from tests.plugin import ROOT, TEMPLATE, at
from tests.processes import CheckServer

# Forks for each line: a tenant is made without starting Python and Django for it again.
CAST: Final = """
import json, os, sys, django
django.setup()
from keys.suspension import suspend_key
from tests.cast import make_cast

def made(bodies):
    cast = make_cast("acme", owner="Ada")
    keys = []
    for body in bodies:
        suspended = body.pop("suspended", False)
        issued = cast.issue(**body)
        if suspended:
            suspend_key(actor=cast.owner, key_id=issued.key.id, reason="x")
        keys.append([issued.key.id, issued.secret.reveal()])
    return [cast.tenant.slug, cast.token, cast.gateway_token, keys]

for line in sys.stdin:
    child = os.fork()
    if not child:
        print("made", json.dumps(made(json.loads(line))), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


class Key(NamedTuple):
    id: str
    text: str


class Acme(NamedTuple):
    """Ada's tenant on the stand, with some keys."""

    slug: str
    token: str
    gateway: str
    keys: list[Key]


class Told(NamedTuple):
    """An answer and how long it took, in seconds."""

    status: int
    code: str
    key: str | None
    took: float
    body: dict[str, Any]


class Casting:
    """A process that makes tenants there."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CAST], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, **environment},
        )  # fmt: skip

    def acme(self, *bodies: dict[str, Any]) -> Acme:
        """A tenant with a key of each of these."""
        assert self.process.stdin and self.process.stdout
        print(json.dumps(bodies), file=self.process.stdin, flush=True)
        told = next(line for line in self.process.stdout if line.startswith("made "))
        slug, token, gateway, keys = json.loads(told.removeprefix("made "))
        return Acme(slug, token, gateway, [Key(*key) for key in keys])

    def end(self) -> None:
        self.process.communicate(timeout=10)


def copy_schema(there: str) -> None:
    """The migrated template of all tests, on another server: migrating again takes many times that.

    The roles are called the same on both.
    """
    tools, template = Binaries(None).postgresql(), at(os.environ["DATABASE_OWNER_URL"], TEMPLATE)
    dump = [tools.program("pg_dump"), "-Fc", "-d", template]
    dumped = subprocess.run(dump, stdout=subprocess.PIPE, check=True).stdout
    restore = [tools.program("pg_restore"), "--exit-on-error", "-d", there]
    subprocess.run(restore, input=dumped, check=True)


class Stand:
    """The servers; `environment` is what our processes need to find them."""

    def __init__(self, running: embedded.Servers) -> None:
        named = {service.name: service for service in running.services}
        self.redis, self.postgresql = named["redis"], named["postgresql"]
        self.environment = {
            "DATABASE_URL": at(running.app_url, "stand"),
            "DATABASE_OWNER_URL": at(running.owner_url, "stand"),
            "DATABASE_CHECK_URL": at(running.check_url, "stand"),
            "REDIS_URL": running.redis_url,
        }
        with psycopg.connect(at(running.owner_url, "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE stand"))
        copy_schema(self.environment["DATABASE_OWNER_URL"])
        self.cast: Casting | None = None

    def __enter__(self) -> "Stand":
        return self

    def __exit__(self, *error: object) -> None:
        if self.cast:
            self.cast.end()

    def run(self, *arguments: str, feed: str = "") -> str:
        """What a Python process of ours prints there."""
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, input=feed, text=True, check=True,
            stdout=subprocess.PIPE, env={**os.environ, **self.environment},
        )  # fmt: skip
        return ended.stdout

    def acme(self, *bodies: dict[str, Any]) -> Acme:
        """A tenant with a key of each of these."""
        self.cast = self.cast or Casting(self.environment)
        return self.cast.acme(*bodies)

    def database(self) -> "psycopg.Connection[Any]":
        """The owner's connection."""
        return psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True)

    def store(self) -> "redis.Redis":
        """A client of its Redis that does not try twice."""
        return redis.Redis.from_url(
            self.environment["REDIS_URL"], decode_responses=True, retry=Retry(NoBackoff(), 0)
        )

    @contextlib.contextmanager
    def stopped(self, service: Service) -> Iterator[None]:
        """Without this server; afterwards it serves again."""
        service.stop()
        try:
            yield
        finally:
            service.start()
            self.await_servers()

    @contextlib.contextmanager
    def frozen(self, service: Service) -> Iterator[None]:
        """It holds its connections and does nothing."""
        assert service.process is not None
        os.kill(service.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(service.process.pid, signal.SIGCONT)

    def await_servers(self) -> None:
        """Both answer."""

        def answer() -> bool:
            with self.database() as connection, self.store() as store:
                return bool(connection.execute("SELECT 1").fetchone() and store.ping())

        eventually(answer, 60, psycopg.Error, redis.RedisError)


def eventually(
    holds: Callable[[], bool], within: float, *expected: type[Exception]
) -> float:  # fmt: skip
    """Seconds until it held."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(*expected):
            if holds():
                return time.monotonic() - began
        assert time.monotonic() - began < within, f"not within {within} s"
        time.sleep(0.01)


def ask(server: CheckServer, gateway: str, key: str, **more: Any) -> Told:
    """One check."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"}
    body = json.dumps({"key": key, "request": REQUEST, **more}).encode()
    status, sent, content = server.call("POST", "/v1/keys/check", headers=headers, body=body)
    answer = json.loads(content)
    if status == 503:
        assert (answer["code"], sent["retry-after"]) == ("STORE_UNAVAILABLE", "1")
    assert answer.get("allowed", False) is (answer["code"] == "OK")
    key_id = (answer.get("key") or {}).get("id")
    return Told(status, answer["code"], key_id, time.monotonic() - began, answer)


def ask_at_once(server: CheckServer, gateway: str, keys: Sequence[str]) -> list[Told]:
    """One check of each, all at the same time."""
    told: list[Told | None] = [None] * len(keys)
    start = threading.Barrier(len(keys))

    def work(place: int) -> None:
        start.wait(10)
        told[place] = ask(server, gateway, keys[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(keys))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in told if answer is not None]
