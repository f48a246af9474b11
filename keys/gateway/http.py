"""ASGI, as little of it as the check path needs."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from portal.core.ids import uuid7

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
PROBLEM_JSON: Final = (b"content-type", b"application/problem+json")
NO_STORE: Final = (b"cache-control", b"no-store")

TITLES: Final = {
    400: "Bad Request", 401: "Unauthorized", 405: "Method Not Allowed", 404: "Not Found",
    413: "Content Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    503: "Service Unavailable",
}  # fmt: skip


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole response."""
    headers = [*headers, NO_STORE, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> bytes:
    """A problem's body (RFC 9457). Nothing in it differs per request: that is `X-Request-Id`."""
    members: dict[str, Any] = {
        "type": "about:blank", "title": TITLES[status], "status": status, "code": code,
        "detail": detail,
    }  # fmt: skip
    if errors:
        members["errors"] = errors
    return msgspec.json.encode(members)


async def refuse(
    send: Send, status: int, code: str, detail: str, *,
    errors: list[dict[str, str]] | None = None, headers: Headers | None = None,
) -> None:  # fmt: skip
    """Send a problem."""
    fixed = [PROBLEM_JSON, (b"x-request-id", uuid7().encode()), *(headers or [])]
    await respond(send, status, problem(status, code, detail, errors), fixed)


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
    return token.strip() if scheme.lower() == "bearer" else None
