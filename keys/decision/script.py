"""The one script call: checks that arrive in one turn of the event loop share it."""

import asyncio
from collections import deque
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any, Final, Protocol

import hiredis
import msgspec
import structlog

from keys.decision.link import TIMEOUT, Link, LinkDown
from portal.core.names import prefix

SCRIPT: Final = (Path(__file__).parent / "decide.lua").read_text()
SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()
BATCH: Final = 128
IN_FLIGHT: Final = 2
MOST_WAITING: Final = 4096
"""Checks that may wait for a call; beyond it Redis is not keeping up and the answer is 503."""
MOST_BYTES: Final = 512 * 1024 * 1024

DECIDED, STALE, COLD, ERR, NEGATIVE_STALE, FULL, NO_ERA, TOO_MANY = range(8)
DECIDE, FRESH, DRY_RUN = range(3)
Answer = list[Any]


class Waiter(Protocol):
    """Who waits for a check's answer: a future, or what is as short of words."""

    def done(self) -> bool:
        """Nobody wants the answer any more."""

    def set_result(self, answer: Answer, /) -> None:
        """The script's answer."""

    def set_exception(self, error: "StoreUnavailable", /) -> None:
        """There is none; the check may have been spent, once."""


Batch = list[tuple[Any, Waiter]]
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
        self.waiting: deque[tuple[Any, Waiter, float]] = deque()
        self.under_way = 0
        self.scheduled = False
        self.calls = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: set[asyncio.Task[list[Answer]]] = set()

    def ask(self, check: list[Any]) -> "asyncio.Future[Answer]":
        """Queue a check for the call that this turn of the loop makes."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.submit(check, future)
        return future

    def submit(self, check: list[Any], waiter: Waiter) -> None:
        """The same for a waiter of one's own, which is told from within the call's reply."""
        loop = self.loop
        if loop is None:
            loop = self.loop = asyncio.get_running_loop()
        if len(self.waiting) >= MOST_WAITING:
            waiter.set_exception(StoreUnavailable())
            return
        self.waiting.append((check, waiter, loop.time()))
        if not self.scheduled and self.under_way < IN_FLIGHT:
            self.scheduled = True
            loop.call_soon(self._flush)

    async def refresh(self) -> None:
        """Learn the lease and the stamp without asking anything; raises StoreUnavailable."""
        await self._run([])

    def _flush(self) -> None:
        self.scheduled = False
        while self.waiting and self.under_way < IN_FLIGHT:
            assert self.loop is not None, "who waits has asked in it"
            batch: Batch = []
            eldest = self.loop.time() - TIMEOUT
            while self.waiting and len(batch) < BATCH:
                check, waiter, since = self.waiting.popleft()
                if waiter.done():  # its caller was cancelled
                    continue
                if since < eldest:
                    # Whoever asked so long ago has been told 503 by its own proxy: spend nothing.
                    waiter.set_exception(StoreUnavailable())
                    continue
                batch.append((check, waiter))
            if batch:
                self.under_way += 1
                self._send(batch)

    def _send(self, batch: Batch) -> None:
        try:
            checks = [check for check, _ in batch]
            future = self.link.submit(
                lambda run: ("EVALSHA", SHA, 1, prefix(), self._argument(checks, run))
            )
        except Exception:  # whatever it is, it fails this batch: nobody waits for ever
            log.exception("script.failed")
            self._settle(batch, None)
            return
        if future is None:
            self._settle_slowly(batch)
        else:
            self.calls += 1
            future.add_done_callback(partial(self._replied, batch))

    def _replied(self, batch: Batch, future: "asyncio.Future[Any]") -> None:
        error = future.exception()
        if isinstance(error, hiredis.ReplyError) and str(error).startswith("NOSCRIPT"):
            self._settle_slowly(batch)  # nothing ran; it alone is repeated
            return
        if error is None:
            self._settle(batch, self._answers(future.result()))
        else:
            log.warning("script.unavailable", error=str(error)[:200])
            self._settle(batch, None)

    def _settle(self, batch: Batch, answers: list[Answer] | None) -> None:
        """Hand out the answers; an exception fails exactly its batch and never allows."""
        self.under_way -= 1
        if answers is not None and len(answers) != len(batch):
            answers = None
        for place, (_, waiter) in enumerate(batch):
            if waiter.done():
                continue
            try:
                if answers is None:
                    waiter.set_exception(StoreUnavailable())
                else:
                    waiter.set_result(answers[place])
            except Exception:  # one that fails to take its answer keeps no other from its own
                log.exception("script.waiter_failed")
        self._flush()

    def _settle_slowly(self, batch: Batch) -> None:
        """With a task: the connection has to be made, or the script's text to be sent."""
        task = asyncio.ensure_future(  # noqa: RUF006 - self.tasks holds it
            self._run([check for check, _ in batch])
        )
        self.tasks.add(task)

        def done(ended: "asyncio.Task[list[Answer]]") -> None:
            self.tasks.discard(ended)
            failed = ended.cancelled() or ended.exception() is not None
            self._settle(batch, None if failed else ended.result())

        task.add_done_callback(done)

    def _argument(self, checks: list[Any], run: str) -> bytes:
        return _encode((self.test_clock, self.most_decisions, MOST_BYTES, run, checks))

    def _answers(self, raw: bytes) -> list[Answer] | None:
        """The answers in a reply; None when it is not one."""
        try:
            reply = _decode(raw)
        except (msgspec.DecodeError, TypeError):
            log.exception("script.failed")
            return None
        self.lease, self.stamp = reply.lease, reply.stamp
        return reply.answers

    async def _run(self, checks: list[Any]) -> list[Answer]:
        self.calls += 1
        try:
            raw = await self.link.script(
                SHA, SCRIPT, prefix(), lambda run: self._argument(checks, run)
            )
        except (LinkDown, hiredis.HiredisError) as error:
            log.warning("script.unavailable", error=str(error)[:200])
            raise StoreUnavailable from None
        answers = self._answers(raw)
        if answers is None:
            raise StoreUnavailable
        return answers
