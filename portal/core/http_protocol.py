"""uvicorn's HTTP protocol with bounds: by default it takes 150 MB of headers, at any pace."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADERS: Final = 32 * 1024
"""Bytes of request line and headers; above: 431."""
MOST_WAITING: Final = 64
"""Requests of one connection that wait for the answers before theirs; one more ends it: 400."""
MOST_SECONDS: Final = 10.0
"""For a request to arrive whole; above: 408."""


def _problem(status: int, title: str, code: str, detail: str) -> bytes:
    body = (
        f'{{"type":"about:blank","title":"{title}","status":{status},'
        f'"code":"{code}","detail":"{detail}"}}'
    ).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
        f"cache-control: no-store\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


HEADERS_TOO_LARGE: Final = _problem(
    431, "Request Header Fields Too Large", "HEADERS_TOO_LARGE", "Headers are longer than 32 KiB."
)
REQUEST_TIMEOUT: Final = _problem(
    408, "Request Timeout", "REQUEST_TIMEOUT", "The request took longer than 10 s to arrive."
)
REQUEST_INVALID: Final = _problem(
    400, "Bad Request", "REQUEST_INVALID", "This is not an HTTP request."
)


class BoundedProtocol(HttpToolsProtocol):
    """httptools' protocol that gives up on requests that are too long, too slow or ambiguous.

    Giving up ends the connection, and is told only where the answer can't be taken for another
    request's: not behind one that is still being answered, not after an answer has begun.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_bytes = 0
        self.in_head = self.whole = True
        self.deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Who connects and says nothing is as idle as who has been answered."""
        super().connection_made(transport)
        self._idle()

    def data_received(self, data: bytes) -> None:
        """Count what arrives before a request's headers, or after its body, are complete."""
        if self.transport.is_closing():
            return
        self.head_bytes += len(data)
        # Headers that came in one piece with a body are measured when they are parsed.
        if self.in_head and self.head_bytes > MOST_HEADERS and b"\r\n\r\n" not in data:
            self._give_up(HEADERS_TOO_LARGE)
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.whole:
            self._idle()
            return
        if not self.in_head and self.head_bytes > MOST_HEADERS:
            self._give_up(HEADERS_TOO_LARGE)
        elif self.deadline is None:
            self.deadline = self.loop.call_later(MOST_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """A request begins: its clock starts unless all of it is here already."""
        self.whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole: measure it exactly, then let uvicorn go on."""
        if self.transport.is_closing():
            return
        size = len(self.url) + sum(len(n) + len(v) + 4 for n, v in self.headers)
        upgrade = self.parser.should_upgrade()
        if size > MOST_HEADERS or (upgrade and self._has_body()):
            # The parser takes the body of an upgrade for another protocol's or the next request.
            self._give_up(HEADERS_TOO_LARGE if size > MOST_HEADERS else REQUEST_INVALID)
            return
        if len(self.pipeline) >= MOST_WAITING:
            # uvicorn takes as many as are sent and keeps each one's scope until its turn.
            self._give_up(REQUEST_INVALID)
            return
        super().on_headers_complete()
        self.in_head = False
        # What stands after a chunked body is no header of the request (RFC 9110, section 6.5.1).
        self.headers = []
        if upgrade:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body; how long bodies may be is for the application to say."""
        if not self.transport.is_closing():
            self.head_bytes = 0
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: the next one starts its own count and clock."""
        self._disarm()
        self.in_head = self.whole = True
        self.head_bytes = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """No clock outlives its connection."""
        self._disarm()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP is a problem too; uvicorn's own text names nothing."""
        self._give_up(REQUEST_INVALID)

    def _has_body(self) -> bool:
        return any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")
            for name, value in self.headers
        )

    def _idle(self) -> None:
        """Bound the wait for a request where nothing is asked: uvicorn does after an answer."""
        if self._answered() and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _disarm(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _too_slow(self) -> None:
        self.deadline = None
        self._give_up(REQUEST_TIMEOUT)

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _in_turn(self) -> bool:
        """Whether what is written now is the answer to the request that is being read."""
        if self.in_head:  # the cycle, if any, is the request's before
            return self._answered()
        return not self.pipeline and not self.cycle.response_started

    def _give_up(self, response: bytes) -> None:
        self._disarm()
        if not self.transport.is_closing():
            if self._in_turn():
                self.transport.write(response)
            self.transport.close()
