"""What `make run` runs: the options of its environment and the commands that follow from them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portal.core.processes import StartRefused

MIGRATE = "DATABASE_OWNER_URL=… .venv/bin/python manage.py migrate --database owner"


@dataclass(frozen=True)
class Options:
    """What the environment says; `embedded_*` where no address of one's own is given."""

    host: str
    port: int
    data_dir: Path
    base_url: str
    embedded_database: bool
    embedded_redis: bool
    owner_given: bool
    demo: bool

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Options:
        """Read the settings that the start needs; raises StartRefused for a port that is none."""

        def given(name: str) -> bool:
            return bool(environment.get(name) or environment.get(f"{name}_FILE"))

        text = environment.get("PORT") or "8000"
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise StartRefused(f"PORT: {text!r} is no port; say 1 to 65535")
        host = environment.get("HOST") or "127.0.0.1"
        own = not given("DATABASE_URL")
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # noqa: S104 - compared only
        shown = shown or (f"[{host}]" if ":" in host else host)
        return cls(
            host=host,
            port=int(text),
            data_dir=Path(environment.get("DATA_DIR") or "var").resolve(),
            base_url=environment.get("BASE_URL") or f"http://{shown}:{text}",
            embedded_database=own,
            embedded_redis=not given("REDIS_URL"),
            owner_given=given("DATABASE_OWNER_URL"),
            demo=own or environment.get("COUNTERSIGN_DEMO") == "1",
        )


@dataclass(frozen=True)
class Command:
    """One child: its name, arguments, and what differs from the others."""

    name: str
    argv: list[str]
    extra: dict[str, str] = field(default_factory=dict)
    patience: float = 1.5  # seconds between SIGTERM and SIGKILL
    death_signal: int = signal.SIGKILL
    owner: bool = False  # whether it is told the owner's address
    hint: str = ""  # what to say when it fails


@dataclass(frozen=True)
class Plan:
    """What to run: `prepare` one after another to the end, then `keep` until the stop."""

    prepare: list[Command]
    keep: list[Command]  # the first is the web process


def plan(options: Options) -> Plan:
    """The product's own plan."""
    python = [sys.executable, "-X", f"countersign={options.data_dir}"]  # ignored; tells `ps` whose
    manage = [*python, "manage.py"]
    where = ["--demo-file", str(options.data_dir / "demo.json"), "--base-url", options.base_url]
    migrates = options.embedded_database or options.owner_given
    if migrates and options.demo:
        prepare = [Command("prepare", [*manage, "prepare", *where], owner=True)]
    elif migrates:
        arguments = ["migrate", "--database", "owner", "--noinput"]
        prepare = [Command("migrate", [*manage, *arguments], owner=True)]
    else:
        arguments = ["migrate", "--check", "--database", "default"]
        hint = f"migrations are missing, or the database can't be asked; run: {MIGRATE}"
        prepare = [Command("migrate-check", [*manage, *arguments], hint=hint)]
        if options.demo:
            prepare.append(Command("demo", [*manage, "seed_demo", *where]))
    address = ["--host", options.host, "--port", str(options.port)]
    celery = ["celery", "-A", "portal.celery", "worker", "--pool", "threads", "--concurrency", "2"]
    celery += ["-B", "-s", str(options.data_dir / "celerybeat-schedule")]
    celery += ["--without-gossip", "--without-mingle"]
    web = Command("web", [*python, "-m", "portal.serve", "--role", "all", *address], patience=3.0)
    # SIGTERM, not SIGKILL: it takes its scheduler's process with it.
    worker = Command(
        "worker",
        [*python, "-m", *celery],
        extra={"REMAP_SIGTERM": "SIGQUIT"},
        death_signal=signal.SIGTERM,
    )
    return Plan(prepare, [web, worker, Command("drain", [*python, "-m", "keys.draining"])])
