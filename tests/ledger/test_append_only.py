"""History stays as it was: by grant for the application, by trigger for the tables' owner."""

import datetime as dt
import json
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import Model
from django.db.utils import IntegrityError, ProgrammingError
from django.utils import timezone

from audit.ledger.models import Entry, ObjectSalt, Payload
from portal.tenancy.scope import tenant_scope
from tests.ledger.conftest import Recorded, Tenant

TABLES = ["ledger_entry", "ledger_payload", "ledger_object_salt"]
ROW = {"state": "active"}


def erase(model: type[Model], **which: Any) -> int:
    content = {"body": None} if model is Payload else {}
    rows = model._default_manager.filter(**which)
    return rows.update(**content, salt=None, erased_at=timezone.now())


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger_entry SET outcome = 'error' WHERE id = %s",
     "DELETE FROM ledger_entry WHERE id = %s", "TRUNCATE ledger_entry, ledger_payload -- %s"],
)  # fmt: skip
def test_the_application_may_not(statement: str, acme: Tenant, recorded: Recorded) -> None:
    entry = recorded()
    with pytest.raises(ProgrammingError, match="permission denied"), tenant_scope(acme.id):
        with connection.cursor() as cursor:
            cursor.execute(statement, [entry.id])


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "TRUNCATE"])
def test_the_owner_may_not(
    verb: str, table: str, recorded: Recorded, owner_connection: psycopg.Connection
) -> None:
    recorded(after=ROW)
    statement = {
        "UPDATE": f"UPDATE {table} SET tenant_id = tenant_id",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }[verb]
    with pytest.raises(psycopg.errors.RestrictViolation, match="refused"):
        owner_connection.execute(statement)


def test_the_triggers_fire_whatever_the_replication_role(
    owner_connection: psycopg.Connection,
) -> None:
    enabled = owner_connection.execute(
        "SELECT c.relname, array_agg(t.tgenabled::text) FROM pg_trigger t"
        " JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE t.tgname LIKE 'keep_%' AND NOT t.tgisinternal GROUP BY 1"
    ).fetchall()
    assert dict(enabled) == {table: ["A", "A", "A"] for table in TABLES}


@pytest.mark.parametrize("model", [Payload, ObjectSalt])
def test_the_application_may_not_delete_what_it_may_erase(
    model: type[Model], acme: Tenant, recorded: Recorded
) -> None:
    recorded(after=ROW)
    with pytest.raises(IntegrityError, match="append-only"), tenant_scope(acme.id):
        model._default_manager.all().delete()


def test_a_payload_is_erased_and_its_commitment_stays(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded(reason="left")
    with tenant_scope(acme.id):
        assert erase(Payload, entry=entry) == 1
    with tenant_scope(acme.id):
        after, payload = Entry.objects.get(id=entry.id), Payload.objects.get(entry=entry)
    assert (payload.body, payload.salt) == (None, None) and payload.erased_at is not None
    assert after.envelope == entry.envelope
    assert len(json.loads(after.envelope)["pdig"]) == 64


def test_an_erasure_has_the_databases_time(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded()
    with tenant_scope(acme.id):
        Payload.objects.filter(entry=entry).update(
            body=None, salt=None, erased_at=dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
        )
        erased_at = Payload.objects.get(entry=entry).erased_at
    assert erased_at is not None and erased_at > entry.occurred_at


@pytest.mark.parametrize("model", [Payload, ObjectSalt])
def test_an_erasure_happens_once(model: type[Model], acme: Tenant, recorded: Recorded) -> None:
    recorded(after=ROW)
    with tenant_scope(acme.id):
        assert erase(model, tenant_id=acme.id) == 1
    with pytest.raises(IntegrityError, match="once"), tenant_scope(acme.id):
        erase(model, tenant_id=acme.id)


@pytest.mark.parametrize(
    "forgery",
    [{"body": "{}"}, {"salt": bytes(32)}, {"erased_at": timezone.now()},
     {"body": None, "erased_at": timezone.now()}, {"salt": None, "erased_at": timezone.now()},
     {"retention_class": "system"}, {"expires_at": timezone.now()},
     {"body": None, "salt": None, "erased_at": timezone.now(), "retention_class": "system"}],
    ids=lambda forgery: "+".join(forgery),
)  # fmt: skip
def test_a_payload_is_not_changed_otherwise(
    forgery: dict[str, Any], acme: Tenant, recorded: Recorded
) -> None:
    entry = recorded(reason="left")
    with pytest.raises(IntegrityError), tenant_scope(acme.id):
        Payload.objects.filter(entry=entry).update(**forgery)


def test_another_tenants_payload_can_not_be_erased(globex: Tenant, recorded: Recorded) -> None:
    entry = recorded()
    with tenant_scope(globex.id):
        assert erase(Payload, entry=entry) == 0


def test_an_object_whose_salt_is_erased_may_still_change(acme: Tenant, recorded: Recorded) -> None:
    recorded(after=ROW)
    with tenant_scope(acme.id):
        assert erase(ObjectSalt, tenant_id=acme.id) == 1
    told = json.loads(recorded(before=ROW, after={"state": "revoked"}).envelope)
    assert (told["before"], told["after"]) == (None, None)


def test_an_entry_whose_digest_is_wrong_is_refused(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded()
    entry.id, entry.envelope_digest = entry.id[::-1], bytes(32)
    with pytest.raises(IntegrityError, match="entry_envelope"), tenant_scope(acme.id):
        entry.save(force_insert=True)
