"""Every event has a type of the form `noun.verb` and a sentence, with and without its payload."""

import dataclasses
import re
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from audit.ledger.events import Event
from audit.ledger.models import Entry, Payload
from audit.ledger.reading import payload_of
from audit.ledger.sentences import ERASED, sentence
from audit.ledger.target import Target
from audit.ledger.who import Who
from portal.tenancy.scope import tenant_scope
from tests.ledger.conftest import Recorded, Tenant

SAMPLES: dict[type, Any] = {int: 7, str: "a thing"}


def sample(event: Event) -> dict[str, Any] | None:
    """Data of the event's type."""
    if event.data is None:
        return None
    return {
        field.name: SAMPLES.get(field.type, "a thing")
        for field in msgspec.structs.fields(event.data)
    }


@pytest.mark.parametrize("event", Event, ids=str)
def test_a_type_is_a_noun_and_a_verb(event: Event) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event.type)


@pytest.mark.parametrize("event", Event, ids=str)
def test_a_sentence_tells_it_with_and_without_the_payload(
    event: Event, acme: Tenant, ada: Who, recorded: Recorded
) -> None:
    entry = recorded(event, payload=sample(event), reason="it was time")
    with tenant_scope(acme.id):
        payload = Payload.objects.get(entry=entry)
        told = sentence(entry, payload)
        Payload.objects.filter(entry=entry).update(body=None, salt=None, erased_at=timezone.now())
        payload.refresh_from_db()
    assert told.endswith(": it was time")
    assert ERASED not in told and "{" not in told
    for without in (sentence(entry, payload), sentence(entry, None)):
        assert without and "{" not in without
        for personal in ("Ada", "billing", "it was time", "a thing"):
            assert personal not in without


def test_a_revocation_reads_well(acme: Tenant, recorded: Recorded) -> None:
    entry = recorded(reason="found in a public repository")
    with tenant_scope(acme.id):
        entry = Entry.objects.select_related("payload").get(id=entry.id)
    told = sentence(entry, payload_of(entry))
    assert told == "Ada revoked key “billing”: found in a public repository"


def test_without_names_ids_stand_for_them(ada: Who, billing: Target, recorded: Recorded) -> None:
    assert sentence(recorded(), None) == f"user {ada.id} revoked key {billing.id}"


def test_a_sentence_is_one_line_and_its_parts_are_no_templates(
    acme: Tenant, ada: Who, recorded: Recorded
) -> None:
    mallory = dataclasses.replace(ada, label="{target.__class__} %s")
    entry = recorded(actor=mallory, reason="one\nAda issued key “root”")
    with tenant_scope(acme.id):
        told = sentence(entry, Payload.objects.get(entry=entry))
    assert told == "{target.__class__} %s revoked key “billing”: one Ada issued key “root”"


def test_an_event_of_a_later_release_is_still_told(recorded: Recorded) -> None:
    entry = recorded()
    entry.type = "key.{frozen}"
    assert "key." in sentence(entry, None)
