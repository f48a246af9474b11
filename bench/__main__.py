"""`make bench`: our full decision beside the same server's equal-sized hello, as a table and JSON.

Core 0 has the measured server; core 1 the load, Redis, PostgreSQL and the drain.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench import load, ours, report, stand
from bench.ours import CHECK, HELLO, Bench
from bench.peers import rows as peers
from bench.report import Row

REST = (
    '"scopes":["chat:write"],"request":{"method":"POST","path":"/v1/chat/completions",'
    '"ip":"203.0.113.9","model":"gpt-4o-mini-2024-07-18"},"usage":{"requests":1,"tokens":1200},'
    '"environment":"live","dry_run":false'
)


def make_keys(count: int) -> tuple[str, str, str, list[str]]:
    """A tenant with a gateway and one key by the product's verbs; its copies by SQL."""
    import django

    django.setup()
    from tests.cast import make_cast

    acme = make_cast("bench", owner="Ada")
    issued = acme.issue(
        name="checkout-assistant", scopes=["chat:write", "models:read"], limits=stand.LIMITS,
        metadata={"team": "checkout", "service": "assistant", "cost_center": "4711"},
    )  # fmt: skip
    secrets = stand.copies(os.environ["DATABASE_OWNER_URL"], issued.key.id, count)
    return acme.gateway_token, issued.key.id, issued.secret.reveal(), secrets


def answer_size(gateway: str, key: str) -> tuple[int, int]:
    """Bytes of a question and of its answer."""
    body = f'{{"key":"{key}",{REST}}}'.encode()
    request = urllib.request.Request(
        ours.url(CHECK), body,
        {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"},
    )  # fmt: skip
    for _ in range(50):  # the first questions may find the stores still busy
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as told:
            answer = told.read()
            if json.loads(answer)["allowed"]:
                return len(body), len(answer)
        time.sleep(0.1)
    raise SystemExit("the check server decides nothing; see its log above")


def measure(options: argparse.Namespace, folder: Path, pids: dict[str, int]) -> dict[str, Any]:
    """All rows of one run."""
    gateway, key_id, first, secrets = make_keys(options.held)
    bench = Bench(
        load.script(folder / "some", gateway, secrets[:1000], REST),
        load.script(folder / "all", gateway, secrets, REST), pids, options.seconds, options.rounds,
    )  # fmt: skip
    rows: list[Row] = []
    command = ("-m", "portal.serve", "--role", "check", "--port", str(CHECK))
    with stand.process(*command, core=0) as us:
        stand.listening(CHECK)
        size = answer_size(gateway, first)
        same_size = ("-m", "bench.hello", "--port", str(HELLO), "--size", str(size[1]))
        with stand.process(*same_size, core=0) as bare:
            stand.listening(HELLO)
            load.run(ours.url(CHECK), bench.rotation, seconds=2)
            told = ours.asked(bench, "hello", HELLO, {"check": bare.pid}, bench.rotation)
            rows += [told, ours.burst(bench, us.pid)]
            rows.append(ours.sustained(bench, us.pid, options.sustained))
            rows += ours.beside_a_page(bench)
            script = folder / "paced.json"
            script.write_text(
                json.dumps({"gateway": gateway, "keys": secrets[:1000], "rest": REST})
            )
            rows += ours.flooded(bench, script, options.steady)
            rows.append(ours.together(bench, options.processes))
            rows.append(ours.everyone(bench, us.pid, options.fill, options.held))
            stand.fill(os.environ["DATABASE_OWNER_URL"], key_id, options.keys)
            title = f"decision, {options.keys:,} keys in the database"
            rows.append(ours.burst(bench, us.pid, title))
            if not options.no_peers:
                rows += peers.rows(ours.hello(bench), options.seconds)
    sizes = {"bytes_in": size[0], "bytes_out": size[1]}
    return {"rows": rows, **sizes, **report.machine()}


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of a row")
    parser.add_argument("--sustained", type=int, default=60, help="seconds with the drain")
    parser.add_argument("--steady", type=int, default=20, help="seconds of a steady pace")
    parser.add_argument("--held", type=int, default=100_000, help="keys that are asked about")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys in the database")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--fill", type=int, default=45, help="seconds to ask about every key")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("bench/results/latest.json"))
    options = parser.parse_args()
    load.wrk_or_say()
    with tempfile.TemporaryDirectory() as folder, stand.servers() as running:
        results = measure(options, Path(folder), stand.pids(running))
    print(f"{results['cpu']}, Python {results['python']}, commit {results['commit']};")
    print(f"32 connections, {results['bytes_in']} B in, {results['bytes_out']} B out\n")
    print(report.table(results["rows"]))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results["rows"] = report.as_json(results["rows"])
    results["options"] = {n: str(v) for n, v in vars(options).items()}
    options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
