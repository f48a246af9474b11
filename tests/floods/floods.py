"""What floods are made of, and how a server is looked at from outside while they last."""

import contextlib
import re
import resource
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from portal.core.ids import base62
from portal.core.tokens import checksum
from tests.cast import Cast
from tests.invariants.crowd import Crowd
from tests.processes import CheckServer

WATCHED = {"METRICS_TOKEN": "of-monitoring"}
"""The environment of a server whose figures are read."""


def unknown_key() -> str:
    """Well-formed, with a right checksum, and nobody's."""
    text = f"csk_live_{base62(12)}_{base62(43)}"
    return text + checksum(text)


def figure(server: CheckServer, title: str) -> int:
    """One of the server's own figures, summed over its labels."""
    token = {"Authorization": "Bearer of-monitoring"}
    status, _, text = server.call("GET", "/metrics", headers=token)
    assert status == 200
    found = re.findall(rf"^countersign_{title}(?:{{[^}}]*}})? (\S+)$", text.decode(), re.MULTILINE)
    assert found, title
    return int(sum(map(float, found)))


def memory(server: CheckServer) -> int:
    """Bytes that the server's process has in memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


@contextlib.contextmanager
def valid_traffic(server: CheckServer, cast: Cast, key: str) -> Iterator[Crowd]:
    """Two threads that ask about a key without a pause; each answer was an allow."""
    with Crowd([server], cast, key, threads=2) as crowd:
        crowd.until_answered(20)
        yield crowd
        crowd.until_answered(20)
    assert {code for _, code in crowd.everything()} == {"OK"}


@contextlib.contextmanager
def connections(server: CheckServer, count: int) -> Iterator[list[socket.socket]]:
    """Many at once, in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as held:
        try:
            yield [
                held.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
                for _ in range(count)
            ]
        finally:
            held.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def hang_up(wire: socket.socket) -> None:
    """Leave without a word: the other side is told by a reset."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()
