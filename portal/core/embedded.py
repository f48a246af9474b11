"""The embedded PostgreSQL and Redis: real servers from wheels, for one machine and for the tests.

The wheels give binaries only. Their own launchers are not used: one adds a system user, opens the
permissions of parent folders and trusts every local user. Here both servers are direct children
that end with their parent, listen on sockets in a private folder only and ask for passwords. As
root they run as `nobody`, in a folder of that user's own with a copy of the binaries, because
neither the data directory nor the virtual environment need be within that user's reach.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from portal.core import postgresql, redis_server
from portal.core.binaries import Binaries
from portal.core.data_dir import RUN_MARK, DataDir
from portal.core.processes import Service, StartRefused, User

ROOT_HOMES = Path("/var/lib/countersign")
SOCKET_PATH_LIMIT = 80  # bytes; sun_path holds 107 and both servers add their file's name
Secrets = Mapping[str, str]


@dataclass
class Servers:
    """The running servers and how to reach them; "" where none was asked for.

    No address of the database's superuser leaves this module's servers.
    """

    data: DataDir
    owner_url: str = ""
    app_url: str = ""
    check_url: str = ""
    redis_url: str = ""
    services: list[Service] = field(default_factory=list)  # in the order in which they stop

    def stop(self, seconds: float | None = None) -> None:
        """Stop Redis, then PostgreSQL; `seconds` bounds the patience with each."""
        for service in self.services:
            service.stop(seconds)
        self.data.record()


@dataclass(frozen=True)
class Home:
    """Where the servers' files are and whom they run as."""

    path: Path
    sockets: Path
    user: User | None

    def folder(self, name: str) -> Path:
        """A private folder of the servers' user."""
        return private_folder(self.path / name, self.user)


def start(
    data: DataDir,
    *,
    database: bool = True,
    redis: bool = True,
    durable: bool = True,
    stopping: Callable[[], bool] = lambda: False,
) -> Servers:
    """Start what is asked for and wait until it answers; the main thread must call this.

    `durable=False` lets PostgreSQL forget on a crash, for throw-away servers. `stopping` is asked
    while waiting. Raises StartRefused with one clear message, Interrupted when `stopping` said so.
    """
    servers, known = Servers(data), load_secrets(data)
    if not (database or redis):
        return servers
    try:
        home = _home(data)
        # As another user the servers need binaries that it can reach: a copy in its own folder.
        binaries = Binaries(home.path / "binaries" if home.user else None)
        environment = {"PATH": os.defpath, "LANG": "C", "TZ": "UTC", RUN_MARK: data.mark}
        if database:
            cluster = _cluster(home, binaries, environment, durable)
            servers.services.append(cluster.start(data, known, stopping))
            servers.owner_url, servers.app_url, servers.check_url = (
                cluster.url(role, known) for role in postgresql.ROLES
            )
        if redis:
            server = _redis(home, binaries, environment)
            servers.services.insert(0, server.start(data, known, stopping))
            servers.redis_url = server.url(known)
    except OSError as problem:
        servers.stop()
        raise StartRefused(f"the embedded servers cannot be started: {problem}") from problem
    except BaseException:
        servers.stop()
        raise
    return servers


def _cluster(
    home: Home, binaries: Binaries, environment: Mapping[str, str], durable: bool
) -> postgresql.Cluster:
    return postgresql.Cluster(
        binaries=binaries.postgresql(),
        folder=home.path / "postgresql",
        sockets=home.sockets,
        user=home.user,
        environment=environment,
        durable=durable,
    )


def _redis(home: Home, binaries: Binaries, environment: Mapping[str, str]) -> redis_server.Server:
    return redis_server.Server(
        binary=binaries.redis(),
        folder=home.folder("redis"),
        sockets=home.sockets,
        user=home.user,
        environment=environment,
    )


@contextmanager
def throw_away(*, durable: bool = False) -> Iterator[Servers]:
    """Servers in a temporary folder, for tests; nothing is left of them afterwards."""
    data = DataDir.open(Path(tempfile.mkdtemp(prefix="countersign-")))
    servers = None
    try:
        servers = start(data, durable=durable)
        yield servers
    finally:
        if servers is not None:
            servers.stop()
        data.close()
        for folder in [*data.folders, data.path]:
            shutil.rmtree(folder, ignore_errors=True)


def load_secrets(data: DataDir) -> Secrets:
    """The generated secrets in `secrets.json`; what is missing is made and kept.

    `key_peppers` and `encryption_keys` are rings, `id:base64`, comma-separated, the newest last.
    """
    try:
        known: dict[str, str] = json.loads((data.path / "secrets.json").read_text())
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as problem:
        raise StartRefused(f"{data.path / 'secrets.json'} cannot be read: {problem}") from problem
    rings = {
        name: f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
        for name in ("key_peppers", "encryption_keys")
    }
    names = ["secret_key", "redis", postgresql.SUPERUSER, *postgresql.ROLES]
    whole = {name: secrets.token_urlsafe(32) for name in names} | rings
    whole |= known
    if whole != known:
        if not known.keys() >= set(names):
            _put_aside_orphan(data)
        data.write("secrets.json", json.dumps(whole, indent=1))
    return whole


def private_folder(path: Path, user: User | None) -> Path:
    """Make a folder that only `user` (None: this one) may enter; an existing one is corrected."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if user is not None:
        os.chown(path, user.uid, user.gid)
    return path


def nobody() -> User:
    """The user without rights; by its usual number where the machine has no list of users."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User("nobody", 65534, 65534)
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _root_home(data: DataDir) -> Path:
    return ROOT_HOMES / hashlib.sha256(os.fsencode(data.path)).hexdigest()[:16]


def _put_aside_orphan(data: DataDir) -> None:
    """Keep, under another name, servers' files whose secrets were deleted with the folder."""
    home = _root_home(data)
    if os.geteuid() == 0 and home.exists():
        aside = home.with_name(f"{home.name}.orphan-{time.time_ns()}")
        home.rename(aside)
        data.notices.append(f"{data.path} was emptied; what the servers kept for it is in {aside}")


def _home(data: DataDir) -> Home:
    """Find or make the servers' folder, and record it with the sockets' in `run.json`."""
    root = os.geteuid() == 0
    path = _root_home(data) if root else data.path
    if root and (data.path / "postgresql").exists():
        owner = (data.path / "postgresql").owner()
        raise StartRefused(f"{data.path} was made by {owner}, not by root: start as {owner}")
    if not root and _root_home(data) in data.folders:
        raise StartRefused(f"{data.path} was made by root: start as root or choose another")
    user = nobody() if root else None
    if root:
        if not ROOT_HOMES.exists():
            ROOT_HOMES.mkdir(mode=0o755, parents=True)
            ROOT_HOMES.chmod(0o755)  # whatever the umask is; a folder that exists stays as it is
        private_folder(path, user)
    sockets = path / "sockets"
    if len(os.fsencode(sockets)) > SOCKET_PATH_LIMIT or not re.fullmatch(r"[\w./-]+", str(sockets)):
        known = [folder for folder in data.folders if folder.name.startswith("countersign-s-")]
        sockets = known[0] if known and known[0].exists() else _short_folder()
    private_folder(sockets, user)
    data.folders = [path, *([] if sockets.is_relative_to(path) else [sockets])]
    data.record()
    return Home(path, sockets, user)


def _short_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="countersign-s-", dir="/tmp"))
