"""Checks that arrive together share one script call and one statement, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import redis

from keys.codes import Code
from keys.decision.link import Link
from keys.decision.script import BATCH, DECIDED, StoreUnavailable
from keys.gateway.service import CheckService
from keys.issuing import Issued
from portal.core.names import name
from tests.cast import Cast
from tests.invariants.model import Limit
from tests.invariants.scripted import calendar, check
from tests.invariants.traffic import body, logged

Answer = tuple[int, dict[str, Any]]
TOO_FEW = msgspec.msgpack.encode((1, "", "", []))
REPLIES = {
    "none in time": None,
    "connection lost": b"",
    "an error": b"-ERR no\r\n",
    "not Redis at all": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "not our script's": b"$2\r\nOK\r\n",
    "a number": b":1\r\n",
    "too few answers": b"$%d\r\n%s\r\n" % (len(TOO_FEW), TOO_FEW),
}
LIMITS = [body("first", 5, "month", "calendar"), body("second", 5, "day", "smooth")]


async def call(service: CheckService, cast: Cast, key: Issued, **more: Any) -> Answer:
    """One request by ASGI, as the server makes it."""
    question = json.dumps({"key": key.secret.reveal(), **more}).encode()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": question}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"authorization", f"Bearer {cast.gateway_token}".encode()),
        (b"content-type", b"application/json"),
    ]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/keys/check", "headers": headers,
        "query_string": b"", "client": ("203.0.113.9", 1),
    }  # fmt: skip
    await service(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@asynccontextmanager
async def running() -> AsyncIterator[CheckService]:
    """A service in this process, ready."""
    service = CheckService()
    await service.start()
    await service.pool.wait(10)
    try:
        yield service
    finally:
        await asyncio.wait_for(service.stop(), 10)


@asynccontextmanager
async def impostor(reply: bytes | None) -> AsyncIterator[tuple[Link, list[bytes]]]:
    """A link to a server that names its run and replies this to a script; None: nothing, ever."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while received := await reader.read(2**20):
            asked.extend(name for name in (b"INFO", b"EVALSHA") if name in received)
            if asked[-1] == b"INFO":
                writer.write(b"+run_id:1\r\n")
            elif reply == b"":
                break
            elif reply is not None:
                writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Link(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"), asked


async def together(service: CheckService, cast: Cast, keys: list[Issued]) -> list[Answer]:
    """All at once, in one turn of the loop."""
    return await asyncio.gather(*(call(service, cast, key) for key in keys))


def in_service(work: Callable[[CheckService], Awaitable[None]]) -> None:
    """Run it beside a running service."""

    async def whole() -> None:
        async with running() as service:
            await work(service)

    asyncio.run(whole())


def test_a_batch_of_hits_is_one_redis_call_and_no_sql(acme: Cast) -> None:
    keys = [acme.issue(limits=LIMITS) for _ in range(5)]

    async def work(service: CheckService) -> None:
        await together(service, acme, keys)
        statements, calls = service.snapshots.statements, service.script.calls
        answers = await together(service, acme, keys * 10)
        assert [status for status, _ in answers] == [200] * 50
        assert service.snapshots.statements == statements
        assert service.script.calls == calls + 1

    in_service(work)


def test_a_whole_batch_of_misses_is_one_statement(acme: Cast) -> None:
    keys = [acme.issue(limits=LIMITS) for _ in range(12)]

    async def work(service: CheckService) -> None:
        answers = await together(service, acme, keys * 4)
        assert [answer["code"] for _, answer in answers] == ["OK"] * 48
        assert service.snapshots.statements == 1
        # A new process learns the lease first; then all of them are one call.
        assert service.script.calls == 2

    in_service(work)


def test_misses_beside_hits_of_a_known_gateway_are_one_statement(acme: Cast) -> None:
    known = acme.issue(limits=LIMITS)
    fresh = [acme.issue(limits=LIMITS) for _ in range(20)]

    async def work(service: CheckService) -> None:
        await together(service, acme, [known])
        statements = service.snapshots.statements
        answers = await together(service, acme, [known, *fresh, known])
        assert {answer["code"] for _, answer in answers} == {"OK"}
        assert service.snapshots.statements == statements + 1

    in_service(work)


def test_more_than_a_batch_holds_are_split_and_still_exact(acme: Cast) -> None:
    key = acme.issue(limits=[body("m", 200, "month", "calendar")])

    async def work(service: CheckService) -> None:
        await together(service, acme, [key])
        calls = service.script.calls
        answers = await together(service, acme, [key] * 3 * BATCH)
        assert sum(answer["allowed"] for _, answer in answers) == 199
        assert service.script.calls == calls + 3
        left = [answer["limits"][0]["remaining"] for _, answer in answers if answer["allowed"]]
        assert sorted(left, reverse=True) == list(range(198, -1, -1))

    in_service(work)


def test_a_poisoned_counter_is_a_503_for_its_own_check_alone(
    acme: Cast, store: "redis.Redis"
) -> None:
    good = [acme.issue(limits=LIMITS) for _ in range(8)]
    bad = [acme.issue(limits=LIMITS) for _ in range(2)]
    poisoned = [Limit.of(bad[0].key.id, LIMITS[1]), Limit.of(bad[1].key.id, LIMITS[1])]
    store.lpush(name("b", poisoned[0].counter), "not a bucket")
    store.set(name("b", poisoned[1].counter), "nor this")
    order = [*good[:4], bad[0], *good[4:], bad[1]]

    async def work(service: CheckService) -> None:
        await together(service, acme, good)
        for expected in (3, 2, 1, 0):
            answers = await together(service, acme, order)
            for key, (status, answer) in zip(order, answers, strict=True):
                if key in bad:
                    assert (status, answer["code"]) == (503, "STORE_UNAVAILABLE")
                else:
                    assert (status, answer["code"]) == (200, "OK")
                    assert [x["remaining"] for x in answer["limits"]] == [expected, expected]

    in_service(work)
    assert {d.code for d in logged(order)} == {Code.OK}
    first = Limit.of(bad[0].key.id, LIMITS[0])
    assert list(store.scan_iter(name("q", first.counter, "*"))) == []


def test_a_key_refused_in_a_batch_takes_nothing_from_its_neighbours(acme: Cast) -> None:
    shared = body("all", 4, "month", "calendar", shared_by="tenant")
    none = acme.issue(limits=[shared, body("own", 0, "day", "calendar")])
    some = acme.issue(limits=[shared])

    async def work(service: CheckService) -> None:
        answers = await together(service, acme, [none, some] * 6)
        assert [answer["allowed"] for _, answer in answers] == [False, True] * 4 + [False] * 4

    in_service(work)


def test_a_caller_who_left_is_skipped_and_spends_nothing(acme: Cast) -> None:
    limit = calendar(9, "month")

    async def work(service: CheckService) -> None:
        asked = [service.script.ask(check([limit], [1])) for _ in range(6)]
        for future in asked[::2]:
            future.cancel()
        answers = await asyncio.gather(*asked[1::2])
        assert [answer[2][0] for answer in answers] == [8, 7, 6]

    in_service(work)


def test_a_request_that_is_cancelled_leaves_the_others_of_its_batch(acme: Cast) -> None:
    key = acme.issue(limits=[body("m", 50, "month", "calendar")])

    async def work(service: CheckService) -> None:
        await together(service, acme, [key])
        tasks = [asyncio.ensure_future(call(service, acme, key)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        told = [answer for answer in answers[1::2] if not isinstance(answer, BaseException)]
        assert [answer["code"] for _, answer in told] == ["OK"] * 10
        _, last = await call(service, acme, key)
        assert last["limits"][0]["remaining"] >= 50 - 1 - 20 - 1

    in_service(work)
    assert 12 <= len(logged([key])) <= 22


@pytest.mark.parametrize("reply", REPLIES)
def test_a_failed_call_fails_exactly_its_batch_and_is_not_repeated(acme: Cast, reply: str) -> None:
    key = acme.issue(limits=LIMITS)

    async def work(service: CheckService) -> None:
        await together(service, acme, [key])
        good = service.script.link
        async with impostor(REPLIES[reply]) as (link, asked):
            service.script.link = link
            assert await link.call("INFO") == b"run_id:1"
            answers = await asyncio.wait_for(together(service, acme, [key] * 10), 2)
            assert {status for status, _ in answers} == {503}
            assert asked.count(b"EVALSHA") == 1
            link.close()
        service.script.link = good
        _, answer = await call(service, acme, key)
        assert (answer["code"], answer["limits"][0]["remaining"]) == ("OK", 3)

    in_service(work)


def test_a_check_that_can_not_be_sent_fails_and_the_next_is_answered(acme: Cast) -> None:
    async def work(service: CheckService) -> None:
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(service.script.ask([object()]), 2)
        answer = await asyncio.wait_for(service.script.ask(check([], [])), 2)
        assert answer[0] == DECIDED

    in_service(work)


def test_at_most_two_calls_are_under_way(acme: Cast) -> None:
    async def work(service: CheckService) -> None:
        script = service.script
        asked = [script.ask(check([], [])) for _ in range(5 * BATCH)]
        most = 0
        while not all(future.done() for future in asked):
            most = max(most, script.under_way)
            await asyncio.sleep(0)
        assert {future.result()[0] for future in asked} == {DECIDED}
        assert most == 2

    in_service(work)


def test_a_script_that_redis_forgot_is_sent_again(acme: Cast, store: "redis.Redis") -> None:
    key = acme.issue(limits=LIMITS)

    async def work(service: CheckService) -> None:
        for expected in (4, 3, 2):
            store.script_flush()
            _, answer = await call(service, acme, key)
            assert (answer["code"], answer["limits"][0]["remaining"]) == ("OK", expected)

    in_service(work)
