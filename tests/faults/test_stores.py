"""PostgreSQL and Redis stopped, killed, frozen and slowed under load; all comes back by itself."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.core import embedded
from portal.core.processes import Service
from tests.faults.figures import TIMES, note
from tests.faults.holding import assert_held
from tests.faults.load import ANY, CHAT, KINDS, Load, manage
from tests.invariants.stand import Acme, Stand, ask, eventually
from tests.invariants.traffic import seeded
from tests.processes import CheckServer, check_servers, drain_process

STORES = ["PostgreSQL", "Redis"]
PROCESSES, VICTIMS = 2, 20
Fault = Callable[[Stand, Service, random.Random], None]


def family(service: Service) -> list[int]:
    """A server's process and its children: PostgreSQL's backends go on without their parent."""
    assert service.process is not None
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def send(service: Service, number: int) -> None:
    for pid in family(service):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stopped(stand: Stand, service: Service, chance: random.Random) -> None:
    """Told to end, away for a while, started."""
    with stand.stopped(service):
        time.sleep(chance.uniform(0.2, 0.8))


def away(stand: Stand, service: Service, chance: random.Random) -> None:
    """Long enough that whoever waits for it waits longer each time."""
    with stand.stopped(service):
        time.sleep(4 if TIMES == 1 else 10)


def killed(stand: Stand, service: Service, chance: random.Random) -> None:
    """Ended without a word and started again at once, as its supervisor does."""
    time.sleep(chance.uniform(0, 0.3))
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGKILL)
    eventually(service.process.ended, 5)
    service.start()
    stand.await_servers()


def frozen(stand: Stand, service: Service, chance: random.Random) -> None:
    """It holds its connections and does nothing."""
    send(service, signal.SIGSTOP)
    time.sleep(chance.uniform(0.3, 1.2))
    send(service, signal.SIGCONT)


def slowed(stand: Stand, service: Service, chance: random.Random) -> None:
    """It runs a fifth of the time, in pieces."""
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        send(service, signal.SIGSTOP)
        time.sleep(0.016)
        send(service, signal.SIGCONT)
        time.sleep(0.004)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    # Durable: what is killed may lose nothing that it had confirmed.
    with embedded.throw_away(durable=True) as running, Stand(running) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(stand: Stand) -> Iterator[list[CheckServer]]:
    with check_servers(PROCESSES, **stand.environment) as running:
        yield running


@pytest.fixture(scope="module")
def portal(stand: Stand) -> Iterator[CheckServer]:
    running = CheckServer("all", **stand.environment)
    yield running
    running.stop()


@pytest.fixture(scope="module", autouse=True)
def drain(stand: Stand) -> Iterator[None]:
    with drain_process(**stand.environment):
        yield


def recover(fault: str, fleet: list[CheckServer], portal: CheckServer, acme: Acme) -> None:
    """Wait, all at once, for what must come back by itself, and note how long it took."""

    def comes_back(what: str, holds: Callable[[], bool]) -> threading.Thread:
        thread = threading.Thread(
            target=lambda: note(fault, what, eventually(holds, 15, OSError, ValueError))
        )
        thread.start()
        return thread

    fresh = [key.text for key in acme.keys[len(KINDS) + VICTIMS :]]
    waiting = [comes_back("a verb", lambda: manage(portal, acme, "", CHAT)[0] == 201)]
    for server, text in zip(fleet, fresh, strict=True):
        for what, key in (("a key that was held", acme.keys[ANY].text), ("a new key", text)):
            waiting.append(
                comes_back(what, lambda s=server, k=key: ask(s, acme.gateway, k).code == "OK")  # type: ignore[misc]
            )
    for thread in waiting:
        thread.join()


@pytest.mark.timeout(120 * TIMES)
@pytest.mark.parametrize("fault", [stopped, away, killed, frozen, slowed])
@pytest.mark.parametrize("store", STORES)
def test_what_must_hold_holds_and_all_comes_back(
    store: str, fault: Fault, stand: Stand, fleet: list[CheckServer], portal: CheckServer
) -> None:
    chance = seeded()
    service = stand.postgresql if store == "PostgreSQL" else stand.redis
    for _ in range(TIMES):
        acme = stand.acme(*KINDS, *[CHAT] * (VICTIMS + PROCESSES))
        victims = acme.keys[len(KINDS) : len(KINDS) + VICTIMS]
        with Load(acme, fleet, [portal], victims, chance) as load:
            time.sleep(0.3)
            fault(stand, service, chance)
            recover(f"{store} {fault.__name__}", fleet, portal, acme)
            eventually(load.limits_were_reached, 20)
        note(f"{store} {fault.__name__}", "the drain had caught up", assert_held(stand, load))
        if store == "Redis" and fault is not slowed:
            assert any(seen.told.status == 503 for seen in load.seen), "it was never away"
