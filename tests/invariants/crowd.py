"""Threads that ask every process about one key without a pause, and when each question began."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from tests.cast import Cast
from tests.processes import CheckServer

REQUEST: Final = {
    "method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "small",
}  # fmt: skip
Seen = tuple[float, str]
"""When a question began (time.monotonic) and what the answer's code was."""


class Crowd:
    """`with Crowd(fleet, cast, key) as crowd`: `threads` a process ask from begin to end."""

    def __init__(
        self, fleet: Sequence[CheckServer], cast: Cast, key: str, *, gateway: str | None = None,
        threads: int = 3,
    ) -> None:  # fmt: skip
        self.key, self.gateway, self.ended = key, gateway or cast.gateway_token, threading.Event()
        servers = [server for server in fleet for _ in range(threads)]
        self.seen: list[list[Seen]] = [[] for _ in servers]
        self.threads = [
            threading.Thread(target=self._ask, args=(server, seen))
            for server, seen in zip(servers, self.seen, strict=True)
        ]

    def _ask(self, server: CheckServer, seen: list[Seen]) -> None:
        connection = server.connect()
        while not self.ended.is_set():
            key, began = self.key, time.monotonic()
            answer: dict[str, Any] = server.check(
                self.gateway, key, connection=connection, request=REQUEST
            )
            assert answer.get("allowed", False) is (answer["code"] == "OK")
            seen.append((began, answer["code"]))
        connection.close()

    def __enter__(self) -> "Crowd":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def everything(self) -> list[Seen]:
        """All answers up to now."""
        return [answer for seen in self.seen for answer in list(seen)]

    def _wait(self, enough: Any, within: float) -> None:
        until = time.monotonic() + within
        while not all(enough(seen) for seen in self.seen):
            assert all(thread.is_alive() for thread in self.threads), "a thread fell over"
            assert time.monotonic() < until, [seen[-2:] for seen in self.seen]
            time.sleep(0.002)

    def until_answered(self, times: int, within: float = 10) -> None:
        """Every thread has that many more answers."""
        have = {id(seen): len(seen) for seen in self.seen}
        self._wait(lambda seen: len(seen) >= have[id(seen)] + times, within)

    def until_all_say(self, code: str, within: float = 10) -> None:
        """Every thread's last two answers are this."""
        self._wait(lambda seen: [c for _, c in seen[-2:]] == [code] * 2, within)

    def only(self, code: str, *, after: float, each: int = 3) -> None:
        """Every thread gets `each` answers to questions begun after this moment, all the same."""

        def since(seen: list[Seen]) -> list[str]:
            return [told for began, told in seen[-50:] if began > after]

        self._wait(lambda seen: len(since(seen)) >= each, 10)
        told = {answer for seen in self.seen for answer in since(seen)}
        assert told == {code}
