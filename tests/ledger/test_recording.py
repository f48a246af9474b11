"""I3: a change and its entry commit together or not at all; and what an entry is made of."""

import hashlib
import hmac
import json
import threading
import time
from typing import Any

import pytest
import rfc8785
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test.utils import CaptureQueriesContext

from audit.ledger.events import Event
from audit.ledger.models import Entry, ObjectSalt, Payload
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.values import RecordingError, SecretRefused
from audit.ledger.who import Who
from portal.core import tokens
from portal.core.ids import new_id
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.ledger.conftest import Recorded, Tenant

ACTIVE, REVOKED = {"state": "active", "name": "billing"}, {"state": "revoked", "name": "billing"}


def change(name: str) -> None:
    """Stands for any governed change: a row in another table, in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_outbox (versions, created_at)"
            " VALUES (jsonb_build_object(%s::text, 1), now() + interval '1 hour')",
            [name],
        )


def changed(owner_connection: Any, name: str) -> bool:
    """Whether the change was committed; takes it away again."""
    cursor = owner_connection.execute("DELETE FROM core_outbox WHERE versions ? %s", [name])
    return bool(cursor.rowcount)


def entries_of(tenant: str) -> int:
    with tenant_scope(tenant):
        return Entry.objects.filter(tenant_id=tenant).count()


def test_an_entry_commits_with_its_change(
    acme: Tenant, ada: Who, billing: Target, owner_connection: Any
) -> None:
    with tenant_scope(acme.id):
        change(acme.id)
        record(Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing)
    assert (changed(owner_connection, acme.id), entries_of(acme.id)) == (True, 1)


def test_a_change_that_fails_leaves_no_entry(
    acme: Tenant, ada: Who, billing: Target, owner_connection: Any
) -> None:
    with pytest.raises(ZeroDivisionError), tenant_scope(acme.id):
        change(acme.id)
        record(Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing)
        raise ZeroDivisionError
    assert (changed(owner_connection, acme.id), entries_of(acme.id)) == (False, 0)


def test_an_entry_that_fails_undoes_its_change_even_if_the_verb_goes_on(
    acme: Tenant, ada: Who, billing: Target, owner_connection: Any
) -> None:
    with tenant_scope(acme.id):
        change(acme.id)
        with pytest.raises(RecordingError):
            record(
                Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing, payload={"cost": 0.1}
            )
    assert (changed(owner_connection, acme.id), entries_of(acme.id)) == (False, 0)


def test_a_credential_in_a_record_undoes_the_change(
    acme: Tenant, ada: Who, billing: Target, owner_connection: Any
) -> None:
    canary = tokens.mint("csk", "live").secret.reveal()
    with pytest.raises(SecretRefused), tenant_scope(acme.id):
        change(acme.id)
        record(Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing, reason=canary)
    assert (changed(owner_connection, acme.id), entries_of(acme.id)) == (False, 0)


def test_recording_is_refused_outside_a_transaction(
    acme: Tenant, ada: Who, billing: Target
) -> None:
    with pytest.raises(RecordingError, match="transaction"):
        record(Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing)


def test_recording_is_refused_outside_a_scope(acme: Tenant, ada: Who, billing: Target) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        record(Event.KEY_REVOKED, actor=ada, tenant=acme.id, target=billing)


@pytest.mark.parametrize("whose", ["another tenant's", "the platform's"])
def test_a_tenants_scope_records_nothing_that_is_not_its_own(
    whose: str, acme: Tenant, globex: Tenant, ada: Who, billing: Target
) -> None:
    tenant = globex.id if whose == "another tenant's" else None
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(acme.id):
        record(Event.KEY_REVOKED, actor=ada, tenant=tenant, target=billing)


def test_another_tenants_entries_payloads_and_salts_are_invisible(
    recorded: Recorded, globex: Tenant
) -> None:
    entry = recorded(before=ACTIVE, after=REVOKED)
    with tenant_scope(globex.id):
        assert not Entry.objects.filter(id=entry.id).exists()
        assert not Payload.objects.filter(entry_id=entry.id).exists()
        assert not ObjectSalt.objects.filter(object_id=entry.object_id).exists()
    assert not Entry.objects.filter(id=entry.id).exists(), "no scope, no rows"


def test_the_platforms_entries_are_seen_in_its_own_scope_only(acme: Tenant, ada: Who) -> None:
    with platform_scope("test"):
        target = Target("person", new_id("per"), "Sol")
        entry = record(
            Event.PERSON_CREATED, actor=ada, tenant=None, target=target, after={"is_active": True}
        )
    with tenant_scope(acme.id):
        assert not Entry.objects.filter(id=entry.id).exists()
        assert not Payload.objects.filter(entry_id=entry.id).exists()
    with platform_scope("test"):
        assert Entry.objects.get(id=entry.id).payload.body is not None


def test_the_envelope_is_canonical_and_its_digest_is_right(recorded: Recorded) -> None:
    entry = recorded(before=ACTIVE, after=REVOKED, reason="left", version=3)
    assert rfc8785.dumps(json.loads(entry.envelope)) == entry.envelope.encode()
    assert bytes(entry.envelope_digest) == hashlib.sha256(entry.envelope.encode()).digest()


def test_the_columns_repeat_the_envelope(acme: Tenant, recorded: Recorded) -> None:
    written = recorded(before=ACTIVE, after=REVOKED, outcome="denied", code="FORBIDDEN", version=3)
    with tenant_scope(acme.id):
        entry = Entry.objects.get(id=written.id)
    told = json.loads(entry.envelope)
    assert told["v"] == 1
    assert told["t"] == entry.occurred_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert (told["id"], told["tenant"], told["type"], told["outcome"], told["reason"]) == (
        entry.id, entry.tenant_id, entry.type, entry.outcome, "FORBIDDEN",
    )  # fmt: skip
    assert told["actor"] == {"kind": "user", "id": entry.actor_id, "auth": ["pwd", "otp"]}
    assert told["object"] == {"type": "key", "id": entry.object_id, "ver": entry.object_version}
    assert told["src"] == {"req": entry.request_id}


def test_nothing_personal_stands_in_the_entry(acme: Tenant, ada: Who, recorded: Recorded) -> None:
    entry = recorded(reason="Ada left us", before={"name": "Grace"}, after={"name": "Hedy"})
    for personal in ("Ada", "192.0.2.7", "billing", "left us", "Grace", "Hedy"):
        assert personal not in entry.envelope
    with tenant_scope(acme.id):
        body = json.loads(Payload.objects.get(entry=entry).body or "")
    assert body == {
        "actor": "Ada", "address": "192.0.2.7", "target": "billing", "reason": "Ada left us",
        "before": {"name": "Grace"}, "after": {"name": "Hedy"},
    }  # fmt: skip


def test_the_payload_keeps_only_columns_that_differ(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded(before=ACTIVE, after=REVOKED)
    with tenant_scope(acme.id):
        body = json.loads(Payload.objects.get(entry=entry).body or "")
    assert (body["before"], body["after"]) == ({"state": "active"}, {"state": "revoked"})


def test_the_payload_is_committed_to(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded(reason="left")
    with tenant_scope(acme.id):
        payload = Payload.objects.get(entry=entry)
    assert payload.salt is not None and payload.body is not None
    expected = hmac.new(bytes(payload.salt), payload.body.encode(), "sha256").hexdigest()
    assert json.loads(entry.envelope)["pdig"] == expected


def test_the_transaction_and_its_time_are_the_databases(acme: Tenant, recorded: Recorded) -> None:
    with tenant_scope(acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), pg_current_xact_id()::text::bigint")
        began, txid = cursor.fetchone()
        first, second = recorded(), recorded()
    assert first.txid == second.txid == txid
    assert began < first.occurred_at < second.occurred_at


def test_equal_rows_of_two_objects_have_different_digests(recorded: Recorded) -> None:
    one = recorded(after=ACTIVE, target=Target("key", new_id("key")))
    two = recorded(after=ACTIVE, target=Target("key", new_id("key")))
    assert json.loads(one.envelope)["after"] != json.loads(two.envelope)["after"]


def test_an_objects_digests_chain(recorded: Recorded) -> None:
    one, two = recorded(after=ACTIVE), recorded(before=ACTIVE, after=REVOKED)
    assert json.loads(one.envelope)["after"] == json.loads(two.envelope)["before"]
    assert json.loads(two.envelope)["after"] != json.loads(two.envelope)["before"]


def test_two_tenants_digests_of_one_object_can_not_be_joined(
    globex: Tenant, recorded: Recorded
) -> None:
    one, two = recorded(after=ACTIVE), recorded(after=ACTIVE, tenant=globex.id)
    assert json.loads(one.envelope)["after"] != json.loads(two.envelope)["after"]


def test_first_records_of_one_object_at_once_share_its_salt(
    acme: Tenant, recorded: Recorded, owner_connection: Any
) -> None:
    digests: list[str] = []

    def second() -> None:
        try:
            digests.append(json.loads(recorded(after=ACTIVE).envelope)["after"])
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with tenant_scope(acme.id):
        digests.append(json.loads(recorded(after=ACTIVE).envelope)["after"])
        thread.start()
        deadline = time.monotonic() + 10
        while not waiting(owner_connection) and time.monotonic() < deadline:
            time.sleep(0.01)
    thread.join(10)
    assert len(digests) == 2 and digests[0] == digests[1]


def waiting(owner_connection: Any) -> bool:
    """Whether a transaction waits for another one's end."""
    found = owner_connection.execute(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
    )
    return bool(found.fetchone()[0])


def test_recording_takes_three_statements_and_one_more_for_an_objects_first(
    acme: Tenant, recorded: Recorded
) -> None:
    with tenant_scope(acme.id):
        with CaptureQueriesContext(connection) as first:
            recorded(after=ACTIVE)
        with CaptureQueriesContext(connection) as second:
            recorded(before=ACTIVE, after=REVOKED)
    assert (len(first), len(second)) == (4, 3)
