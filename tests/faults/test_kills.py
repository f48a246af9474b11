"""Check processes, portal, worker and drain killed at random moments; each is started again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.core import embedded
from tests.faults.figures import KILLS, count, note
from tests.faults.holding import assert_held
from tests.faults.load import ANY, CHAT, KINDS, Load, manage
from tests.faults.unseen import a_job_is_done, what_waited_is_written
from tests.invariants.stand import Acme, Stand, ask, eventually
from tests.invariants.traffic import seeded
from tests.plugin import ROOT
from tests.processes import CheckServer

VICTIMS = 20
WHO = ["drain"] * 4 + ["check"] * 3 + ["portal"] * 2 + ["worker"]
UNSEEN = {
    "drain": ("all that waited was written", what_waited_is_written),
    "worker": ("its first job", a_job_is_done),
}
"""What those do who answer nobody, and what waits until it is done."""


class Crew:
    """All of the product's own processes on a stand, any of which may be replaced."""

    def __init__(self, stand: Stand, folder: Path) -> None:
        self.stand, self.folder = stand, folder
        self.checks = [CheckServer(**stand.environment) for _ in range(2)]
        self.portal = [CheckServer("all", **stand.environment)]
        self.others = {what: self.start(what) for what in UNSEEN}
        self.pool = ThreadPoolExecutor(KILLS)
        self.recovering: list[Future[None]] = []

    def start(self, what: str) -> "subprocess.Popen[bytes]":
        """As portal.plan starts it; in a session of its own, like its supervisor does."""
        celery = ["celery", "-A", "portal.celery", "worker", "--pool", "threads", "-B"]
        celery += ["-s", str(self.folder / "schedule"), "--without-gossip", "--without-mingle"]
        module = ["keys.draining"] if what == "drain" else celery
        return subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **self.stand.environment},
        )  # fmt: skip

    def kill(self, what: str, place: int) -> None:
        """Without a word."""
        if what in self.others:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.others[what].pid, signal.SIGKILL)
            self.others[what].wait(10)
        else:
            (self.checks if what == "check" else self.portal)[place].stop(signal.SIGKILL)

    def replace(self, what: str, place: int, acme: Acme) -> None:
        """Start it again, and note when it gave its first good answer.

        Drain and worker are not waited for: they may be killed before they have caught up, too.
        """
        began = time.monotonic()
        if what in self.others:
            self.others[what] = self.start(what)
            self.recovering.append(self.pool.submit(self.recovers, what, began))
            return
        if what == "check":
            self.checks[place] = server = CheckServer(**self.stand.environment)
            key = acme.keys[ANY].text
            good: Callable[[], bool] = lambda: ask(server, acme.gateway, key).code == "OK"  # noqa: E731
        else:
            self.portal[place] = portal = CheckServer("all", **self.stand.environment)
            good = lambda: manage(portal, acme, "", CHAT)[0] == 201  # noqa: E731
        eventually(good, 15, OSError)
        note(f"{what} process killed", "its first good answer", time.monotonic() - began)

    def recovers(self, what: str, began: float) -> None:
        """Note when who answers nobody works again."""
        told, wait = UNSEEN[what]
        wait(self.stand)
        note(f"{what} killed", told, time.monotonic() - began)

    def stop(self) -> None:
        """All of it."""
        for what in self.others:
            self.kill(what, 0)
        for server in [*self.checks, *self.portal]:
            server.stop(signal.SIGKILL)
        self.pool.shutdown()


@pytest.fixture
def stand() -> Iterator[Stand]:
    with embedded.throw_away(durable=True) as running, Stand(running) as made:
        yield made


@pytest.fixture
def crew(stand: Stand, tmp_path: Path) -> Iterator[Crew]:
    running = Crew(stand, tmp_path)
    yield running
    running.stop()


@pytest.mark.timeout(120 + 6 * KILLS)
def test_what_must_hold_holds_whoever_is_killed_when(stand: Stand, crew: Crew) -> None:
    chance, killed = seeded(), Counter[str]()
    acme = stand.acme(*KINDS, *[CHAT] * VICTIMS)
    victims = acme.keys[len(KINDS) :]
    everyone = sorted(set(WHO))
    chosen = everyone + chance.choices(WHO, k=KILLS - len(everyone))
    chance.shuffle(chosen)
    with Load(acme, crew.checks, crew.portal, victims, chance) as load:
        time.sleep(0.5)
        for what in chosen:
            time.sleep(chance.uniform(0, 0.9))
            place = chance.randrange(2) if what == "check" else 0
            crew.kill(what, place)
            killed[what] += 1
            crew.replace(what, place, acme)
        time.sleep(0.5)
    for one in crew.recovering:
        one.result()
    note("after the last kill", "the drain had caught up", assert_held(stand, load))
    count(killed)
    print(f"{len(load.seen)} answers, {len(load.taken)} keys revoked")
    assert all(process.poll() is None for process in crew.others.values())
