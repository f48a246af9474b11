"""`manage.py doctor`: every setting and dependency, a line each."""

from collections.abc import Iterator

from portal.core.doctor.finding import Finding, Level
from portal.core.doctor.postgresql import examine_postgresql
from portal.core.doctor.redis import examine_redis
from portal.core.doctor.settings import examine_settings


def examine() -> Iterator[Finding]:
    """All findings, in the order in which an operator would mend them."""
    yield from examine_settings()
    yield from examine_postgresql()
    yield from examine_redis()


__all__ = ["Finding", "Level", "examine"]
