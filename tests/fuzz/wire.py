"""Bytes to a check server, and what came back: one connection for many, or one for each."""

import contextlib
import socket

from hypothesis import strategies as st

from tests.core.test_http_protocol import Reply, replies, talk
from tests.processes import CheckServer

__all__ = ["Reply", "Wire", "edited", "talk"]


class Wire:
    """A connection that is opened again when the server closed it."""

    def __init__(self, server: CheckServer) -> None:
        self.port = server.port
        self.socket: socket.socket | None = None

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def ask(self, head: bytes, body: bytes) -> Reply:
        """One request, whose length is told, and its answer."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), 10)
        self.socket.sendall(b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body))
        received = b""
        while True:
            more = self.socket.recv(65536)
            received += more
            with contextlib.suppress(AssertionError):
                if received and (told := replies(received)) and whole(told[0]):
                    break
            assert more, f"it hung up after {received!r}"
        (reply,) = told
        if reply.headers.get("connection") == "close":
            self.close()
        return reply


def whole(reply: Reply) -> bool:
    """Whether all of the body is here."""
    return len(reply.body) == int(reply.headers["content-length"])


def edited(text: st.SearchStrategy[bytes], pieces: list[bytes]) -> st.SearchStrategy[bytes]:
    """The text with up to four places replaced by a piece or by any bytes; often none."""
    piece = st.one_of(st.sampled_from(pieces), st.binary(max_size=4))
    edits = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3), piece), max_size=4)

    def edit(original: bytes, chosen: list[tuple[int, int, bytes]]) -> bytes:
        for place, gone, put in chosen:
            at = place % (len(original) + 1)
            original = original[:at] + put + original[at + gone :]
        return original

    return st.builds(edit, text, st.one_of(st.just([]), edits, edits))
