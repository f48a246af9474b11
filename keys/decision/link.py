"""A connection to Redis for one kind of call, on the event loop, with hiredis' parser.

redis-py's asyncio client costs as much as the rest of a decision; this does what the check path
needs: commands in, replies in order, a timeout, and no retries: a script that timed out may have
run, and running it again would spend twice. NOSCRIPT alone is repeated: nothing ran.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

TIMEOUT: Final = 0.25
"""Seconds for one script call. Envoy's own default for the whole check is 0.2."""
OPEN_TIMEOUT: Final = 1.0
"""Seconds to connect, sign in, choose the database and learn the server's run."""
RUN: Final = re.compile(rb"run_id:(\w+)")


class LinkDown(Exception):
    """No reply: connection refused or lost, or the timeout passed. The call may have run."""


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.reader = hiredis.Reader()
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.transport: asyncio.Transport | None = None
        self.run = ""
        """The server's run: another one after each of its starts, and on another server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's has its own base

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            future = self.waiting.popleft()
            if not future.done():
                if isinstance(reply, hiredis.ReplyError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_exception(LinkDown("connection lost"))


class Link:
    """One connection, made when first needed and again after it was lost."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self.url, self.timeout = url, timeout
        self.protocol: _Protocol | None = None
        self.opening: asyncio.Task[_Protocol] | None = None

    async def _open(self) -> _Protocol:
        async with asyncio.timeout(OPEN_TIMEOUT):
            protocol = await self._reach()
            try:
                await self._introduce(protocol)
            except BaseException:
                if protocol.transport is not None:
                    protocol.transport.abort()
                raise
        return protocol

    async def _reach(self) -> _Protocol:
        parts = urlsplit(self.url)
        loop = asyncio.get_running_loop()
        if parts.scheme == "unix":
            _, protocol = await loop.create_unix_connection(_Protocol, parts.path)
        else:
            context = ssl.create_default_context() if parts.scheme == "rediss" else None
            _, protocol = await loop.create_connection(
                _Protocol, parts.hostname or "localhost", parts.port or 6379, ssl=context
            )
        return protocol

    async def _introduce(self, protocol: _Protocol) -> None:
        parts = urlsplit(self.url)
        query = parse_qs(parts.query)
        number = query.get("db", [parts.path.lstrip("/") if parts.scheme != "unix" else "0"])[-1]
        password = parts.password or query.get("password", [""])[-1]
        if password:
            user = [unquote(parts.username)] if parts.username else []
            await self._send(protocol, ("AUTH", *user, unquote(password)))
        if number not in ("", "0"):
            await self._send(protocol, ("SELECT", number))
        told = await self._send(protocol, ("INFO", "server"))
        found = RUN.search(told if isinstance(told, bytes) else b"")
        if found is None:
            raise LinkDown("the server does not name its run")
        protocol.run = found[1].decode()

    def _send(self, protocol: _Protocol, command: tuple[Any, ...]) -> "asyncio.Future[Any]":
        if protocol.transport is None:
            raise LinkDown("not connected")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        protocol.waiting.append(future)
        protocol.transport.write(hiredis.pack_command(command))
        return future

    async def _connected(self) -> _Protocol:
        if self.protocol is not None and self.protocol.transport is not None:
            return self.protocol
        if self.opening is None:
            self.opening = asyncio.ensure_future(self._open())
            self.opening.add_done_callback(self._opened)
        return await asyncio.shield(self.opening)

    def _opened(self, task: "asyncio.Task[_Protocol]") -> None:
        self.opening = None
        if not task.cancelled() and task.exception() is None:
            self.protocol = task.result()

    async def call(self, *command: Any) -> Any:
        """Send one command; raises LinkDown, or hiredis.ReplyError for Redis' own refusal."""
        return await self.call_of(lambda _: command)

    async def call_of(self, command: Callable[[str], tuple[Any, ...]]) -> Any:
        """The same for a command that depends on the run of the server which gets it."""
        protocol: _Protocol | None = None
        try:
            async with asyncio.timeout(self.timeout):
                protocol = await self._connected()
                return await self._send(protocol, command(protocol.run))
        except (TimeoutError, OSError) as error:
            # A reply that comes late must not be taken for the next call's.
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()
            raise LinkDown(str(error) or "timed out") from None

    def submit(self, command: Callable[[str], tuple[Any, ...]]) -> "asyncio.Future[Any] | None":
        """`call_of` without a task of its own; None when there is no connection yet.

        The future has the reply, LinkDown or hiredis.ReplyError.
        """
        protocol = self.protocol
        if protocol is None or protocol.transport is None:
            return None
        future = self._send(protocol, command(protocol.run))
        asyncio.get_running_loop().call_later(self.timeout, self._expire, protocol, future)
        return future

    @staticmethod
    def _expire(protocol: _Protocol, future: "asyncio.Future[Any]") -> None:
        # A reply that comes late must not be taken for the next call's: the connection goes.
        if not future.done() and protocol.transport is not None:
            protocol.transport.abort()

    async def script(
        self, sha: bytes, text: str, key: str, argument: Callable[[str], bytes]
    ) -> Any:
        """Run a script by its digest; its text is sent only when Redis does not have it."""
        try:
            return await self.call_of(lambda run: ("EVALSHA", sha, 1, key, argument(run)))
        except hiredis.ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self.call_of(lambda run: ("EVAL", text, 1, key, argument(run)))

    def close(self) -> None:
        """Close the connection; a later call opens another one."""
        if self.protocol is not None and self.protocol.transport is not None:
            self.protocol.transport.close()
