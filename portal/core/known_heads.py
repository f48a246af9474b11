"""HTTP's short way: a request whose head was parsed before, byte for byte, is not parsed again.

A gateway that keeps its connections sends the same head with question after question. What a
parser makes of equal bytes is equal, so the second time they are looked up; the body has to have
come with the head. Whatever is not exactly so takes the ordinary way from its first byte.
"""

from typing import Any, Final, NamedTuple
from typing import Protocol as Shape

from portal.core.http_protocol import BoundedProtocol

MOST_HEADS: Final = 1024
LONGEST_HEAD: Final = 4096
MOST_HELD_BACK: Final = 65_536
"""Bytes that may arrive behind a request before it is answered; then reading pauses."""
Headers = list[tuple[bytes, bytes]]


class Known(NamedTuple):
    """What a head says: the length of its body, and what the handler needs of it."""

    length: int
    said: Any


class Handler(Shape):
    """Who answers short requests."""

    first_line: bytes
    longest_body: int
    """Bytes; a longer one is refused, and the ordinary way does that."""

    def said(self, headers: Headers) -> Any:
        """What it needs of such a head; None: these requests take the ordinary way."""

    def begin(self, said: Any, body: bytes, wire: "KnownHeads") -> bool:
        """Take a request; then `wire.reply` or `wire.go_the_long_way` is called, once. False:
        nothing was done, it goes the long way."""


class KnownHeads(BoundedProtocol):
    """A connection that offers short requests to a handler."""

    heads: dict[bytes, Known]

    def __init__(
        self, handler: Handler, heads: dict[bytes, Known], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.handler, self.heads = handler, heads
        self.open: bytes | None = None
        """The request that a handler has taken."""
        self.held_back = b""
        self.learning: bytes | None = None
        self.leaving = False
        self.last = 0.0

    def data_received(self, data: bytes) -> None:
        """Look the head up; else parse as ever, and remember a head that may come again."""
        if self.open is not None:
            self.held_back += data
            if len(self.held_back) > MOST_HELD_BACK:
                self.flow.pause_reading()
            return
        if self.whole and self._answered() and not self.transport.is_closing():
            head, end, body = data.partition(b"\r\n\r\n")
            known = self.heads.get(head)
            if known is not None:
                if len(body) == known.length and not self.flow.write_paused:
                    self.open = data
                    if self.handler.begin(known.said, body, self):
                        return
                    self.open = None
            elif end and len(head) <= LONGEST_HEAD and head.startswith(self.handler.first_line):
                self.learning = head
        super().data_received(data)
        self.learning = None

    def on_headers_complete(self) -> None:
        """The ordinary way has parsed it: now what such a head says is known."""
        head, self.learning = self.learning, None
        super().on_headers_complete()
        if head is not None and not self.transport.is_closing():
            self._learn(head)

    def _learn(self, head: bytes) -> None:
        # A head that ends elsewhere than at its first empty line is not what was looked at.
        if not head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r"):
            return
        if not self.cycle.keep_alive or self.expect_100_continue or self.parser.should_upgrade():
            return
        headers = list(self.scope["headers"])
        lengths = [value for name, value in headers if name == b"content-length"]
        chunked = any(name == b"transfer-encoding" for name, _ in headers)
        said = self.handler.said(headers)
        if chunked or len(lengths) != 1 or not lengths[0].isdigit() or said is None:
            return
        if int(lengths[0]) > self.handler.longest_body:
            return
        if len(self.heads) >= MOST_HEADS:
            del self.heads[next(iter(self.heads))]  # the one that was learned first
        self.heads[head] = Known(int(lengths[0]), said)

    def reply(self, status_and_type: bytes, body: bytes) -> None:
        """Answer the request that was taken; `status_and_type` are whole lines."""
        self.open = None
        if self.transport is None or self.transport.is_closing():
            return
        ends = b"connection: close\r\n" if self.leaving else b""
        self.transport.write(
            b"HTTP/1.1 %b%b%bcontent-length: %d\r\n\r\n%b"
            % (status_and_type, self._default(), ends, len(body), body)
        )
        self.server_state.total_requests += 1
        self.last = self.loop.time()
        if self.leaving:
            self.transport.close()
        elif self.held_back:
            self._go_on()

    def give_up(self) -> None:
        """End the connection: there is no answer to the request that was taken."""
        self.open, self.held_back = None, b""
        if self.transport is not None:
            self.transport.abort()

    def go_the_long_way(self) -> None:
        """Nothing was done with the request that was taken: it starts again from its bytes."""
        data, self.open = self.open, None
        if data is not None and not self.transport.is_closing():
            super().data_received(data)
            if self.leaving:
                super().shutdown()
            if self.held_back:
                self._go_on()

    def _go_on(self) -> None:
        data, self.held_back = self.held_back, b""
        self.flow.resume_reading()
        self.data_received(data)

    def _default(self) -> bytes:
        return b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits for an answer any more."""
        self.open, self.held_back = None, b""
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: what was taken is answered first."""
        if self.open is None:
            super().shutdown()
        else:
            self.leaving = True

    def timeout_keep_alive_handler(self) -> None:
        """Short requests leave the clock alone; it looks when it rings whether there was one."""
        left = self.last + self.timeout_keep_alive - self.loop.time()
        if self.open is None and left <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                max(left, 1.0), self.timeout_keep_alive_handler
            )
