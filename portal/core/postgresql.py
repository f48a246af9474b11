"""The embedded PostgreSQL: a cluster, its server and the three roles that the product uses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from portal.core.binaries import PostgresInstall, postgres_installs
from portal.core.data_dir import DataDir
from portal.core.processes import Interrupted, Process, Service, StartRefused, User, birth, spawn

SUPERUSER = "countersign_admin"
OWNER, APP, CHECK = ROLES = ("countersign_owner", "countersign_app", "countersign_check")
DATABASE = "countersign"
START_SECONDS = 120.0  # recovery after a crash may have a lot of log to replay

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",  # compiling costs more than the short queries of this product
    "max_parallel_workers_per_gather": "0",  # containers give 64 MB of /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log holds no statement, parameter or row: they may be secret.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Cluster:
    """A database cluster in `folder`, served on a socket in `sockets` only."""

    binaries: PostgresInstall
    folder: Path
    sockets: Path
    user: User | None
    environment: Mapping[str, str]
    durable: bool = True

    def url(self, role: str, known: Mapping[str, str]) -> str:
        """The address for one of ROLES; passwords and the path need no quoting."""
        assert role in ROLES
        return f"postgresql://{role}:{known[role]}@/{DATABASE}?host={self.sockets}"

    def start(
        self, data: DataDir, known: Mapping[str, str], stopping: Callable[[], bool]
    ) -> Service:
        """Make the cluster if there is none, serve it, ensure roles and database."""
        if self.folder.exists():
            self._refuse_other_major()
            self._remove_foreign_lock()
        else:
            self._create(known[SUPERUSER])
        signals = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0))  # fast, then immediate
        service = Service("postgresql", lambda: data.started(self._launch(data)), signals)
        service.start()
        try:
            self._wait(service, known, data, stopping)
            self._ensure_roles(known)
        except BaseException:
            service.stop()
            raise
        return service

    def _create(self, password: str) -> None:
        """initdb beside the final name, so that an interrupted one leaves nothing half made."""
        part = self.folder.with_name("postgresql.part")
        shutil.rmtree(part, ignore_errors=True)
        phrase = self.folder.with_name("postgresql.pwfile")
        phrase.unlink(missing_ok=True)
        with open(os.open(phrase, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password)
        argv = [self.binaries.program("initdb"), "-D", str(part), "-U", SUPERUSER]
        argv += ["--auth=scram-sha-256", f"--pwfile={phrase}", "--encoding=UTF8", "--locale=C"]
        argv += ["--data-checksums", *([] if self.durable else ["--no-sync"])]
        if self.binaries.major >= 17:  # upper and lower case beyond ASCII, the same everywhere
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        who: dict[str, Any] = {}
        if self.user:
            os.chown(phrase, self.user.uid, self.user.gid)
            who = {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            argv,
            capture_output=True,
            text=True,
            env=dict(self.environment),
            cwd=self.folder.parent,
            start_new_session=True,  # Ctrl-C is the supervisor's to handle
            check=False,
            **who,
        )
        phrase.unlink()
        if done.returncode:
            raise StartRefused(f"initdb failed in {part}: {done.stderr.strip()[-500:]}")
        part.rename(self.folder)

    def _refuse_other_major(self) -> None:
        found = int((self.folder / "PG_VERSION").read_text())
        if found == self.binaries.major:
            return
        old = postgres_installs().get(found)
        tools = str(old.folder / "bin") if old else f"/usr/lib/postgresql/{found}/bin"
        prefix = f"setpriv --reuid {self.user.uid} --clear-groups " if self.user else ""
        connect = f"-h {self.sockets} -U {SUPERUSER}"
        options = f"-c listen_addresses= -c unix_socket_directories={self.sockets}"
        raise StartRefused(
            f"{self.folder} was made by PostgreSQL {found}; this version runs "
            f"{self.binaries.major}. Dump it with the old one, start anew, restore "
            f"(the password is {SUPERUSER} in secrets.json):\n"
            f"  {prefix}{tools}/pg_ctl -D {self.folder} -w -o '{options}' start\n"
            f"  {tools}/pg_dump {connect} -Fc -f countersign.dump {DATABASE}\n"
            f"  {prefix}{tools}/pg_ctl -D {self.folder} -w stop\n"
            f"  mv {self.folder} {self.folder}-{found} && make run, then beside it\n"
            f"  {self.binaries.program('pg_restore')} {connect} --clean --if-exists"
            f" -d {DATABASE} countersign.dump"
        )

    def _remove_foreign_lock(self) -> None:
        """Remove a postmaster.pid whose number now is another program's.

        PostgreSQL would take any living process of its own user for a server. The folder is ours
        alone (DataDir's lock), and what an earlier run left has been ended.
        """
        lock = self.folder / "postmaster.pid"
        try:
            pid = int(lock.read_text().split()[0])
            inside = os.readlink(f"/proc/{pid}/cwd") == str(self.folder)
        except (OSError, ValueError, IndexError):
            return  # none, or of a process that ended: PostgreSQL sees that itself
        if birth(pid) is not None and not inside:
            lock.unlink()

    def _launch(self, data: DataDir) -> Process:
        settings = SETTINGS | ({} if self.durable else FORGETFUL)
        settings["unix_socket_directories"] = str(self.sockets)
        argv = [self.binaries.program("postgres"), "-D", str(self.folder), "-p", "5432"]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return spawn(
            "postgresql",
            argv,
            log=data.log("postgresql"),
            environment=self.environment,
            folder=self.folder.parent,
            user=self.user,
            death_signal=signal.SIGINT,  # PostgreSQL's fast stop
        )

    def _wait(
        self,
        service: Service,
        known: Mapping[str, str],
        data: DataDir,
        stopping: Callable[[], bool],
    ) -> None:
        """Wait for an answer; backends of a killed server may hold its memory a moment longer."""
        deadline = time.monotonic() + START_SECONDS
        failures = 0
        while True:
            if stopping():
                raise Interrupted
            if service.process is None or service.process.ended():
                failures += 1
                if failures > 5:
                    raise StartRefused(f"PostgreSQL does not start; see {data.log('postgresql')}")
                time.sleep(0.2 * failures)
                service.start()
            try:
                self._connect(known, "postgres").close()
                return
            except psycopg.OperationalError as problem:
                if time.monotonic() > deadline:
                    raise StartRefused(f"PostgreSQL does not answer: {problem}") from None
            time.sleep(0.03)

    def _connect(self, known: Mapping[str, str], database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.sockets),
            port=5432,
            dbname=database,
            user=SUPERUSER,
            password=known[SUPERUSER],
            connect_timeout=5,
            autocommit=True,
        )

    def _ensure_roles(self, known: Mapping[str, str]) -> None:
        """Make what is missing of roles and database; what exists is set right, every time."""
        with self._connect(known, "postgres") as db:
            for role in ROLES:
                found = db.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
                # Only the verifier is sent: the password itself is in no statement.
                verifier = db.pgconn.encrypt_password(
                    known[role].encode(), role.encode(), b"scram-sha-256"
                ).decode()
                rights = "CREATEDB" if role == OWNER else "NOCREATEDB"
                db.execute(
                    sql.SQL(
                        "{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION {} "
                        "PASSWORD {}"
                    ).format(
                        sql.SQL("ALTER" if found else "CREATE"),
                        sql.Identifier(role),
                        sql.SQL(rights),
                        sql.Literal(verifier),
                    )
                )
            if not db.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone():
                db.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
            db.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            db.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}, {CHECK}")
        with self._connect(known, DATABASE) as db:
            db.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
            db.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
