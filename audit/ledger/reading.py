"""Entries for who may see them: `GET audit/events` and the audit pages. Used inside a scope."""

import datetime as dt
from typing import Any

from django.db.models import Q, QuerySet

from audit.ledger.models import Entry, Payload
from audit.ledger.sentences import body_of, sentence
from portal.core.clock import rfc3339


def entries(
    *,
    tenant: str | None,
    type: str | None = None,
    actor: str | None = None,
    target: str | None = None,
    request_id: str | None = None,
    outcome: str | None = None,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> QuerySet[Entry]:
    """Entries with their payloads, newest first, by (`occurred_at`, `id`) for cursors.

    `tenant` None is everything that the scope shows. `actor` and `target` are ids; `since` is
    included, `until` is not.
    """
    filters = {
        "tenant_id": tenant, "type": type, "actor_id": actor, "object_id": target,
        "request_id": request_id, "outcome": outcome,
        "occurred_at__gte": since, "occurred_at__lt": until,
    }  # fmt: skip
    wanted = {name: value for name, value in filters.items() if value is not None}
    return Entry.objects.filter(**wanted).select_related("payload").order_by("-occurred_at", "-id")


def beyond(
    rows: QuerySet[Entry], place: tuple[dt.datetime, str], *, newer: bool = False
) -> QuerySet[Entry]:
    """Those of `rows` that are older than the entry at `place`, or newer than it, nearest first."""
    at, id = place
    if newer:
        rows = rows.filter(Q(occurred_at__gt=at) | Q(occurred_at=at, id__gt=id))
        return rows.filter(occurred_at__gte=at).order_by("occurred_at", "id")
    rows = rows.filter(Q(occurred_at__lt=at) | Q(occurred_at=at, id__lt=id))
    return rows.filter(occurred_at__lte=at)  # said again, so that the index begins there


def of_anything(id: str) -> Q:
    """Entries that were done by, to or in the request of this id, or have it themselves."""
    return Q(actor_id=id) | Q(object_id=id) | Q(request_id=id) | Q(id=id)


def payload_of(entry: Entry) -> Payload | None:
    """The entry's payload, erased or not; None if the row is missing."""
    return getattr(entry, "payload", None)


def shown(entry: Entry) -> dict[str, Any]:
    """One result of `GET audit/events`. `seq` comes with the Merkle log."""
    payload = payload_of(entry)
    body = body_of(payload)
    return {
        "id": entry.id,
        "seq": None,
        "type": entry.type,
        "sentence": sentence(entry, payload),
        "occurred_at": rfc3339(entry.occurred_at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "label": body.get("actor")},
        "target": {"type": entry.object_type, "id": entry.object_id, "label": body.get("target")},
        "outcome": entry.outcome,
        "request_id": entry.request_id,
        "before": body.get("before"),
        "after": body.get("after"),
    }
