"""Databases of a browser test's own, beside the worker's: as new as a first start's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.plugin import ROLES, at, copy_template

NUMBERS = {"story": 7, "first": 10, "attack": 13}
"""Each a Redis database of its own for at most three workers."""


def _worker() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@contextmanager
def own_database(name: str) -> Iterator[dict[str, str]]:
    """The environment of a process that works on a fresh database of this name."""
    database = f"test_{name}_{_worker()}"
    copy_template(database)
    told = {role: at(os.environ[role], database) for role in ROLES}
    redis = os.environ["REDIS_URL"].partition("?")[0]
    yield {**told, "REDIS_URL": f"{redis}?db={NUMBERS[name] + _worker() % 3}"}
