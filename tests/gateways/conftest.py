"""The whole edge: client, nginx on the shipped recipe, a spy, a check server, an upstream."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.cast import Cast, make_cast
from tests.gateways.nginx import Nginx
from tests.gateways.servers import Received, Spy, Upstream
from tests.processes import CheckServer

CHAT: dict[str, Any] = {"model": "small-1", "messages": [{"role": "user", "content": "Hi"}]}


class Reply:
    """A response as it came over the wire."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.content = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1]) if first.startswith("HTTP/") else 0
        self.headers: list[tuple[str, str]] = []
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.append((name.lower(), value.strip()))

    def values(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for given, value in self.headers if given == name.lower()]

    def value(self, name: str) -> str | None:
        """The value of a header that may be there once."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def error(self) -> dict[str, Any]:
        """The body's `error`, of exactly the members that OpenAI's clients know."""
        body = json.loads(self.content)
        assert set(body) == {"error"}
        error: dict[str, Any] = body["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error


class Edge:
    """One of each, for a module's tests."""

    def __init__(self, checker: CheckServer) -> None:
        self.cast: Cast = make_cast("acme", owner="Ada")
        self.upstream, self.spy = Upstream(), Spy(checker.port)
        self.clients: list[openai.OpenAI] = []
        self.nginx = Nginx(
            countersign=(self.spy.port,),
            upstream=self.upstream.port,
            gateway=self.cast.gateway_token,
        )

    def key(self, *scopes: str, **body: Any) -> str:
        """A new key of Acme's, by default with every low-risk scope."""
        wanted = list(scopes) or ["chat:write", "models:read", "embeddings:write"]
        return self.cast.issue(scopes=wanted, **body).secret.reveal()

    def client(self, key: str, *, retries: int = 0) -> openai.OpenAI:
        """OpenAI's own client, pointed at nginx."""
        client = openai.OpenAI(
            api_key=key, base_url=f"http://127.0.0.1:{self.nginx.port}/v1", max_retries=retries,
            timeout=15,
        )  # fmt: skip
        self.clients.append(client)
        return client

    def raw(self, request: bytes) -> Reply:
        """Bytes to nginx as they are; what came back until it hung up."""
        with socket.create_connection(("127.0.0.1", self.nginx.port), 10) as connection:
            received = b""
            try:
                connection.sendall(request)
                while more := connection.recv(65536):
                    received += more
            except (ConnectionResetError, BrokenPipeError):
                pass  # it answered before it had read everything
        return Reply(received)

    def send(
        self, method: str, target: str, *headers: tuple[str, str], body: bytes = b"",
        host: str = "gateway.example",
    ) -> Reply:  # fmt: skip
        """One request with these very headers."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def models(self, key: str, *headers: tuple[str, str]) -> Reply:
        """GET /v1/models with this key."""
        return self.send("GET", "/v1/models", bearer(key), *headers)

    def passed(self) -> Received:
        """The one request that reached the upstream."""
        assert len(self.upstream.received) == 1
        return self.upstream.received[0]

    def asked(self) -> Received:
        """The one question that nginx asked."""
        assert len(self.spy.received) == 1
        return self.spy.received[0]

    def forget(self) -> None:
        """Begin a test."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.upstream.received.clear()
        self.upstream.may_go_on.clear()
        self.spy.received.clear()
        self.spy.instead = None

    def stop(self) -> None:
        """End all of it."""
        self.forget()
        self.nginx.stop()
        self.spy.stop()
        self.upstream.stop()


def bearer(key: str) -> tuple[str, str]:
    """The header that OpenAI's clients send."""
    return "Authorization", f"Bearer {key}"


def limit(amount: int, window: str, algorithm: str, **more: Any) -> dict[str, Any]:
    """A limit on requests, of one key."""
    return {
        "name": window, "unit": "requests", "amount": amount, "window": window,
        "algorithm": algorithm, "shared_by": "key", **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def module_edge(checker: CheckServer) -> Iterator[Edge]:
    """Started once a module."""
    edge = Edge(checker)
    yield edge
    edge.stop()


@pytest.fixture
def edge(module_edge: Edge) -> Edge:
    """The module's, with nothing remembered."""
    module_edge.forget()
    return module_edge


@pytest.fixture
def another_nginx(edge: Edge) -> Iterator[Callable[..., Nginx]]:
    """`another_nginx(gateway=…)`: one more, told something else."""
    running: list[Nginx] = []

    def start(**told: Any) -> Nginx:
        usual: dict[str, Any] = {
            "countersign": (edge.spy.port,), "upstream": edge.upstream.port,
            "gateway": edge.cast.gateway_token,
        }  # fmt: skip
        running.append(Nginx(**{**usual, **told}))
        return running[-1]

    yield start
    for nginx in running:
        nginx.stop()
