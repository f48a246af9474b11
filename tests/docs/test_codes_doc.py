"""docs/codes.md says what the code says, in the order that it keeps."""

import re

from keys.codes import MEANING, Code
from portal.core.problem_codes import PROBLEMS
from tests.plugin import ROOT

Row = tuple[str, int, str]


def rows(heading: str) -> list[Row]:
    """The table under a heading of docs/codes.md."""
    text = (ROOT / "docs" / "codes.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", section, re.MULTILINE)
    return [(code, int(status), meaning) for code, status, meaning in found]


def test_decisions_stand_in_the_order_in_which_they_are_told() -> None:
    refusals = sorted(set(Code) - {Code.OK})
    wanted = [(code.name, code.status, MEANING[code]) for code in [Code.OK, *refusals]]
    assert rows("Decisions") == wanted


def test_problems_are_all_there() -> None:
    wanted = [(code, problem.status, f"{problem.title}.") for code, problem in PROBLEMS.items()]
    assert rows("Problems") == wanted
