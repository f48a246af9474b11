"""docs/reliability.md from what the tests noted."""

import json

from tests.faults.__main__ import page

FIGURES = [
    ["worker killed", "its first job", 2.0], ["drain killed", "all that waited was written", 0.5],
    ["drain killed", "all that waited was written", 1.5], {"killed": {"worker": 1, "drain": 2}},
    {"killed": {"drain": 1}},
]  # fmt: skip


def test_times_are_told_by_fault_and_kills_by_process() -> None:
    written = page([json.dumps(figure) for figure in FIGURES])
    assert "moments (4 kills: drain 3, worker 1)" in written
    assert written.splitlines()[-2:] == [
        "| drain killed | all that waited was written | 2 | 1000 | 1500 |",
        "| worker killed | its first job | 1 | 2000 | 2000 |",
    ]
