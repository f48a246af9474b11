"""Copies of the ledger, as CSV or JSON Lines. That one was taken is itself recorded."""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable
from typing import Any, Final

from django.http import QueryDict

from audit.ledger.events import Event
from audit.ledger.models import Entry
from audit.ledger.reading import beyond, shown
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.ledger.values import without_secrets
from audit.pages.asked import Asked, tenant_names
from audit.pages.words import csv_cell
from portal.core.clock import now
from portal.core.refusals import refuse
from portal.tenancy.actors import Actor
from portal.tenancy.change import platform_change, tenant_change
from portal.tenancy.jobs.asking import ask_job
from portal.tenancy.jobs.kinds import Kind, Step, register
from portal.tenancy.models import Job
from portal.tenancy.pages.lists import DIALECT
from portal.tenancy.permission import require

AT_ONCE: Final = 2_000
"""Entries that a page waits for; more are a job's, so many at a step."""
MOST: Final = 1_000_000
"""Entries in one file."""
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


def written(rows: Iterable[Entry], format: str, *, head: bool = True) -> tuple[str, int]:
    """The file's text, and how many entries are in it. Cells that could be formulas are defused."""
    text, count = io.StringIO(), 0
    writer = csv.writer(text, **DIALECT)
    if format == "csv" and head:
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


def export_entries(*, actor: Actor, query: QueryDict, format: str) -> str | Job:
    """The entries that the address `query` asks for, the newest first, as a file's text; of more
    than 2 000, the job that makes the file.

    A tenant's own people get its own slice. Without dates, those of the last 30 days. Refuses more
    than 366 days or a million entries, an unknown filter and an unknown format. The export is
    recorded, with its filters, once it is whole.
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
        total = rows.order_by()[: MOST + 1].count()
        if total > MOST:
            refuse("More than 1,000,000 entries: choose less time or filter.", "/since")
        if total > AT_ONCE:
            return _ask(actor, asked, format, total)
        text, count = written(rows, format)
        _record(actor, asked, format, count)
    return text


def file_name(format: str) -> str:
    """What a file made now is called."""
    return f"ledger-{now():%Y%m%d-%H%M%S}.{format}"


def _ask(actor: Actor, asked: Asked, format: str, total: int) -> Job:
    query = asked.query.copy()
    query.update({name: str(day) for name, day in asked.days() if name not in query})
    return ask_job(
        actor=actor, kind=LEDGER, asked={"query": query.urlencode(), "format": format},
        total=total, file_name=file_name(format), content_type=TYPES[format],
    )  # fmt: skip


def _asked_of(job: Job) -> Asked:
    query, own = QueryDict(job.asked["query"]), job.tenant_id is not None
    return bounded(Asked(query, names=tenant_names(), own=own))


def _step(actor: Actor, job: Job) -> Step:
    """The next entries, older than those before. What is recorded meanwhile is newer than all."""
    rows = _asked_of(job).rows_asked()
    if job.place:
        at, id = job.place.split(" ")
        rows = beyond(rows, (dt.datetime.fromisoformat(at), id))
    found = list(rows[: AT_ONCE + 1])
    text, count = written(found[:AT_ONCE], job.asked["format"], head=not job.place)
    last = found[AT_ONCE - 1] if len(found) > AT_ONCE else None
    return Step(text.encode(), count, f"{last.occurred_at.isoformat()} {last.id}" if last else "")


def _end(actor: Actor, job: Job) -> None:
    _record(actor, _asked_of(job), job.asked["format"], job.done)


LEDGER: Final = Kind("ledger-export", "Export of the ledger", "audit:read", _step, _end)
register(LEDGER)


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
