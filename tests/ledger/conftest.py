"""Who acts on what, in the ledger's tests."""

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
def recorded(acme: Any, ada: Who, billing: Target) -> Recorded:
    """Ada did something to Acme's key `billing`, unless said otherwise."""

    def one(event: Event = Event.KEY_REVOKED, **changes: Any) -> Entry:
        told = {"actor": ada, "tenant": acme.id, "target": billing, **changes}
        with tenant_scope(told["tenant"]):
            return record(event, **told)

    return one
