"""Who acts on what, in the ledger's tests."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import pytest

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.who import Who
from portal.core.ids import new_id, uuid7
from portal.tenancy.scope import tenant_scope


class Recorded(Protocol):
    """Records one event, in a transaction of its own."""

    def __call__(self, event: Event = ..., **changes: Any) -> Entry: ...


@dataclass(frozen=True)
class Tenant:
    """All that the ledger knows of one: a text, without a row behind it."""

    id: str = field(default_factory=partial(new_id, "ten"))


@pytest.fixture
def acme() -> Tenant:
    return Tenant()


@pytest.fixture
def globex() -> Tenant:
    return Tenant()


@pytest.fixture
def ada() -> Who:
    return Who(
        kind="user", id=new_id("per"), label="Ada", auth=("pwd", "otp"),
        request_id=uuid7(), address="192.0.2.7",
    )  # fmt: skip


@pytest.fixture
def billing() -> Target:
    return Target("key", new_id("key"), "billing")


@pytest.fixture
def recorded(acme: Tenant, ada: Who, billing: Target) -> Recorded:
    """Ada did something to Acme's key `billing`, unless said otherwise."""

    def one(event: Event = Event.KEY_REVOKED, **changes: Any) -> Entry:
        told = {"actor": ada, "tenant": acme.id, "target": billing, **changes}
        with tenant_scope(told["tenant"]):
            return record(event, **told)

    return one
