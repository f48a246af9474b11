"""Entries are found by what `GET audit/events` filters on, newest first."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import entries, shown
from audit.ledger.target import Target
from audit.ledger.who import Who
from portal.core.ids import new_id
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.ledger.conftest import Recorded, Tenant

Three = tuple[Entry, Entry, Entry]


@pytest.fixture
def three(recorded: Recorded) -> Three:
    """Ada issues and revokes `billing`; Ben issues another key."""
    ben = Who(kind="user", id=new_id("per"), label="Ben")
    return (
        recorded(Event.KEY_ISSUED, after={"state": "active"}),
        recorded(Event.KEY_REVOKED, before={"state": "active"}, after={"state": "revoked"}),
        recorded(Event.KEY_ISSUED, actor=ben, target=Target("key", new_id("key"), "reports")),
    )


def ids(tenant: str | None, **filters: Any) -> list[str]:
    return [entry.id for entry in entries(tenant=tenant, **filters)]


def test_the_newest_comes_first(acme: Tenant, three: Three) -> None:
    with tenant_scope(acme.id):
        assert ids(acme.id) == [entry.id for entry in reversed(three)]


def test_they_are_found_by_each_filter(acme: Tenant, three: Three) -> None:
    issued, revoked, other = three
    with tenant_scope(acme.id):
        assert ids(acme.id, type="key.issued") == [other.id, issued.id]
        assert ids(acme.id, actor=other.actor_id) == [other.id]
        assert ids(acme.id, target=issued.object_id) == [revoked.id, issued.id]
        assert ids(acme.id, request_id=issued.request_id) == [revoked.id, issued.id]
        assert ids(acme.id, type="key.issued", target=issued.object_id) == [issued.id]
        assert ids(acme.id, type="a\u202eb") == []


def test_since_is_included_and_until_is_not(acme: Tenant, three: Three) -> None:
    issued, revoked, other = three
    with tenant_scope(acme.id):
        assert ids(acme.id, since=revoked.occurred_at) == [other.id, revoked.id]
        assert ids(acme.id, until=revoked.occurred_at) == [issued.id]
        assert ids(acme.id, since=other.occurred_at + dt.timedelta(microseconds=1)) == []


def test_another_tenant_finds_nothing_even_without_the_filter(globex: Tenant, three: Three) -> None:
    with tenant_scope(globex.id):
        assert ids(None) == []


def test_the_platform_finds_all_tenants(three: Three) -> None:
    with platform_scope("test"):
        assert ids(None, target=three[0].object_id) == [three[1].id, three[0].id]


def test_an_event_is_shown_as_the_contract_says(acme: Tenant, ada: Who, three: Three) -> None:
    with tenant_scope(acme.id):
        told = shown(entries(tenant=acme.id).get(id=three[1].id))
    assert told == {
        "id": three[1].id,
        "seq": None,
        "type": "key.revoked",
        "sentence": "Ada revoked key “billing”",
        "occurred_at": three[1].occurred_at.isoformat().replace("+00:00", "Z"),
        "actor": {"kind": "user", "id": ada.id, "label": "Ada"},
        "target": {"type": "key", "id": three[1].object_id, "label": "billing"},
        "outcome": "success",
        "request_id": ada.request_id,
        "before": {"state": "active"},
        "after": {"state": "revoked"},
    }


def test_a_page_of_events_is_one_statement(acme: Tenant, three: Three) -> None:
    with tenant_scope(acme.id), CaptureQueriesContext(connection) as statements:
        assert len([shown(entry) for entry in entries(tenant=acme.id)]) == 3
    assert len(statements) == 1
