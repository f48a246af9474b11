"""Our own rows: burst, sustained, beside a page, many keys there, many held, several processes."""

import contextlib
import os
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import redis

from bench import load, paced, spent, stand
from bench.load import Figures
from bench.report import Row
from portal.core.names import name

CHECK, HELLO, ALL = 18_230, 18_231, 18_232
VALID, UNKNOWN = 200, 2_000
"""A second, of the flood."""
FEW = 8
"""Connections to a server that has a thread for each."""
HELLO_URL = f"http://127.0.0.1:{HELLO}/v1/keys/check"


class Bench(NamedTuple):
    """What all rows share: scripts of questions, who spends on core 1, seconds a row."""

    rotation: Path
    everyone: Path
    servers: dict[str, int]
    seconds: int
    rounds: int


def url(port: int) -> str:
    """Where a check server answers."""
    return f"http://127.0.0.1:{port}/v1/keys/check"


def hello(bench: Bench) -> Figures:
    """The hello beside the row that follows: machines are noisy, neighbours are equally so."""
    return load.run(HELLO_URL, bench.rotation, seconds=bench.seconds)


def middle(rows: list[Row]) -> Row:
    """The one with the middle ratio."""
    return sorted(rows, key=lambda row: row.ratio)[len(rows) // 2]


def asked(bench: Bench, title: str, port: int, watched: dict[str, int], lua: Path) -> Row:
    """A hello, then this many seconds of questions."""
    bare = hello(bench)
    figures, cost = spent.while_it_runs(
        bench.servers | watched,
        lambda: load.run(url(port), lua, seconds=bench.seconds), bench.seconds,
    )  # fmt: skip
    return Row(title, figures, bare, cost)


def burst(bench: Bench, pid: int, title: str = "decision, drain off") -> Row:
    """The middle one of some rounds."""
    rows = [asked(bench, title, CHECK, {"check": pid}, bench.rotation) for _ in range(bench.rounds)]
    ratios = ", ".join(f"{row.ratio:.2f}" for row in rows)
    return middle(rows)._replace(note=f"of hello, round by round: {ratios}")


def _waiting() -> int:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as store:
        return int(store.get(name("log", "decisions")) or 0)


def emptied() -> None:
    """Wait until the drain has written everything."""
    while _waiting():
        time.sleep(0.1)


def sustained(bench: Bench, pid: int, seconds: int) -> Row:
    """With the drain, for so long; how far it was behind, second by second, is in the note."""
    with stand.process("-m", "keys.draining", core=1) as drain:
        emptied()
        bare, lag, over = hello(bench), list[int](), threading.Event()

        def watch() -> None:
            while not over.wait(1):
                lag.append(_waiting())

        watching = threading.Thread(target=watch)
        watching.start()
        figures, cost = spent.while_it_runs(
            bench.servers | {"check": pid, "drain": drain.pid},
            lambda: load.run(url(CHECK), bench.rotation, seconds=seconds), seconds,
        )  # fmt: skip
        over.set()
        watching.join()
        emptied()
    third = max(1, len(lag) // 3)
    first, last = sum(lag[:third]) / third, sum(lag[-third:]) / third
    note = (
        f"{seconds} s; waiting for the drain on average {first:,.0f} decisions in the first third,"
        f" {last:,.0f} in the last, {max(lag, default=0):,} at most"
    )
    return Row("decision, drain on", figures, bare, cost, note)


@contextlib.contextmanager
def _rendering(path: str) -> Iterator[list[float]]:
    """A security admin who asks for a page again and again; the seconds that each took."""
    from tests.pages.browser import session_of, staff

    took, over = list[float](), threading.Event()
    cookie = f"countersign={session_of(staff('Sol Okafor', 'security_admin'))}"
    asked = urllib.request.Request(f"http://127.0.0.1:{ALL}{path}", headers={"Cookie": cookie})

    def work() -> None:
        while not over.is_set():
            began = time.monotonic()
            with urllib.request.urlopen(asked) as page:
                assert page.url.endswith(path), "the page is shown, not the sign-in"
                page.read()
            took.append(time.monotonic() - began)
            over.wait(0.05)

    reading = threading.Thread(target=work)
    reading.start()
    try:
        yield took
    finally:
        over.set()
        reading.join()


def beside_a_page(bench: Bench) -> list[Row]:
    """Portal and check path in one process: without pages, then while one is rendered."""
    command = ("-m", "portal.serve", "--role", "all", "--port", str(ALL))
    with stand.process(*command, core=0) as portal:
        stand.listening(ALL)
        load.run(url(ALL), bench.rotation, seconds=2)
        watched = {"check": portal.pid}
        alone = asked(bench, "decision in the portal's process", ALL, watched, bench.rotation)
        with _rendering("/admin/keys/") as took:
            beside = asked(bench, "the same while a page renders", ALL, watched, bench.rotation)
    mean = 1000 * sum(took) / max(1, len(took))
    return [alone, beside._replace(note=f"{len(took)} pages /admin/keys/, {mean:.0f} ms each")]


def everyone(bench: Bench, pid: int, fill: int, held: int) -> Row:
    """All held keys in turn, after each was asked about once."""
    load.run(url(CHECK), bench.everyone, seconds=fill)
    row = asked(bench, f"{held:,} keys in turn", CHECK, {"check": pid}, bench.everyone)
    return row._replace(note=f"{stand.resident(pid):.0f} MiB resident")


def flooded(bench: Bench, script: Path, seconds: int) -> list[Row]:
    """A steady 200 valid questions a second: alone, then beside 2 000 a second about no key."""

    def steady(port: int) -> Figures:
        return paced.figures(paced.start(url(port), script, rate=VALID, seconds=seconds))

    bare, alone = steady(HELLO), steady(CHECK)
    flood = paced.start(url(CHECK), script, rate=UNKNOWN, seconds=seconds + 4, unknown=True)
    time.sleep(2)
    beside = steady(CHECK)
    told = paced.figures(flood)
    title = f"{VALID} checks/s"
    note = f"{told.rate:,.0f} unknown keys a second were answered beside them"
    return [
        Row(f"{title}, steady", alone, bare),
        Row(f"{title} beside {UNKNOWN:,} unknown/s", beside, bare, note=note),
    ]


def together(bench: Bench, count: int) -> Row:
    """Several check processes, one a core while there are some, each with a load of its own."""
    ports = [ALL + 1 + number for number in range(count)]
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(ports):
            command = ("-m", "portal.serve", "--role", "check", "--port", str(port))
            stack.enter_context(stand.process(*command, core=number % (os.cpu_count() or 1)))
        for port in ports:
            stand.listening(port)
            load.run(url(port), bench.rotation, seconds=1)
        bare = hello(bench)
        with ThreadPoolExecutor(count) as pool:
            runs = list(
                pool.map(
                    lambda port: load.run(
                        url(port), bench.rotation, seconds=bench.seconds, connections=16
                    ),
                    ports,
                )
            )
    whole = Figures(
        sum(run.rate for run in runs), max(run.p50 for run in runs),
        max(run.p99 for run in runs), sum(run.bad for run in runs),
    )  # fmt: skip
    return Row(f"{count} check processes", whole, bare)
