"""`make run`: starts everything that one machine needs, keeps it running, and stops all of it.

Order of the start: servers, migrations and demo (one short-lived child), then the web process, the
drain and the worker. Order of the stop: web, worker, drain, Redis, PostgreSQL, within ten seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from portal.core import embedded
from portal.core.data_dir import RUN_MARK, DataDir
from portal.core.processes import (
    Interrupted,
    Process,
    Service,
    StartRefused,
    die_with_parent,
    spawn,
    wait_until,
)
from portal.plan import Command, Options, Plan, plan

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
SERVERS_STOP_SECONDS = 1.6  # of the ten, for each server; the children's are in `Command.patience`


class Supervisor:
    """One run of a plan, from the lock on the data directory to the last process' end."""

    def __init__(self, options: Options, plan: Plan, environment: Mapping[str, str]) -> None:
        self.options, self.plan, self.environment = options, plan, dict(environment)
        self.stopping = False
        self.services: list[Service] = []  # the plan's, in the order in which they stop
        self.demo: dict[str, Any] = {}

    def run(self) -> int:
        """Start, keep running until a signal, stop; the exit code. Raises StartRefused."""
        refuse_taken_port(self.options.host, self.options.port)
        data = DataDir.open(self.options.data_dir)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop_requested)
        servers = None
        try:
            servers = embedded.start(
                data,
                database=self.options.embedded_database,
                redis=self.options.embedded_redis,
                stopping=lambda: self.stopping,
            )
            self._start(data, servers)
            self._keep(servers)
        except Interrupted:
            pass
        finally:
            say("stopping" if self.services else "")
            for service in self.services:
                service.stop()
            if servers is not None:
                servers.stop(SERVERS_STOP_SECONDS)
            data.close()
        return 0

    def _stop_requested(self, *_: object) -> None:
        self.stopping = True  # a second signal changes nothing

    def _start(self, data: DataDir, servers: embedded.Servers) -> None:
        environment = self._child_environment(data, servers)
        for command in self.plan.prepare:
            owner = {"DATABASE_OWNER_URL": servers.owner_url} if servers.owner_url else {}
            self._prepare(command, data, environment | (owner if command.owner else {}))
        for variable in ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE"):
            environment.pop(variable, None)  # nothing that stays may act as the owner
        for command in self.plan.keep:
            self.services.append(_service(command, data, environment))
            self.services[-1].start()
        self._wait_ready(data)
        for notice in data.notices:
            say(notice)
        say(self._greeting(data))

    def _child_environment(self, data: DataDir, servers: embedded.Servers) -> dict[str, str]:
        known = embedded.load_secrets(data)
        # libpq reads PG…: a port or a service of the operator's shell is not meant for our servers.
        ours = {k: v for k, v in self.environment.items() if not k.startswith("PG")}
        environment = ours if servers.app_url else dict(self.environment)
        environment |= {
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DATA_DIR": str(data.path),
            "BASE_URL": self.options.base_url,
            "PYTHONUNBUFFERED": "1",
            RUN_MARK: data.mark,
        }
        if servers.app_url:
            environment["DATABASE_URL"] = servers.app_url
            environment["DATABASE_CHECK_URL"] = servers.check_url
            if not environment.get("SECURE") and self.options.base_url.startswith("http:"):
                environment["SECURE"] = "0"  # one machine, to try it: nothing leaves it
        if servers.redis_url:
            environment["REDIS_URL"] = servers.redis_url
        for name in ("SECRET_KEY", "KEY_PEPPERS", "ENCRYPTION_KEYS"):
            if not (environment.get(name) or environment.get(f"{name}_FILE")):
                environment[name] = known[name.lower()]
        return environment

    def _prepare(self, command: Command, data: DataDir, environment: dict[str, str]) -> None:
        """Run a command to its end; the last line it prints may be a JSON object."""
        parent, log = os.getpid(), data.log(command.name)
        with open(log, "ab") as errors:
            child = subprocess.Popen(  # noqa: S603 - the arguments are ours
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment | command.extra,
                cwd=ROOT,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL, parent),
            )
        process = data.started(Process.of(command.name, child))
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        printed = b""
        while not process.ended():
            if self.stopping:
                process.stop([(signal.SIGTERM, 1.0)])
                raise Interrupted
            printed += child.stdout.read() or b""
            time.sleep(0.02)
        printed += child.stdout.read() or b""
        child.stdout.close()
        if child.returncode:
            failed = command.hint or f"{command.name} failed"
            raise StartRefused(f"{failed}\nsee {log}\n{tail(log)}".rstrip())
        with contextlib.suppress(ValueError, IndexError):
            said = json.loads(printed.splitlines()[-1])
            self.demo |= said if isinstance(said, dict) else {}

    def _wait_ready(self, data: DataDir) -> None:
        """Wait until the web process is ready; refuse the start if it ends first.

        One that lives and is not ready, as when a database of the operator's own is away, is told
        of and left to come back.
        """
        web = self.services[0]

        def settled() -> bool:
            return self.stopping or not web.process or web.process.ended() or self._ready()

        ready = wait_until(settled, READY_SECONDS, every=0.1)
        if self.stopping:
            raise Interrupted
        if not ready:
            log = data.log("web")
            say(f"It is not ready after {READY_SECONDS:.0f} s: /readyz says why, or {log}")
        if not web.process or web.process.ended():
            log = data.log("web")
            raise StartRefused(f"the web process ended at once; see {log}\n{tail(log)}")

    def _ready(self) -> bool:
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        address = f"http://{host}:{self.options.port}/readyz"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(address, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:  # urllib's errors are; 503 while something is missing
            return False

    def _keep(self, servers: embedded.Servers) -> None:
        """Start again what ends by itself, until a signal asks to stop."""
        while not self.stopping:
            for service in [*servers.services, *self.services]:
                try:
                    said = service.tend(time.monotonic())
                except StartRefused as refusal:
                    said = str(refusal)
                    service.due_at = time.monotonic() + 5
                if said:
                    say(said)
            time.sleep(0.1)

    def _greeting(self, data: DataDir) -> str:
        """The address and, with the demo, the one place where its credentials are printed."""
        lines = [f"Countersign answers on {self.options.base_url}"]
        if self.demo.get("setup_url"):
            lines += ["", "Make the first administrator (once):", f"  {self.demo['setup_url']}"]
        if self.demo.get("key") and self.demo.get("gateway_token"):
            request = {"method": "GET", "path": "/v1/models", "ip": "203.0.113.9"}
            body = json.dumps({"key": self.demo["key"], "request": request})
            lines += ["", f"A demo key: {self.demo['key']}", "Ask whether it may list models:"]
            lines += [f"  curl -s {self.options.base_url}/v1/keys/check \\"]
            lines += [f"    -H 'Authorization: Bearer {self.demo['gateway_token']}' \\"]
            lines += ["    -H 'Content-Type: application/json' \\", f"    -d {shlex.quote(body)}"]
        folders = dict.fromkeys([data.path, *data.folders])
        lines += ["", "Data: " + ", ".join(map(str, folders)) + f"; logs: {data.path / 'logs'}"]
        return "\n".join([*lines, "Ctrl-C stops everything."])


def _service(command: Command, data: DataDir, environment: dict[str, str]) -> Service:
    def launch() -> Process:
        return data.started(
            spawn(
                command.name,
                command.argv,
                log=data.log(command.name),
                environment=environment | command.extra,
                folder=ROOT,
                death_signal=command.death_signal,
            )
        )

    return Service(command.name, launch, ((signal.SIGTERM, command.patience),))


def refuse_taken_port(host: str, port: int) -> None:
    """Raise StartRefused if nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            message = f"{host}:{port} cannot be used: {problem.strerror}; choose another PORT"
            raise StartRefused(message) from problem


def tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log; our logs hold no secrets."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def say(text: str) -> None:
    """Print; a terminal that is gone must not keep anything from being stopped."""
    if text:
        with contextlib.suppress(OSError):
            print(text, flush=True)


def main(make_plan: Callable[[Options], Plan] = plan) -> int:
    """Run the product; 0 after a signal, 1 with a clear message when it can't start."""
    # `make` says who it is; if it ended before we could ask the kernel, the number differs.
    parent = int(os.environ.pop("COUNTERSIGN_PARENT", None) or os.getppid())
    die_with_parent(signal.SIGTERM, parent)
    os.umask(0o077)
    try:
        options = Options.read(os.environ)
        return Supervisor(options, make_plan(options), os.environ).run()
    except StartRefused as refusal:
        print(f"countersign: {refusal}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
