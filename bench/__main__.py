"""`make bench`: our full decision beside the same server's equal-sized hello, as a table and JSON.

Core 0 has the measured server; core 1 the load, Redis, PostgreSQL and the drain.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from bench import load, stand
from bench.load import Figures

CHECK, HELLO = 18_230, 18_231
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
        f"http://127.0.0.1:{CHECK}/v1/keys/check", body,
        {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request) as response:
        answer = response.read()
    assert json.loads(answer)["allowed"] is True, answer
    return len(body), len(answer)


def median(runs: list[Figures]) -> Figures:
    """The run with the middle rate."""
    return sorted(runs)[len(runs) // 2]


def burst(lua: Path, rounds: int, seconds: int) -> tuple[Figures, Figures, list[float]]:
    """Hello and decisions in turn; the middle run of each and the ratio of each round."""
    hellos, checks = [], []
    for _ in range(rounds):
        hellos.append(load.run(f"http://127.0.0.1:{HELLO}/v1/keys/check", lua, seconds=seconds))
        checks.append(load.run(f"http://127.0.0.1:{CHECK}/v1/keys/check", lua, seconds=seconds))
    ratios = [check.rate / hello.rate for hello, check in zip(hellos, checks, strict=True)]
    return median(hellos), median(checks), ratios


def row(name: str, figures: Figures, hello: Figures) -> str:
    """One line of the table."""
    return (
        f"| {name} | {figures.rate:,.0f} | {figures.rate / hello.rate:.2f} | {figures.p50:.2f} |"
        f" {figures.p99:.2f} | {figures.p99 / hello.p99:.1f} | {figures.bad} |"
    )


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures of one run."""
    gateway, _, first, secrets = make_keys(options.held)
    rotation = load.script(folder, gateway, secrets[:1000], REST)
    results: dict[str, Any] = {}
    with stand.process("-m", "portal.serve", "--role", "check", "--port", str(CHECK), core=0) as us:
        stand.listening(CHECK)
        asked, answered = answer_size(gateway, first)
        hello = ("-m", "bench.hello", "--port", str(HELLO), "--size", str(answered))
        with stand.process(*hello, core=0):
            stand.listening(HELLO)
            load.run(f"http://127.0.0.1:{CHECK}/v1/keys/check", rotation, seconds=2)
            bare, decided, ratios = burst(rotation, options.rounds, options.seconds)
            with stand.process("-m", "keys.draining", core=1):
                drained = load.run(
                    f"http://127.0.0.1:{CHECK}/v1/keys/check", rotation, seconds=options.seconds
                )
        results |= {"bytes_in": asked, "bytes_out": answered, "ratios": ratios}
        results |= {"hello": bare, "decision": decided, "decision_with_drain": drained}
        results["resident_1000_keys_mib"] = stand.resident(us.pid)
        everyone = load.script(folder, gateway, secrets, REST)
        load.run(f"http://127.0.0.1:{CHECK}/v1/keys/check", everyone, seconds=options.fill)
        results["resident_held_mib"] = stand.resident(us.pid)
    return results


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--held", type=int, default=100_000)
    parser.add_argument("--fill", type=int, default=45, help="seconds to ask about every key")
    parser.add_argument("--json", type=Path, default=Path("bench/results/latest.json"))
    options = parser.parse_args()
    load.wrk_or_say()
    with tempfile.TemporaryDirectory() as folder, stand.servers():
        results = measure(options, Path(folder))
    bare: Figures = results["hello"]
    results["ratio"] = statistics.median(results["ratios"])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    results |= {"commit": commit, "python": sys.version.split()[0], "cpu": cpu()}
    print(f"{results['cpu']}, Python {results['python']}, commit {commit};")
    print(f"32 connections, 1 000 keys, {results['bytes_in']} B in, {results['bytes_out']} B out,")
    print(f"the middle one of {options.rounds} rounds\n")
    print("| server | requests/s | of hello | p50 ms | p99 ms | p99 of hello | not 200 |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    print(row("hello", bare, bare))
    print(row("decision, drain off", results["decision"], bare))
    print(row("decision, drain on", results["decision_with_drain"], bare))
    rounds = ", ".join(f"{ratio:.2f}" for ratio in results["ratios"])
    print(f"\nratio, round by round: {rounds}; median {results['ratio']:.2f}")
    print(f"resident: {results['resident_1000_keys_mib']:.0f} MiB with 1 000 keys,")
    print(f"{results['resident_held_mib']:.0f} MiB with {options.held:,} keys held")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=1))


def cpu() -> str:
    """What the processor calls itself."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    return platform.processor()


if __name__ == "__main__":
    main()
