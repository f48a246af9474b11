"""Copies of the ledger, as CSV or JSON Lines. That one was taken is itself recorded."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import shown
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.values import without_secrets
from audit.pages.asked import Asked, tenant_names
from audit.pages.ledger import asked as asked_of
from audit.pages.words import csv_cell
from portal.core.clock import now
from portal.core.refusals import Refusal, refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change, tenant_change
from portal.tenancy.pages.lists import DIALECT, EXPORTED
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import require

MOST_DAYS: Final = 366
DEFAULT_DAYS: Final = 30
TYPES: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
COLUMNS: Final = (
    "id", "occurred_at", "type", "sentence", "tenant", "actor_kind", "actor_id", "actor",
    "target_type", "target_id", "target", "outcome", "request_id", "before", "after",
)  # fmt: skip


def told(entry: Entry) -> dict[str, Any]:
    """An entry as in `GET audit/events`, with its tenant's id."""
    return {**shown(entry), "tenant": entry.tenant_id}


def flat(one: dict[str, Any]) -> dict[str, Any]:
    """The same as one row of a table."""
    actor, target = one["actor"], one["target"]
    return {
        **one,
        "actor_kind": actor["kind"], "actor_id": actor["id"], "actor": actor["label"],
        "target_type": target["type"], "target_id": target["id"], "target": target["label"],
    }  # fmt: skip


def written(rows: Iterable[Entry], format: str) -> tuple[str, int]:
    """The file's text, and how many entries are in it. Cells that could be formulas are defused."""
    text, count = io.StringIO(), 0
    writer = csv.writer(text, **DIALECT)
    if format == "csv":
        writer.writerow(COLUMNS)
    for entry in rows:
        one, count = told(entry), count + 1
        if format == "csv":
            row = flat(one)
            writer.writerow([csv_cell(row[column]) for column in COLUMNS])
        else:
            text.write(json.dumps(one, ensure_ascii=False) + "\n")
    return text.getvalue(), count


def bounded(asked: Asked) -> Asked:
    """`asked` with both ends: the last 30 days unless it says; refuses more than a year."""
    asked.until = asked.until or now().date()
    asked.since = asked.since or asked.until - dt.timedelta(days=DEFAULT_DAYS - 1)
    if not 0 <= (asked.until - asked.since).days <= MOST_DAYS:
        refuse("At most 366 days, ending after they begin, go into one file.", "/since")
    return asked


def export_entries(*, actor: Actor, query: QueryDict, format: str) -> str:
    """The entries that the address `query` asks for, the newest first, as a file's text.

    A tenant's own people get its own slice. Without dates, those of the last 30 days. Refuses more
    than 366 days or 100 000 entries, an unknown filter and an unknown format. The export is
    recorded, with its filters.
    """
    require(actor, "audit:read")
    if format not in TYPES:
        refuse("One of csv, jsonl is taken.", "/format")
    own = actor.tenant_id
    with platform_change("an export may span tenants") if own is None else tenant_change(own):
        asked = bounded(Asked(query, names=tenant_names(), own=own is not None))
        if asked.faults:
            refuse(" ".join(asked.faults), "/filter")
        rows = asked.rows_asked()
        if rows.order_by()[: EXPORTED + 1].count() > EXPORTED:
            refuse("More than 100,000 entries: choose less time or filter.", "/since")
        text, count = written(rows.iterator(chunk_size=2_000), format)
        _record(actor, asked, format, count)
    return text


def _record(actor: Actor, asked: Asked, format: str, count: int) -> None:
    """In the tenant's own ledger if it was of one tenant, else in the platform's."""
    tenant = asked.of
    of_one = tenant if tenant in asked.names else None
    filters = {**asked.chosen, **asked.exact, "q": asked.q, **dict(asked.days())}
    words = " ".join(f"{name}={value}" for name, value in filters.items() if value)
    record(
        Event.LEDGER_EXPORTED, actor=actor, tenant=of_one,
        target=Target("ledger", of_one or "platform", asked.names.get(tenant, "all tenants")),
        payload={"format": format, "entries": count, "filter": without_secrets(words)[:1000]},
    )  # fmt: skip


class LedgerExport(Page):
    """`/admin/ledger/export/`: GET says what would be in the file, POST gives it."""

    needs = "audit:read"
    section = "ledger"
    template = "audit/export.html"

    def context(self) -> dict[str, Any]:
        asked = asked_of(self, self.request.GET)
        error = ""
        try:
            rows = bounded(asked).rows_asked()
            count = rows.order_by()[: EXPORTED + 1].count()
        except Refusal as refusal:
            count, error = 0, refusal.errors[0]["detail"]
        return {"list": asked, "count": count, "most": EXPORTED, "error": error}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The file."""
        format = request.POST.get("format", "")
        try:
            text = export_entries(actor=self.actor, query=request.GET, format=format)
        except Refusal as refusal:
            if not refusal.errors:
                raise
            return self.show({"error": refusal.errors[0]["detail"]}, status=400)
        response = HttpResponse(text, content_type=TYPES[format])
        name = f"ledger-{now():%Y%m%d-%H%M%S}.{format}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
