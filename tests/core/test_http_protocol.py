"""The bounds of a connection, seen from the wire: 431, 408, 400, and answers in their order."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn

from portal.core import http_protocol
from portal.core.http_protocol import MOST_HEADERS, BoundedProtocol
from tests.processes import CheckServer, free_port

SOON = 0.4
"""Seconds that a request gets to arrive here, in place of ten."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def replies(raw: bytes) -> list[Reply]:
    """What came back, response by response."""
    found = []
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        assert end, f"half a response: {raw[:200]!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        found.append(Reply(int(first.split(" ")[1]), headers, rest[:length]))
        raw = rest[length:]
    return found


def talk(port: int, *pieces: bytes, every: float = 0.0, wait: float = 2.0) -> list[Reply]:
    """Send the pieces, then read until it hangs up or says nothing for `wait` seconds."""
    with socket.create_connection(("127.0.0.1", port), 5) as wire:
        received = b""
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in pieces:
                wire.sendall(piece)
                time.sleep(every)
        wire.settimeout(wait)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while more := wire.recv(65536):
                received += more
    return replies(received)


class Echo:
    """uvicorn with our protocol, and an application that says what it was asked."""

    def __init__(self) -> None:
        self.port, self.asked, self.pause = free_port(), 0, 0.0
        config = uvicorn.Config(
            self.application, port=self.port, http=BoundedProtocol, ws="none", lifespan="off",
            log_config=None, access_log=False, timeout_keep_alive=1, interface="asgi3",
            loop="uvloop",
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        body, more = b"", scope["path"] != "/early"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        await asyncio.sleep(self.pause)
        said = {"path": scope["path"], "body": body.decode(), "headers": len(scope["headers"])}
        text = json.dumps(said).encode()
        length = (b"content-length", str(len(text)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": text})

    def stop(self) -> None:
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(5)


@pytest.fixture(scope="module")
def running() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.stop()


@pytest.fixture
def echo(running: Echo, monkeypatch: pytest.MonkeyPatch) -> Echo:
    monkeypatch.setattr(http_protocol, "MOST_SECONDS", SOON)
    running.asked, running.pause = 0, 0.0
    return running


def get(path: str = "/", *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def post(body: bytes, path: str = "/") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def is_problem(told: list[Reply], status: int, code: str) -> None:
    assert [reply.status for reply in told] == [status]
    assert told[0].headers["content-type"] == "application/problem+json"
    assert told[0].headers["connection"] == "close"
    assert (told[0].json["status"], told[0].json["code"]) == (status, code)


MB = "a" * 1_000_000
TOO_LONG = {
    "one header of 1 MB": get("/", f"X: {MB}"),
    "ten thousand headers": get("/", *(f"X-{n}: {'v' * 90}" for n in range(10_000))),
    "a path of 1 MB": get(f"/{MB}"),
    "a query of 1 MB": get(f"/?{MB}"),
    "a name of 1 MB": get("/", f"{MB}: x"),
    "a head that never ends": get("/", f"X: {MB}")[:-2],
    "a body behind it": get("/", f"X: {MB}", "Content-Length: 5") + b"hello",
    "one byte too many": get("/", "X: " + "v" * MOST_HEADERS),
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_headers_beyond_32_kib_are_a_431_that_the_application_never_sees(
    echo: Echo, kind: str
) -> None:
    is_problem(talk(echo.port, TOO_LONG[kind]), 431, "HEADERS_TOO_LARGE")
    assert echo.asked == 0


def test_so_are_those_that_come_in_small_pieces(echo: Echo) -> None:
    pieces = [TOO_LONG["one header of 1 MB"][n : n + 4096] for n in range(0, 80_000, 4096)]
    is_problem(talk(echo.port, *pieces), 431, "HEADERS_TOO_LARGE")
    assert echo.asked == 0


def test_just_below_they_are_taken(echo: Echo) -> None:
    (reply,) = talk(echo.port, get("/", "X: " + "v" * (MOST_HEADERS - 200)), wait=0.3)
    assert reply.status == 200


def test_what_follows_a_body_is_no_header_and_is_not_kept(echo: Echo) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    (reply,) = talk(echo.port, head + b"Authorization: Bearer smuggled\r\n\r\n", wait=0.3)
    assert reply.json == {"path": "/", "body": "hi", "headers": 2}
    many = b"".join(b"X-%d: %s\r\n" % (n, b"v" * 90) for n in range(10_000))
    is_problem(talk(echo.port, head + many + b"\r\n"), 431, "HEADERS_TOO_LARGE")


SLOW = {
    "in its first line": [b"GET / HT"],
    "in its headers": [get()[:-2]],
    "before its body": [post(b"hello")[:-5]],
    "in its body": [post(b"hello")[:-2]],
    "byte for byte": [bytes([byte]) for byte in get("/" + "slow" * 10)],
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_request_that_stops_is_a_408_and_more_bytes_buy_no_time(echo: Echo, kind: str) -> None:
    began = time.monotonic()
    is_problem(talk(echo.port, *SLOW[kind], every=SOON / 20), 408, "REQUEST_TIMEOUT")
    assert time.monotonic() - began < SOON * 4


def test_the_second_request_of_a_connection_has_a_clock_of_its_own(echo: Echo) -> None:
    told = talk(echo.port, get(), get("/again")[:-2], every=0.05)
    assert [reply.status for reply in told] == [200, 408]


def test_how_long_the_answer_takes_does_not_matter(echo: Echo) -> None:
    echo.pause = SOON * 2
    (reply,) = talk(echo.port, get(), wait=SOON * 3)
    assert reply.status == 200


def test_an_answer_is_not_followed_by_a_timeout_of_the_same_request(echo: Echo) -> None:
    head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nno more"
    assert [reply.status for reply in talk(echo.port, head)] == [200]


@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_a_connection_that_asks_nothing_is_closed_as_an_idle_one_is(
    echo: Echo, said: bytes
) -> None:
    began = time.monotonic()
    assert talk(echo.port, said, wait=5) == []
    assert time.monotonic() - began < 3


NOT_HTTP = {
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "a line of garbage": b"hello\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "another version": b"GET / HTTP/3.7\r\nHost: x\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n",
    "a length beyond 64 bit": b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "a length and chunks": (
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks before another coding": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"
    ),
    "a chunk's length that is none": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n"
    ),
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a lone CR in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb: c\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", NOT_HTTP)
def test_what_is_not_http_is_a_400_and_the_connection_ends(echo: Echo, kind: str) -> None:
    is_problem(talk(echo.port, NOT_HTTP[kind]), 400, "REQUEST_INVALID")


def test_answers_come_in_the_order_of_the_questions(echo: Echo) -> None:
    asked = [f"/{n}" for n in range(20)]
    echo.pause = 0.005
    told = talk(echo.port, b"".join(get(path) for path in asked), wait=0.4)
    assert [reply.json["path"] for reply in told] == asked


def test_bodies_stay_with_their_requests(echo: Echo) -> None:
    told = talk(echo.port, b"".join(post(b"x" * n) for n in (3, 0, 5)), wait=0.3)
    assert [reply.json["body"] for reply in told] == ["xxx", "", "xxxxx"]


def test_every_request_of_a_connection_has_32_kib_of_its_own(echo: Echo) -> None:
    long = get("/", "X: " + "v" * 20_000)
    told = talk(echo.port, *[long] * 5, every=0.02, wait=0.3)
    assert [reply.status for reply in told] == [200] * 5


def test_an_upgrade_that_nobody_offers_is_ignored_and_the_connection_ends(echo: Echo) -> None:
    asked = get("/", "Connection: upgrade", "Upgrade: websocket")
    told = talk(echo.port, asked, get("/smuggled"), every=0.05, wait=0.5)
    assert [reply.json["path"] for reply in told] == ["/"]


def test_a_body_of_an_upgrade_is_never_the_next_request(echo: Echo) -> None:
    inner = get("/smuggled")
    head, body = post(inner)[: -len(inner)], inner
    upgrade = head.replace(b"Host: x", b"Host: x\r\nConnection: upgrade\r\nUpgrade: h2c")
    chunked = upgrade.replace(b"Content-Length: %d" % len(inner), b"Transfer-Encoding: chunked")
    for asked in (upgrade, chunked):
        is_problem(talk(echo.port, asked, body, every=0.05), 400, "REQUEST_INVALID")
    assert echo.asked == 0


@pytest.mark.parametrize("second", [TOO_LONG["a body behind it"], NOT_HTTP["a line of garbage"]])
def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(
    echo: Echo, second: bytes
) -> None:
    echo.pause = 0.05
    assert talk(echo.port, post(b"first") + second, wait=0.4) == []
    first, refused = talk(echo.port, post(b"first"), second, every=0.2, wait=0.4)
    assert first.json["body"] == "first"
    assert refused.status in (400, 431)


def test_nothing_behind_what_was_refused_is_carried_out(echo: Echo) -> None:
    told = talk(echo.port, TOO_LONG["one header of 1 MB"] + get("/behind"), wait=0.3)
    assert [reply.status for reply in told] == [431]
    talk(echo.port, get("/", "X: " + "v" * MOST_HEADERS) + get("/behind"), wait=0.3)
    assert echo.asked == 0


def test_the_served_check_path_has_these_bounds(checker: CheckServer) -> None:
    long = get("/v1/keys/check", f"X: {MB}")
    is_problem(talk(checker.port, long), 431, "HEADERS_TOO_LARGE")
    is_problem(talk(checker.port, NOT_HTTP["a line of garbage"]), 400, "REQUEST_INVALID")
