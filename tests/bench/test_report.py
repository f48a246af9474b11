"""The bench's own parts: what it prints of what it measured, and that it can be called."""

import subprocess
import sys

import pytest

from bench.load import Figures
from bench.paced import unknown_keys
from bench.report import Row, as_json, table
from portal.core import tokens
from tests.plugin import ROOT

BARE = Figures(rate=1000.0, p50=1.0, p99=2.0, bad=0)


def test_a_row_is_told_beside_its_hello() -> None:
    rows = [
        Row("hello", BARE, BARE, {"check": 20.0}),
        Row("ours", Figures(630.0, 1.5, 5.0, 3), BARE, {"check": 25.0, "redis": 0.4}, "a note"),
        Row("theirs", Figures(4.0, 90.0, 200.0, 0), BARE),
    ]
    told = table(rows)
    assert "| hello | 1,000 | 1.00 | 1.00 | 1.00 | 2.00 | 1.0 | 0 | check 20 |" in told
    assert "| ours | 630 | 0.63 | 0.80 | 1.50 | 5.00 | 2.5 | 3 | check 25 |" in told
    assert "| theirs | 4 | 0.004 |  | 90.00 | 200.00 | 100.0 | 0 |  |" in told
    assert told.endswith("- ours: a note")
    assert as_json(rows)[1]["of_hello"] == 0.63


def test_an_unknown_key_has_the_shape_of_one() -> None:
    keys = unknown_keys()
    one, other = next(keys), next(keys)
    assert one != other
    assert tokens.parse(one) is not None


@pytest.mark.parametrize("module", ["bench", "bench.pages", "bench.paced"])
def test_it_says_what_it_takes(module: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert "--json" in told or "--rate" in told
