"""Child processes that end with their parent, and are kept running until then.

Everything here is for one parent: a process is a direct child of it, started from its main thread
(PR_SET_PDEATHSIG fires when the *thread* that forked ends), in a session of its own. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_LIMIT = 10 * 1024 * 1024  # bytes; a longer log is put aside when its process starts
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None)  # loaded here: nothing may be imported between fork and exec


class StartRefused(Exception):
    """The start cannot go on; the message is one clear line (or a few) for the operator."""


class Interrupted(Exception):
    """The operator asked to stop while something was being waited for."""


@dataclass(frozen=True)
class User:
    """Whom a server runs as."""

    name: str
    uid: int
    gid: int


def die_with_parent(number: int, parent: int) -> None:
    """Ask the kernel to signal this process when its parent ends; ends at once if it has ended."""
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def birth(pid: int) -> int | None:
    """When `pid` started, in clock ticks since boot; None if there is none (a zombie is none)."""
    try:
        # The name, in parentheses, may hold spaces and parentheses of its own.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])  # proc(5): state, starttime


def boot_id() -> str:
    """Which boot of the machine this is: births are comparable within one boot only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class Process:
    """A running direct child."""

    name: str
    popen: subprocess.Popen[bytes]
    born: int

    @classmethod
    def of(cls, name: str, popen: subprocess.Popen[bytes]) -> Process:
        return cls(name, popen, birth(popen.pid) or 0)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def ended(self) -> bool:
        """Whether it has ended; what it left of its own session then ends with it."""
        if self.popen.returncode is not None:
            return True
        seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if seen is None:
            return False
        # Before it is reaped: until then the kernel gives its group's number to nobody else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        return True

    def stop(self, signals: Sequence[tuple[int, float]]) -> None:
        """Send each signal in turn and wait up to its seconds, then SIGKILL."""
        for number, patience in [*signals, (signal.SIGKILL, 5.0)]:
            if self.ended():
                return
            self.popen.send_signal(number)
            wait_until(self.ended, patience)


def wait_until(done: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Poll `done` for up to `seconds`; whether it came true."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every)
    return True


def _between_fork_and_exec(user: User | None, death_signal: int) -> Callable[[], None]:
    parent = os.getpid()

    def prepare() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
        os.umask(0o077)
        die_with_parent(death_signal, parent)  # last: the kernel forgets it when the user changes

    return prepare


def _open_log(log: Path) -> int:
    """A file descriptor at the log's end; one that grew too long is put aside."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def spawn(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    user: User | None = None,
    death_signal: int = signal.SIGKILL,
    feed: bytes = b"",
) -> Process:
    """Start a child in a session of its own that gets `death_signal` when this process ends.

    `feed` is written to its standard input (how a server is told its password: command lines are
    public). Raises StartRefused if it cannot be executed.
    """
    handle = _open_log(log)
    try:
        popen = subprocess.Popen(  # noqa: S603 - the arguments are ours
            argv,
            stdin=subprocess.PIPE,
            stdout=handle,
            stderr=handle,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=_between_fork_and_exec(user, death_signal),
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise StartRefused(f"{name} cannot be started ({argv[0]}): {problem}") from problem
    finally:
        os.close(handle)
    assert popen.stdin is not None
    try:
        popen.stdin.write(feed)
        popen.stdin.close()
    except BrokenPipeError:
        pass  # it ended already; whoever waits for it will see that
    return Process.of(name, popen)


@dataclass
class Service:
    """A process that is kept running: started again with growing pauses when it ends by itself."""

    name: str
    launch: Callable[[], Process]
    stop_signals: Sequence[tuple[int, float]] = ((signal.SIGTERM, 2.0),)
    process: Process | None = None
    failures: int = 0
    started_at: float = 0.0
    due_at: float = 0.0

    def start(self) -> None:
        self.process, self.started_at = self.launch(), time.monotonic()

    def tend(self, now: float) -> str:
        """Notice an end, start again when it is time; returns what there is to say, or ""."""
        if self.process is None:
            if now < self.due_at:
                return ""
            self.start()
            return f"{self.name} started again"
        if not self.process.ended():
            return ""
        # A minute of life is taken for health: the pause begins small again.
        self.failures = 0 if now - self.started_at > 60 else self.failures + 1
        pause = min(30.0, 0.25 * 2**self.failures)
        code, self.process, self.due_at = self.process.popen.returncode, None, now + pause
        return f"{self.name} ended by itself ({code}); starting it again in {pause:.1f} s"

    def stop(self, seconds: float | None = None) -> None:
        """End it; `seconds`, if given, is all the patience there is."""
        if self.process is not None:
            signals = [
                (number, patience if seconds is None else min(patience, seconds))
                for number, patience in self.stop_signals
            ]
            self.process.stop(signals)
            self.process = None
