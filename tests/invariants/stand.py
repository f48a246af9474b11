"""A whole Countersign on servers of its own, which may be stopped, frozen and started again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import psycopg
import redis
from psycopg import sql
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import embedded
from portal.core.processes import Service
from tests.invariants.crowd import REQUEST
from tests.plugin import ROOT, at
from tests.processes import CheckServer

CAST: Final = """
import json, sys, django
django.setup()
from keys.suspension import suspend_key
from tests.cast import make_cast
cast = make_cast("acme", owner="Ada")
keys = []
for body in json.load(sys.stdin):
    suspended = body.pop("suspended", False)
    issued = cast.issue(**body)
    if suspended:
        suspend_key(actor=cast.owner, key_id=issued.key.id, reason="x")
    keys.append([issued.key.id, issued.secret.reveal()])
print(json.dumps([cast.tenant.slug, cast.token, cast.gateway_token, keys]))
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
        self.run("manage.py", "migrate", "--database", "owner", "-v0", "--skip-checks")

    def run(self, *arguments: str, feed: str = "") -> str:
        """What a Python process of ours prints there."""
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, input=feed, text=True, check=True,
            stdout=subprocess.PIPE, env={**os.environ, **self.environment},
        )  # fmt: skip
        return ended.stdout

    def acme(self, *bodies: dict[str, Any]) -> Acme:
        """A tenant with a key of each of these."""
        told = json.loads(self.run("-c", CAST, feed=json.dumps(bodies)).splitlines()[-1])
        slug, token, gateway, keys = told
        return Acme(slug, token, gateway, [Key(*key) for key in keys])

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

        eventually(answer, 10, psycopg.Error, redis.RedisError)


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
