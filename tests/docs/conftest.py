"""A running copy, and what a test is given to execute."""

from collections.abc import Iterator

import pytest

from tests.docs.commands import Line, lines_of
from tests.docs.reader import Reader


@pytest.fixture(scope="module")
def copy() -> Iterator[Reader]:
    running = Reader()
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
def told(request: pytest.FixtureRequest) -> list[Line]:
    """The commands of README and docs that are this test's, in order."""
    found = lines_of(request.function.__name__)
    assert found, "no command is this test's any more"
    return found
