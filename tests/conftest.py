"""What every test may ask for. The servers and the database come from tests/plugin.py."""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis
from django.test import Client
from pytest_django import DjangoDbBlocker

from portal.core.names import name
from tests.cast import Cast, make_cast
from tests.processes import CheckServer, drain_process


@pytest.fixture(scope="session", autouse=True)
def real_commits(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tests commit: a transaction around each would hide what other processes see."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def acme() -> Cast:
    """Ada's tenant."""
    return make_cast("acme", owner="Ada")


@pytest.fixture
def globex() -> Cast:
    """Cy's tenant, in which nobody of Acme is anything."""
    return make_cast("globex", owner="Cy", developer="Dan", viewer="Eve")


@pytest.fixture
def owner_db() -> Iterator[psycopg.Connection[Any]]:
    """The tables' owner: what row security does not bind."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner_connection(owner_db: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """The same, by its other name."""
    return owner_db


@pytest.fixture
def check_db() -> Iterator[psycopg.Connection[Any]]:
    """The check path's role."""
    with psycopg.connect(os.environ["DATABASE_CHECK_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def store() -> Iterator["redis.Redis"]:
    """Redis, as this worker's database of it."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    yield client
    client.close()


class Answer:
    """A response: status, headers and the parsed body."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status_code
        self.headers: dict[str, str] = {k.lower(): v for k, v in response.headers.items()}
        self.content: bytes = response.content
        self.response = response

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None


@pytest.fixture
def api() -> Callable[..., Answer]:
    """`api("POST", "/v1/…", {…}, token=…, headers={…})` over Django's own handler."""
    client = Client(raise_request_exception=False)

    def call(
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        return Answer(client.generic(method, path, data, content_type, headers=sent))

    return call


@pytest.fixture(scope="session")
def checker() -> Iterator[CheckServer]:
    """One check server of this worker's, shared by tests that do not disturb it."""
    server = CheckServer()
    yield server
    server.stop()


@pytest.fixture
def drained() -> Callable[[], None]:
    """`drained()` returns when every decision up to now is in PostgreSQL."""

    def wait() -> None:
        with drain_process():
            client = redis.Redis.from_url(os.environ["REDIS_URL"])
            deadline = time.monotonic() + 20
            while client.xlen(name("log")) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert client.xlen(name("log")) == 0, "the drain did not finish"
            client.close()

    return wait


@pytest.fixture
def quick_hashes(settings: Any, owner_db: "psycopg.Connection[Any]") -> None:
    """Passwords are hashed at once, and nobody's tries were used up by another test."""
    owner_db.execute("DELETE FROM tenancy_tries")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
