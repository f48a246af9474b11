"""Guessing gateways' credentials costs the guesser: those that exist stay held and are answered."""

import asyncio
import json
import os
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from psycopg_pool import AsyncConnectionPool

from keys.decision.link import Link
from keys.decision.loader import Snapshots
from keys.decision.script import Script
from portal.core.ids import base62
from portal.core.tokens import checksum, kid_in
from tests.cast import Cast
from tests.core.test_http_protocol import replies
from tests.floods.floods import WATCHED, figure, valid_traffic
from tests.invariants.crowd import REQUEST
from tests.processes import CheckServer, check_servers

GUESSES, ROOM = 1_000, 20
AHEAD, WIRES = 25, 4


def unknown_gateway() -> str:
    """Well-formed, with a right checksum, and nobody's."""
    text = f"csg_live_{base62(12)}_{base62(43)}"
    return text + checksum(text)


def question(credential: str, key: str) -> bytes:
    """A check, as it goes over the wire."""
    content = json.dumps({"key": key, "request": REQUEST}).encode()
    head = (
        "POST /v1/keys/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {credential}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def flood(server: CheckServer, credentials: list[str], key: str) -> Counter[tuple[int, str]]:
    """Ask with all of these, some ahead of their answers on each connection; status and code."""

    def some(part: list[str]) -> Counter[tuple[int, str]]:
        told = Counter[tuple[int, str]]()
        with socket.create_connection(("127.0.0.1", server.port), 20) as wire:
            for begin in range(0, len(part), AHEAD):
                asked = [question(one, key) for one in part[begin : begin + AHEAD]]
                wire.sendall(b"".join(asked))
                received = b""
                while received.count(b"HTTP/1.1 ") < len(asked) or not received.endswith(b"}"):
                    more = wire.recv(1 << 20)
                    assert more, "it hung up"
                    received += more
                told.update((reply.status, reply.json["code"]) for reply in replies(received))
        return told

    with ThreadPoolExecutor(WIRES) as pool:
        parts = [credentials[n::WIRES] for n in range(WIRES)]
        return sum(pool.map(some, parts), Counter[tuple[int, str]]())


def test_unknown_gateways_are_looked_up_and_refused(acme: Cast) -> None:
    key = acme.issue(scopes=["chat:write"]).secret.reveal()
    with check_servers(1, **WATCHED) as (server,), valid_traffic(server, acme, key):
        told = flood(server, [unknown_gateway() for _ in range(GUESSES)], key)
        assert told == {(401, "CREDENTIAL_INVALID"): GUESSES}
        assert figure(server, "snapshot_statements_total") > 2, "guesses are looked up"


def test_unknown_gateways_evict_none_that_exist(acme: Cast, globex: Cast) -> None:
    """In this process: the room of a real one takes ten thousand guesses to fill."""
    existing = [kid_in(cast.gateway_token) for cast in (acme, globex)]

    async def guessed_at() -> Snapshots:
        link = Link(os.environ["REDIS_URL"], 5)
        async with AsyncConnectionPool(os.environ["DATABASE_CHECK_URL"], open=False) as pool:
            snapshots = Snapshots(pool, Script(link, most_decisions=1), 1)
            snapshots.gateways.most = snapshots.unknown_gateways.most = ROOM
            guesses = [kid_in(unknown_gateway()) for _ in range(3 * ROOM)]
            for kid in (*existing, *guesses):
                await snapshots.load(kid, None)
        link.close()
        return snapshots

    snapshots = asyncio.run(guessed_at())
    assert [*snapshots.gateways.held] == existing
    assert len(snapshots.unknown_gateways.held) == ROOM


def test_wrong_secrets_of_a_gateway_cost_no_statement_and_leave_it_as_it_is(acme: Cast) -> None:
    key = acme.issue(scopes=["chat:write"]).secret.reveal()
    stems = [acme.gateway_token[:-49] + base62(43) for _ in range(1_000)]
    with check_servers(1, **WATCHED) as (server,), valid_traffic(server, acme, key):
        read = figure(server, "snapshot_statements_total")
        told = flood(server, [stem + checksum(stem) for stem in stems], key)
        assert told == {(401, "CREDENTIAL_INVALID"): len(stems)}
        assert figure(server, "snapshot_statements_total") == read
