"""A steady pace for a second against what it is meant for: all that is due is asked and counted."""

import json
from pathlib import Path

import pytest

from bench import paced, stand
from bench.load import Figures
from keys.codes import Code
from tests.cast import Cast
from tests.invariants.traffic import logged
from tests.processes import CheckServer, free_port

REST = '"scopes":["chat:write"],"usage":{"requests":1},"dry_run":false'
RATE = 60


@pytest.fixture
def script(tmp_path: Path, acme: Cast) -> Path:
    return written(tmp_path, acme.gateway_token, [acme.issue().secret.reveal()])


def written(folder: Path, gateway: str, keys: list[str], rest: str = REST) -> Path:
    path = folder / "paced.json"
    path.write_text(json.dumps({"gateway": gateway, "keys": keys, "rest": rest}))
    return path


def paced_for_a_second(port: int, script: Path, *, unknown: bool = False) -> Figures:
    url = f"http://127.0.0.1:{port}/v1/keys/check"
    return paced.figures(paced.start(url, script, rate=RATE, seconds=1, unknown=unknown))


def test_every_key_is_asked_about_in_turn(checker: CheckServer, acme: Cast, tmp_path: Path) -> None:
    keys = [acme.issue(scopes=["chat:write"]) for _ in range(3)]
    script = written(tmp_path, acme.gateway_token, [key.secret.reveal() for key in keys])
    told = paced_for_a_second(checker.port, script)
    assert told.bad == 0
    assert 0 < told.p50 <= told.p99
    decisions = logged(keys)
    assert {decision.code for decision in decisions} == {Code.OK}
    asked = [decision.key for decision in decisions]
    assert [asked.count(key.key.id) for key in keys] == [RATE // 3] * 3


def test_unknown_keys_are_answered_too(checker: CheckServer, script: Path) -> None:
    assert paced_for_a_second(checker.port, script, unknown=True).bad == 0


def test_whatever_is_not_200_is_counted(checker: CheckServer, tmp_path: Path, acme: Cast) -> None:
    script = written(tmp_path, "csg_live_nobody", [acme.issue().secret.reveal()])
    assert paced_for_a_second(checker.port, script).bad == RATE


def test_the_hello_answers_the_same_questions(script: Path) -> None:
    port = free_port()
    with stand.process("-m", "bench.hello", "--port", str(port), "--size", "647", core=0):
        stand.listening(port)
        assert paced_for_a_second(port, script).bad == 0
