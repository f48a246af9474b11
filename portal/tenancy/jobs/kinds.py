"""The sorts of long work that there are, and where one reads and writes."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple

from portal.tenancy.actors import Actor
from portal.tenancy.models import Job
from portal.tenancy.scope import platform_scope, tenant_scope


class Step(NamedTuple):
    """A piece of the file, how much of the work it was, and where the next one begins."""

    data: bytes
    done: int
    place: str
    """Empty: that was all."""


@dataclass(frozen=True)
class Kind:
    """A sort of long work. Each function is called inside the job's scope."""

    name: str
    words: str
    """`Export of the ledger`."""
    needs: str
    """The action that it takes, asked again at each step and at each look at the file."""
    step: Callable[[Actor, Job], Step]
    end: Callable[[Actor, Job], None]
    """What is recorded of it, in the transaction of the last step."""


KINDS: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """Make a kind known; apps do so when they are loaded."""
    KINDS[kind.name] = kind


def scope_of(tenant_id: str | None) -> AbstractContextManager[None]:
    """Where a job reads and writes."""
    if tenant_id is not None:
        return tenant_scope(tenant_id)
    return platform_scope("a job of the platform's people")
