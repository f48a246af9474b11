"""What wrk is given to ask, and what is read from what it says."""

import json
import os
import re
from pathlib import Path

import pytest

from bench import load
from bench.load import Figures

SAID = """\
Running 1s test @ http://127.0.0.1:1/
  Latency Distribution
     50%  {half}
     75%    1.60ms
     99%  {most}
  20000 requests in 1.00s, 12.00MB read
{faults}Requests/sec:  19854.23
Transfer/sec:     12.00MB
"""
FAULTS = """\
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 50
"""


def test_a_script_asks_about_each_key_in_turn_with_the_whole_body(tmp_path: Path) -> None:
    rest = '"usage":{"requests":1},"dry_run":false'
    script = load.script(tmp_path / "some", "csg_live_x", ["csk_live_1", "csk_live_2"], rest)
    text = script.read_text()
    listed = re.search(r'io\.lines\("(.+)"\)', text)
    assert listed is not None
    assert Path(listed[1]).read_text().splitlines() == ["csk_live_1", "csk_live_2"]
    assert 'wrk.headers["Authorization"] = "Bearer csg_live_x"' in text
    assert "i = i % #keys + 1" in text
    body = re.search(r"nil, nil, nil, '(.+)' \.\. keys\[i\] \.\. '(.+)'\)", text)
    assert body is not None
    assert json.loads(f"{body[1]}csk_live_1{body[2]}") == {
        "key": "csk_live_1", "usage": {"requests": 1}, "dry_run": False,
    }  # fmt: skip


def wrk_that_says(said: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of its name that keeps its arguments."""
    (folder / "said").write_text(said)
    program = folder / "wrk"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat {folder}/said\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "asked"


@pytest.mark.parametrize(
    ("half", "most", "faults", "read"),
    [
        ("1.43ms", "4.54ms", "", Figures(19854.23, 1.43, 4.54, 0)),
        ("750.00us", "1.20s", FAULTS, Figures(19854.23, 0.75, 1200.0, 60)),
    ],
)
def test_what_wrk_says_is_read_whatever_the_units(
    half: str, most: str, faults: str, read: Figures, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    said = SAID.format(half=half, most=most, faults=faults)
    asked = wrk_that_says(said, tmp_path, monkeypatch)
    found = load.run("http://127.0.0.1:1/", tmp_path / "x.lua", seconds=1, connections=8)
    assert found == pytest.approx(read)
    assert asked.read_text().split() == [
        "-t1", "-c8", "-d1s", "--latency", "-s", f"{tmp_path}/x.lua", "http://127.0.0.1:1/",
    ]  # fmt: skip


def test_without_wrk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match="apt-get install wrk"):
        load.wrk_or_say()
