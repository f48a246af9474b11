"""`python -m bench.paced`: questions at a steady pace, and how long each took, as one line of JSON.

wrk asks as fast as it is answered. Here each question has its moment, and is timed from then on: a
stall counts for everyone who had to wait for it ("coordinated omission" would hide that).
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.load import Figures, pin
from portal.core.ids import base62
from portal.core.tokens import checksum

CONNECTIONS = 32
ROOT = Path(__file__).parent.parent


def unknown_keys() -> Iterator[str]:
    """Well-formed, with a right checksum, and nobody's: each another one."""
    while True:
        text = f"csk_live_{base62(12)}_{base62(43)}"
        yield text + checksum(text)


def questions(options: argparse.Namespace) -> Iterator[bytes]:
    """Whole requests, without end."""
    told = json.loads(Path(options.script).read_text())
    keys = unknown_keys() if options.unknown else cycle(told["keys"])
    for key in keys:
        body = f'{{"key":"{key}",{told["rest"]}}}'.encode()
        head = (
            f"POST /v1/keys/check HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer"
            f" {told['gateway']}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one answer; its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


async def ask(options: argparse.Namespace) -> dict[str, Any]:
    """Ask for so many seconds; milliseconds at the 50th and 99th percentile, and what was bad."""
    where = urlsplit(options.url)
    asked, free = questions(options), asyncio.Queue[Any]()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(where.hostname, where.port))
    took, bad = list[float](), 0

    async def one(moment: float, question: bytes) -> None:
        nonlocal bad
        reader, writer = await free.get()
        writer.write(question)
        status = await answered(reader)  # apart: += has taken the old sum before it waits
        bad += status != 200
        took.append(time.perf_counter() - moment)
        free.put_nowait((reader, writer))

    began, running = time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(options.rate * options.seconds):
        moment = began + number / options.rate
        if (early := moment - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.create_task(one(moment, next(asked)))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    spent = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=100)
    return {"rate": len(took) / spent, "p50": 1000 * cuts[49], "p99": 1000 * cuts[98], "bad": bad}


def start(url: str, script: Path, *, rate: int, seconds: int, unknown: bool = False) -> Any:
    """A load of its own process, on core 1."""
    command = ["--url", url, "--script", str(script), "--rate", str(rate), "--seconds"]
    return subprocess.Popen(
        [sys.executable, "-m", "bench.paced", *command, str(seconds), *["--unknown"] * unknown],
        cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=pin(1),
    )  # fmt: skip


def figures(load: Any) -> Figures:
    """What a load told when it had ended."""
    out, _ = load.communicate()
    return Figures(**json.loads(out))


def main() -> None:
    """Ask, then tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--script", required=True, help="JSON: gateway, keys, rest")
    parser.add_argument("--rate", type=int, required=True, help="questions a second")
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--unknown", action="store_true", help="keys that nobody has")
    print(json.dumps(asyncio.run(ask(parser.parse_args()))))


if __name__ == "__main__":
    main()
