"""What people use today, beside us: each at its best and as its documentation starts it."""

from bench.report import Row


def rows(seconds: int) -> list[Row]:
    """None yet."""
    return []
