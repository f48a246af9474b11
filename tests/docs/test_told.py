"""No command of README and docs is without a test, or a word on who executes it."""

import inspect

import pytest

from tests.docs import test_backup, test_commands
from tests.docs.commands import ELSEWHERE, TESTED, Line, beginning, lines


@pytest.mark.parametrize("line", lines(), ids=str)
def test_every_command_is_executed(line: Line) -> None:
    assert beginning(line), f"give it to a test, or say who does: {line.text}"


@pytest.mark.parametrize("begins", [*TESTED, *ELSEWHERE])
def test_what_is_given_to_someone_is_still_there(begins: str) -> None:
    assert begins in {beginning(line) for line in lines()}


@pytest.mark.parametrize("name", sorted(set(TESTED.values())))
def test_every_test_that_is_given_commands_takes_them(name: str) -> None:
    found = [getattr(module, name, None) for module in (test_commands, test_backup)]
    (test,) = [one for one in found if one]
    assert "told" in inspect.signature(test).parameters
