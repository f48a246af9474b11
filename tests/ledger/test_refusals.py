"""Refused attempts are recorded, and nothing that the caller sent can prevent it."""

import dataclasses
import json

import pytest

from audit.ledger.models import Payload
from audit.ledger.reading import entries, shown
from audit.ledger.refusals import record_refusal, record_refused_credential
from audit.ledger.target import Target
from audit.ledger.values import RecordingError
from audit.ledger.who import Who
from portal.core import tokens
from portal.tenancy.scope import tenant_scope
from tests.ledger.conftest import Tenant


def test_a_refused_attempt_is_recorded(acme: Tenant, ada: Who, billing: Target) -> None:
    with tenant_scope(acme.id):
        record_refusal(
            actor=ada, tenant=acme.id, target=billing, action="keys:write", code="FORBIDDEN"
        )
    with tenant_scope(acme.id):
        told = shown(entries(tenant=acme.id).get())
    assert told["outcome"] == "denied"
    assert told["sentence"] == "Ada was refused keys:write on key “billing” (FORBIDDEN)"


def test_a_refused_credential_is_recorded(acme: Tenant, ada: Who) -> None:
    with tenant_scope(acme.id):
        record_refused_credential(
            actor=ada, tenant=acme.id, target=Target("tenant", acme.id, "acme"),
            credential="management token", kid="7Kq2mX9aB4cD", code="CREDENTIAL_INVALID",
        )  # fmt: skip
        told = shown(entries(tenant=acme.id).get())
    assert told["sentence"] == (
        "a management token was refused at tenant “acme” (CREDENTIAL_INVALID)"
    )


@pytest.mark.parametrize("place", ["label", "id", "reason", "actor", "address"])
def test_a_credential_in_a_refused_attempt_is_redacted(place: str, acme: Tenant, ada: Who) -> None:
    canary = tokens.mint("csk", "live").secret.reveal()
    at = {place: canary}
    actor = dataclasses.replace(ada, label=at.get("actor", "Ada"), address=at.get("address"))
    with tenant_scope(acme.id):
        entry = record_refusal(
            actor=actor, tenant=acme.id, action="keys:write", code="FORBIDDEN",
            target=Target("key", at.get("id", "key_1"), at.get("label", "")),
            reason=at.get("reason"),
        )  # fmt: skip
        body = Payload.objects.get(entry=entry).body or ""
    assert canary[22:] not in body + entry.envelope
    assert f"{canary[:21]}_[redacted]" in body


@pytest.mark.parametrize("trick", ["kelvin", "escaped", "after a line", "huge"])
def test_no_spelling_of_a_credential_prevents_the_entry(trick: str, acme: Tenant, ada: Who) -> None:
    canary = tokens.mint("csk", "live").secret.reveal()
    text = {
        "kelvin": canary[:9] + "\u212a" + canary[10:],
        "escaped": "\u00ad" + canary[1:],
        "after a line": "\n" + canary[1:],
        "huge": "x" * 3_970 + canary + "x" * 1_000_000,
    }[trick]
    with tenant_scope(acme.id):
        entry = record_refusal(
            actor=ada, tenant=acme.id, target=Target("key", "key_1", text), action=text,
            code="FORBIDDEN", reason=text,
        )  # fmt: skip
        body = Payload.objects.get(entry=entry).body or ""
    assert canary[22:] not in body


@pytest.mark.parametrize("junk", ["a\0b", "ada@example.org", "x" * 100_000, "\ud800", "\u202e"])
def test_a_target_whose_id_is_none_is_named_in_the_payload(
    junk: str, acme: Tenant, ada: Who
) -> None:
    with tenant_scope(acme.id):
        entry = record_refusal(
            actor=ada, tenant=acme.id, target=Target("key", junk), action="keys:write",
            code="FORBIDDEN",
        )  # fmt: skip
        body = json.loads(Payload.objects.get(entry=entry).body or "")
    assert entry.object_id == "unknown"
    assert body["target"]


def test_a_refusal_is_refused_outside_a_transaction(
    acme: Tenant, ada: Who, billing: Target
) -> None:
    with pytest.raises(RecordingError, match="transaction"):
        record_refusal(
            actor=ada, tenant=acme.id, target=billing, action="keys:write", code="FORBIDDEN"
        )
