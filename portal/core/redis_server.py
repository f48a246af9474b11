"""The embedded Redis (or Valkey): its configuration, start and address."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core.data_dir import DataDir
from portal.core.processes import Interrupted, Process, Service, StartRefused, User, spawn

START_SECONDS = 120.0  # a long append-only file is read first


@dataclass(frozen=True)
class Server:
    """A Redis with its files in `folder`, listening on a socket in `sockets` only."""

    binary: Path
    folder: Path
    sockets: Path
    user: User | None
    environment: Mapping[str, str]

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    def url(self, known: Mapping[str, str]) -> str:
        return f"unix://:{known['redis']}@{self.socket}?db=0"

    def start(
        self, data: DataDir, known: Mapping[str, str], stopping: Callable[[], bool]
    ) -> Service:
        """Serve and wait until it has read its file and answers."""
        signals = ((signal.SIGTERM, 2.0),)
        service = Service("redis", lambda: data.started(self._launch(data, known)), signals)
        service.start()
        try:
            self._wait(service, known, data, stopping)
        except BaseException:
            service.stop()
            raise
        return service

    def _launch(self, data: DataDir, known: Mapping[str, str]) -> Process:
        configuration = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "requirepass": known["redis"],
            "dir": f'"{self.folder}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",  # a crash may cut the last command in two
            "save": '""',
            "maxmemory-policy": "noeviction",  # an evicted counter would grant its units again
            "daemonize": "no",
        }
        lines = "".join(f"{name} {value}\n" for name, value in configuration.items())
        # Told by its standard input: a command line is public, a file would outlive it.
        return spawn(
            "redis",
            [str(self.binary), "-"],
            log=data.log("redis"),
            environment=self.environment,
            folder=self.folder,
            user=self.user,
            death_signal=signal.SIGTERM,
            feed=lines.encode(),
        )

    def _wait(
        self,
        service: Service,
        known: Mapping[str, str],
        data: DataDir,
        stopping: Callable[[], bool],
    ) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if stopping():
                raise Interrupted
            if service.process is None or service.process.ended():
                raise StartRefused(f"Redis does not start; see {data.log('redis')}")
            try:
                with redis.Redis.from_url(self.url(known), retry=Retry(NoBackoff(), 0)) as client:
                    client.ping()
                    return
            except redis.RedisError:  # not listening yet, or still reading its file
                if time.monotonic() > deadline:
                    raise StartRefused(f"Redis does not answer; see {data.log('redis')}") from None
            time.sleep(0.03)
