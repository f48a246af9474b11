"""The one script call: checks that arrive in one turn of the event loop share it."""

import asyncio
from collections import deque
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

import hiredis
import msgspec
import structlog

from keys.decision.link import Link, LinkDown
from portal.core.names import prefix

SCRIPT: Final = (Path(__file__).parent / "decide.lua").read_text()
SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()
BATCH: Final = 128
IN_FLIGHT: Final = 2
MOST_BYTES: Final = 512 * 1024 * 1024

DECIDED, STALE, COLD, ERR, NEGATIVE_STALE, FULL, NO_ERA, TOO_MANY = range(8)
DECIDE, FRESH, DRY_RUN = range(3)
Answer = list[Any]
log = structlog.get_logger()


class StoreUnavailable(Exception):
    """No decision could be made. What was asked may have been spent, once."""


class Reply(msgspec.Struct, array_like=True):
    now: int
    lease: str
    stamp: str
    answers: list[Answer]


_decode = msgspec.msgpack.Decoder(Reply).decode
_encode = msgspec.msgpack.Encoder().encode


class Script:
    """Batches checks into script calls, at most two of which are under way.

    `lease` and `stamp` are Redis' latest word; what is read from PostgreSQL after it may be offered
    under it.
    """

    def __init__(self, link: Link, *, most_decisions: int, test_clock: bool = False) -> None:
        self.link, self.most_decisions, self.test_clock = link, most_decisions, test_clock
        self.lease = self.stamp = ""
        self.waiting: deque[tuple[Any, asyncio.Future[Answer]]] = deque()
        self.under_way = 0
        self.scheduled = False
        self.calls = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def ask(self, check: list[Any]) -> "asyncio.Future[Answer]":
        """Queue a check for the call that this turn of the loop makes."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self.waiting.append((check, future))
        if not self.scheduled and self.under_way < IN_FLIGHT:
            self.scheduled = True
            loop.call_soon(self._flush)
        return future

    async def refresh(self) -> None:
        """Learn the lease and the stamp without asking anything; raises StoreUnavailable."""
        await self._run([])

    def _flush(self) -> None:
        self.scheduled = False
        while self.waiting and self.under_way < IN_FLIGHT:
            batch = []
            while self.waiting and len(batch) < BATCH:
                check, future = self.waiting.popleft()
                if not future.done():  # its caller was cancelled
                    batch.append((check, future))
            if batch:
                self.under_way += 1
                task = asyncio.ensure_future(self._settle(batch))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def _settle(self, batch: list[tuple[Any, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._run([check for check, _ in batch])
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:
            # An exception fails exactly its batch, whatever it is; nothing turns into an allow.
            if not isinstance(error, StoreUnavailable):
                log.exception("script.failed")
            for _, future in batch:
                if not future.done():
                    future.set_exception(StoreUnavailable())
        finally:
            self.under_way -= 1
            self._flush()

    async def _run(self, checks: list[Any]) -> list[Answer]:
        self.calls += 1
        argument = _encode((self.test_clock, self.most_decisions, MOST_BYTES, checks))
        try:
            raw = await self.link.script(SHA, SCRIPT, prefix(), argument)
        except (LinkDown, hiredis.HiredisError) as error:
            log.warning("script.unavailable", error=str(error)[:200])
            raise StoreUnavailable from None
        reply = _decode(raw)
        self.lease, self.stamp = reply.lease, reply.stamp
        return reply.answers
