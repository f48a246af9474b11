"""Connections that are large, slow, idle or gone: whoever asks properly is answered meanwhile."""

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from keys.codes import Code
from portal.core.names import name
from tests.cast import Cast
from tests.core.test_http_protocol import replies
from tests.floods.floods import connections, hang_up, memory, valid_traffic
from tests.invariants.crowd import REQUEST
from tests.invariants.traffic import Gate, body, logged
from tests.processes import CheckServer, check_servers

MB = 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[CheckServer]:
    with check_servers() as (running,):
        yield running


@pytest.fixture
def key(acme: Cast) -> str:
    return acme.issue(scopes=["chat:write"]).secret.reveal()


def read(wire: socket.socket, within: float) -> bytes:
    """What came until it hung up, or said nothing for so long."""
    wire.settimeout(within)
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while more := wire.recv(65536):
            received += more
    return received


def asked(cast: Cast, text: str) -> bytes:
    """A check, as it goes over the wire."""
    content = json.dumps({"key": text, "request": REQUEST}).encode()
    head = (
        "POST /v1/keys/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {cast.gateway_token}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def test_endless_headers_on_many_connections_are_cut_off_and_not_kept(
    server: CheckServer, acme: Cast, key: str
) -> None:
    with valid_traffic(server, acme, key), connections(server, 100) as wires:
        before = memory(server)
        for wire in wires:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                wire.sendall(b"POST /v1/keys/check HTTP/1.1\r\nHost: x\r\nX: " + b"v" * MB)
        told = [replies(received) for wire in wires if (received := read(wire, 2))]
        grown = memory(server) - before
    # A reset may overtake the answer; those that came are 431.
    assert {reply.status for answers in told for reply in answers} <= {431}
    assert grown < 40 * MB, "a hundred megabytes were sent"


def test_a_thousand_idle_connections_are_in_nobodys_way(
    server: CheckServer, acme: Cast, key: str
) -> None:
    with connections(server, 1_000) as wires:
        with valid_traffic(server, acme, key):
            pass
        for wire in wires[::100]:
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert [reply.status for reply in replies(read(wire, 5))] == [200], "it still serves"


def test_slow_clients_are_cut_off_after_ten_seconds_and_are_in_nobodys_way(
    server: CheckServer, acme: Cast, key: str
) -> None:
    question = asked(acme, key)
    with connections(server, 300) as wires:
        for place, wire in enumerate(wires):
            wire.sendall(question[: 1 + place * (len(question) - 1) // 300])
        with valid_traffic(server, acme, key):
            told = [replies(read(wire, 15)) for wire in wires]
    assert {reply.status for answers in told for reply in answers} == {408}
    assert all(len(answers) == 1 for answers in told)


def test_who_leaves_without_waiting_has_spent_at_most_once_for_each_question(
    server: CheckServer, acme: Cast, key: str, store: "redis.Redis"
) -> None:
    limits = [body("day", 10_000, "day", "calendar"), body("s", 10_000, "day", "smooth")]
    leaver = acme.issue(scopes=["chat:write"], limits=limits)
    question = asked(acme, leaver.secret.reveal())
    whole = 0
    with valid_traffic(server, acme, key), Gate(server, acme) as gate:
        for place in range(300):
            with connections(server, 1) as (wire,):
                many = 1 + place % 4
                cut = len(question) - 1 if place % 3 else len(question)
                wire.sendall(question * (many - 1) + question[:cut])
                whole += many if cut == len(question) else many - 1
                hang_up(wire)
        answer: Any = gate.check(leaver, {"requests": 0}, request=REQUEST).body
    decisions = logged([leaver])
    spent = {10_000 - limit["remaining"] for limit in answer["limits"]}
    # The last entry is the look that cost nothing.
    assert spent == {sum(d.code is Code.OK for d in decisions) - 1}
    assert 0 < max(spent) <= whole
    assert store.exists(name("log"))


def test_who_asks_on_and_on_and_reads_no_answer_is_cut_off(
    server: CheckServer, acme: Cast, key: str
) -> None:
    wrong = asked(acme, key).replace(acme.gateway_token.encode(), b"csg_live_nobody")
    probe = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for flood in (probe, wrong):
        with valid_traffic(server, acme, key), connections(server, 4) as wires:
            before = memory(server)
            cut = [_pours(wire, flood * 1000, 8 * MB) for wire in wires]
            grown = memory(server) - before
        assert all(cut), "somebody could send eight megabytes of requests"
        assert grown < 20 * MB


def _pours(wire: socket.socket, flood: bytes, most: int) -> bool:
    """Send without reading; whether the other side ended it."""
    wire.settimeout(0.5)
    try:
        for _ in range(most // len(flood)):
            wire.sendall(flood)
    except TimeoutError:
        return True  # it reads no more
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def test_a_few_requests_ahead_of_their_answers_are_all_answered(
    server: CheckServer, acme: Cast, key: str
) -> None:
    with connections(server, 1) as (wire,):
        wire.sendall(asked(acme, key) * 40)
        told = replies(read(wire, 1))
    assert [reply.status for reply in told] == [200] * 40
