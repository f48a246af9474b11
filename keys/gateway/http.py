"""ASGI, as little of it as the check path needs."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from keys.decision.addresses import Caller, address, inside, network
from portal.core import configuration, problem_codes
from portal.core.ids import uuid7
from portal.core.problem_codes import Errors

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
PROBLEM_JSON: Final = (b"content-type", b"application/problem+json")
NO_STORE: Final = (b"cache-control", b"no-store")


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole response."""
    headers = [*headers, NO_STORE, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send, code: str, detail: str = "", *,
    errors: Errors = (), headers: Headers | None = None,
) -> None:  # fmt: skip
    """Send a problem; its status is its code's."""
    fixed = [PROBLEM_JSON, (b"x-request-id", uuid7().encode()), *(headers or [])]
    body = msgspec.json.encode(problem_codes.body(code, detail, errors))
    await respond(send, problem_codes.PROBLEMS[code].status, body, fixed)


def problem(code: str, detail: str, retry_after: bytes) -> tuple[bytes, bytes]:
    """A problem as lines of a head and a body, for who writes them himself."""
    status = problem_codes.PROBLEMS[code].status
    lines = [
        f"{status} {HTTPStatus(status).phrase}".encode(), b": ".join(PROBLEM_JSON),
        b"x-request-id: " + uuid7().encode(), b"retry-after: " + retry_after,
        b": ".join(NO_STORE), b"",
    ]  # fmt: skip
    return b"\r\n".join(lines), msgspec.json.encode(problem_codes.body(code, detail, ()))


class Callers:
    """Tells who is at the other end of a connection, and whether others could read along."""

    def __init__(self) -> None:
        self.required = configuration.SECURE()
        self.proxies = tuple(network(str(proxy)) for proxy in configuration.TRUSTED_PROXIES())

    def caller(self, client: tuple[str, int] | None, scheme: str, headers: Headers) -> Caller:
        """The address is the connection's own. `X-Forwarded-Proto` is believed of our proxies."""
        try:
            at = address(client[0]) if client else None
        except ValueError:
            at = None
        if not self.required or scheme == "https":
            return Caller(at, True)
        return Caller(at, at is not None and inside(at, self.proxies) and _forwarded(headers))


def _forwarded(headers: Headers) -> bool:
    said = [value for name, value in headers if name == b"x-forwarded-proto"]
    return bool(said) and said[-1].rpartition(b",")[2].strip().lower() == b"https"


class TooLarge(Exception):
    """The body is longer than it may be."""


class Disconnected(Exception):
    """The client left before its request was whole."""


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body; raises TooLarge as soon as that is known."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > most:
            raise TooLarge
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
    if len(body) > most:
        raise TooLarge
    return body


def named(headers: Headers, *names: bytes) -> dict[bytes, list[str]]:
    """The values of these headers (lower-case names), each as often as it was sent."""
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in names:
            found.setdefault(name, []).append(value.decode("latin-1"))
    return found


def bearer(values: list[str] | None) -> str | None:
    """The token of one `Authorization: Bearer` header (RFC 6750, section 2.1), else None."""
    if not values or len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    return token.strip(" \t") if scheme.lower() == "bearer" else None
