"""The short way over HTTP: what it takes, what it leaves, and that nobody can tell them apart."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from keys.issuing import Issued
from keys.revocation import revoke_key
from portal.core.names import name
from tests.cast import Cast
from tests.core.test_http_protocol import Reply, talk
from tests.floods.floods import WATCHED, figure, hang_up
from tests.invariants.crowd import REQUEST
from tests.invariants.traffic import body as limit
from tests.processes import CheckServer, check_servers

QUESTIONS: list[dict[str, Any]] = [
    {}, {"request": REQUEST}, {"request": REQUEST, "scopes": ["chat:write"]},
    {"scopes": ["files:write"]}, {"request": {"path": "/nowhere", "method": "GET"}},
    {"usage": {"requests": 3}}, {"usage": {"requests": 10**9}}, {"usage": {"Nonsense": 1}},
    {"environment": "test"}, {"purpose": "ads"}, {"subject": "ada"}, {"dry_run": True},
    {"key": ""}, {"key": "csk_live_x"}, {"unheard": 1}, {"request": {"ip": "nowhere"}},
]  # fmt: skip


def question(cast: Cast, of: Issued, *lines: str, **more: Any) -> bytes:
    """A check on the wire."""
    body = json.dumps({"key": of.secret.reveal(), **more}).encode()
    head = [
        "POST /v1/keys/check HTTP/1.1", "Host: x", f"Authorization: Bearer {cast.gateway_token}",
        "Content-Type: application/json", *lines, f"Content-Length: {len(body)}", "", "",
    ]  # fmt: skip
    return "\r\n".join(head).encode() + body


def split(asked: bytes) -> list[bytes]:
    """Head and body apart: these always take the ordinary way."""
    head, end, body = asked.partition(b"\r\n\r\n")
    return [head + end, body]


def warm(server: CheckServer, asked: bytes) -> None:
    """Until the head is known: the first proves the gateway, with the next it is learned."""
    for _ in range(2):
        talk(server.port, asked, wait=0.2)


def short_answers(server: CheckServer) -> int:
    return figure(server, "short_answers_total")


@pytest.fixture(scope="module")
def watched() -> Iterator[CheckServer]:
    """A server whose figures can be read."""
    with check_servers(1, **WATCHED) as (running,):
        yield running


def shown(reply: Reply) -> tuple[int, dict[str, str], Any]:
    """An answer without what is new in every one."""
    told = json.loads(reply.body)
    told.pop("decision_id", None)
    new = ("date", "x-request-id", "content-length")
    for one in told.get("limits", []):
        del one["resets_in"], one["remaining"]
    return reply.status, {k: v for k, v in reply.headers.items() if k not in new}, told


def test_a_body_beyond_16_kib_is_refused_however_often_it_is_sent(
    acme: Cast, checker: CheckServer
) -> None:
    key = acme.issue()
    body = json.dumps({"key": key.secret.reveal()}).encode()
    head = question(acme, key).partition(b"Content-Length")[0]
    for filled, status in ((body.ljust(16 * 1024), 200), (body.ljust(16 * 1024 + 1), 413)):
        asked = head + b"Content-Length: %d\r\n\r\n" % len(filled) + filled
        told = [reply.status for _ in range(3) for reply in talk(checker.port, asked, wait=0.2)]
        assert told == [status] * 3


@pytest.mark.parametrize("more", QUESTIONS, ids=str)
def test_both_ways_tell_the_same(acme: Cast, checker: CheckServer, more: dict[str, Any]) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    asked = question(acme, key, **more)
    ordinary = talk(checker.port, *split(asked), every=0.02, wait=0.2)
    warm(checker, asked)
    short = talk(checker.port, asked, wait=0.2)
    assert [shown(reply) for reply in short] == [shown(reply) for reply in ordinary]
    assert len(short) == 1


def test_answers_come_in_their_order_and_every_question_has_one(
    acme: Cast, checker: CheckServer
) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    asked = [question(acme, key, usage={"requests": 1}) for _ in range(8)]
    warm(checker, asked[0])
    told = talk(checker.port, *asked, b"".join(asked), every=0.0005, wait=0.5)
    left = [reply.json["limits"][0]["remaining"] for reply in told]
    assert left == list(range(297, 281, -1))


def test_a_head_that_is_known_is_answered_without_a_parser(
    acme: Cast, watched: CheckServer
) -> None:
    asked = question(acme, acme.issue())
    before = short_answers(watched)
    warm(watched, asked)
    assert short_answers(watched) == before
    for n in range(1, 4):
        (reply,) = talk(watched.port, asked, wait=0.2)
        assert (reply.json["code"], short_answers(watched)) == ("OK", before + n)
    talk(watched.port, *split(asked), every=0.02, wait=0.2)
    assert short_answers(watched) == before + 3


def test_heads_of_strangers_are_not_remembered_and_push_nobodys_out(
    acme: Cast, watched: CheckServer
) -> None:
    asked, key = question(acme, acme.issue()), acme.issue()
    warm(watched, asked)
    stranger = acme.gateway_token[:-9].encode()
    for n in range(0, 1100, 50):
        flood = [
            question(acme, key).replace(acme.gateway_token.encode(), stranger + b"%09d" % (n + i))
            for i in range(50)
        ]
        talk(watched.port, b"".join(flood), wait=0.05)
    before = short_answers(watched)
    talk(watched.port, asked, wait=0.2)
    assert short_answers(watched) == before + 1


def test_an_answer_on_the_short_way_waits_for_the_one_before_it(
    acme: Cast, watched: CheckServer, store: "redis.Redis"
) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    known, other = question(acme, key), question(acme, key, "X-Trace: 1", usage={"requests": 3})
    warm(watched, known)
    store.client_pause(150)
    told = talk(watched.port, other, known, every=0.02, wait=0.5)
    assert [reply.json["limits"][0]["remaining"] for reply in told] == [295, 294]


def test_a_known_request_inside_of_a_body_is_a_body(acme: Cast, watched: CheckServer) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    asked = question(acme, key)
    warm(watched, asked)
    head = asked.partition(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n" % len(asked)
    (reply,) = talk(watched.port, head, asked, every=0.05, wait=0.3)
    assert (reply.status, reply.json["code"]) == (400, "REQUEST_INVALID")
    (reply,) = talk(watched.port, asked, wait=0.2)
    assert reply.json["limits"][0]["remaining"] == 297


def test_a_503_on_the_short_way_has_spent_once_at_most(
    acme: Cast, watched: CheckServer, store: "redis.Redis"
) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    asked = question(acme, key)
    warm(watched, asked)
    log, kept = name("log"), name("log:kept")
    store.rename(log, kept)
    store.set(log, "of another type: the script fails after it has charged")
    (reply,) = talk(watched.port, asked, wait=0.3)
    store.delete(log)
    store.rename(kept, log)
    assert (reply.status, reply.json["code"]) == (503, "STORE_UNAVAILABLE")
    (reply,) = talk(watched.port, asked, wait=0.2)
    assert reply.json["limits"][0]["remaining"] >= 300 - 2 - 1 - 1


@pytest.mark.parametrize(
    "lines",
    [["Connection: close"], ["Expect: 100-continue"], ["Transfer-Encoding: chunked"]],
    ids=str,
)
def test_a_head_that_asks_for_more_is_never_remembered(
    acme: Cast, checker: CheckServer, lines: list[str]
) -> None:
    asked = question(acme, acme.issue(), *lines)
    first, second = (
        [reply.status for reply in talk(checker.port, asked, wait=0.2)] for _ in range(2)
    )
    assert first == second
    assert first[0] == {"T": 400, "E": 100, "C": 200}[lines[0][0]]


def test_another_gateways_head_is_another_head(acme: Cast, checker: CheckServer) -> None:
    asked = question(acme, acme.issue())
    for _ in range(3):
        assert [reply.status for reply in talk(checker.port, asked, wait=0.2)] == [200]
    forged = asked.replace(acme.gateway_token.encode(), acme.gateway_token[:-9].encode() + b"x" * 9)
    for _ in range(3):
        assert [reply.status for reply in talk(checker.port, forged, wait=0.2)] == [401]


def test_what_was_taken_away_is_refused_on_a_connection_that_stays_open(
    acme: Cast, checker: CheckServer
) -> None:
    key, wire = acme.issue(), checker.connect()
    for code in ("OK", "OK", "OK", "KEY_REVOKED", "KEY_REVOKED"):
        if code == "KEY_REVOKED":
            revoke_key(actor=acme.owner, key_id=key.key.id, reason="x")
        told = checker.check(acme.gateway_token, key.secret.reveal(), connection=wire)
        assert told["code"] == code
    wire.close()


def test_who_hangs_up_spends_nothing_and_disturbs_nobody(
    acme: Cast, checker: CheckServer, store: "redis.Redis"
) -> None:
    key = acme.issue(limits=[limit("m", 300, "month", "calendar")])
    asked = question(acme, key)
    warm(checker, asked)
    store.client_pause(300)  # two calls are under way, the others wait for their turn
    for _ in range(20):
        wire = socket.create_connection(("127.0.0.1", checker.port), 5)
        wire.sendall(asked)
        time.sleep(0.005)
        hang_up(wire)
    (reply,) = talk(checker.port, asked, wait=0.8)
    assert 300 - 2 - 20 // 2 <= reply.json["limits"][0]["remaining"] < 300 - 2


def test_a_server_that_ends_answers_what_it_has_taken(acme: Cast, store: "redis.Redis") -> None:
    with check_servers(1) as (server,):
        asked = question(acme, acme.issue())
        warm(server, asked)
        told: list[Reply] = []
        asking = threading.Thread(target=lambda: told.extend(talk(server.port, asked)))
        store.client_pause(150)
        asking.start()
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        asking.join()
        server.process.wait(10)
    assert [(reply.status, reply.headers["connection"]) for reply in told] == [(200, "close")]


def test_a_redis_that_says_nothing_is_a_503_once(acme: Cast, store: "redis.Redis") -> None:
    with check_servers(1) as (server,):
        asked = question(acme, acme.issue())
        warm(server, asked)
        store.client_pause(400)
        (reply,) = talk(server.port, asked, wait=0.6)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.json["code"] == "STORE_UNAVAILABLE"
        (reply,) = talk(server.port, asked, wait=0.3)
        assert reply.status == 200
