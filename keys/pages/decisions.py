"""The log of decisions: a list that always has an end in time, its file, and one decision."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from keys.codes import KIND, MEANING, Code
from keys.figures import meaning_of
from keys.models import ApiKey, Decision
from keys.pages.asked import EPOCH, ID, MICROSECOND, PLACES, Asked, gateway_names
from portal.core import configuration
from portal.core.clock import UTC
from portal.core.refusals import Refusal
from portal.tenancy.models import Gateway
from portal.tenancy.pages.lists import COUNTED, csv_response
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import within

CSS: Final = {"": "ok", "limit": "warn"}
"""A chip's class by a code's kind; everything else was refused for good."""
SKEW: Final = (dt.timedelta(minutes=10), dt.timedelta(hours=25))
"""How far a check process' clock, which an id is made by, may be from Redis', which decides."""
MOMENT: Final = re.compile(r"\d{1,17}", re.ASCII)


class Row(NamedTuple):
    """One decision as a list shows it."""

    decision: Decision
    key: ApiKey | None
    css: str
    meaning: str
    moment: str
    """Its microsecond, for the address of its page: the log is found by time."""

    @property
    def request(self) -> str:
        """The route that was taken."""
        return f"{self.decision.method} {self.decision.route}".strip()


def css_of(code: str) -> str:
    """The class of a code's chip."""
    return CSS.get(KIND[Code[code]], "bad") if code in Code.__members__ else "bad"


def rows_of(decisions: Sequence[Decision], known: Mapping[str, ApiKey] | None = None) -> list[Row]:
    """Decisions with their keys, `known` or by one query with their tenants. Inside a scope."""
    ids = {decision.key_id for decision in decisions}
    keys = known or (ApiKey.objects.select_related("tenant").in_bulk(ids) if ids else {})
    return [
        Row(each, keys.get(each.key_id), css_of(each.code), meaning_of(each.code),
            str((each.at - EPOCH) // MICROSECOND))
        for each in decisions
    ]  # fmt: skip


class Decisions(Page):
    """`/admin/decisions/`."""

    needs = "usage:read"
    section = "decisions"
    template = "keys/decisions.html"
    status = 200

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list, with `format=csv` the file."""
        text = request.GET.get("q", "").strip().lower()
        if ID.fullmatch(text):
            return self.to("decision", text)
        if request.GET.get("format") == "csv" and not self.seen(lambda: self.asked().faults):
            return self.seen(self.csv)
        response = self.show()
        response.status_code = self.status
        return response

    def asked(self) -> Asked:
        """The address, read. Inside the scope."""
        return Asked(self.request.GET, gateways=gateway_names(), own=self.own_tenant)

    def context(self) -> dict[str, Any]:
        asked = self.asked().read()
        self.status = asked.status
        return {
            "list": asked, "rows": rows_of(asked.rows), "csv": asked.address(format="csv"),
            "meanings": MEANING, "base_url": configuration.BASE_URL().rstrip("/"),
            "newest": asked.address(**dict.fromkeys(PLACES)) if asked.place else "",
        }  # fmt: skip

    def csv(self) -> HttpResponse:
        """The newest 10 000 that the filters leave."""
        rows = self.asked().wanted().order_by("-at", "-id")[:COUNTED]
        columns = OWN_COLUMNS if self.within else COLUMNS
        return csv_response("decisions", rows.iterator(chunk_size=2_000), columns)


COLUMNS: Final[dict[str, Any]] = {
    name: lambda row, name=name: getattr(row, name)
    for name in (
        "id", "at", "code", "tenant_id", "key_id", "kid", "gateway_id", "method", "route", "model",
        "address", "subject_ref", "purpose", "units",
    )
}  # fmt: skip
"""Of the file: what is stored, and nothing more."""
OWN_COLUMNS: Final = {name: read for name, read in COLUMNS.items() if name != "tenant_id"}
"""Of a tenant's own file."""


class OneDecision(Page):
    """`/admin/decisions/<id>/`."""

    needs = "usage:read"
    section = "decisions"
    template = "keys/decision.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Everything that is stored of it."""
        self.id: UUID = kwargs["id"]
        return self.show()

    def context(self) -> dict[str, Any]:
        rows = within(self.actor, Decision.objects.all())
        decision = found(rows, self.id, self.request.GET.get("at", ""))
        (row,) = rows_of([decision])
        code = Code.__members__.get(decision.code)
        return {
            "row": row, "decision": decision, "kind": KIND[code] if code else "",
            "status": code.status if code else None,
            "gateway": Gateway.objects.filter(id=decision.gateway_id).first(),
        }  # fmt: skip


def found(rows: QuerySet[Decision], id: UUID, at: str) -> Decision:
    """The decision among `rows`; raises Refusal NOT_FOUND. `at` is its microsecond, if known.

    The log is kept by time, so it is looked for around the moment that its id was made in.
    """
    for begin, end in _windows(id, at):
        found = rows.filter(at__gte=begin, at__lte=end, id=str(id)).first()
        if found is not None:
            return found
    raise Refusal("NOT_FOUND", "There is no such decision, or its day is no longer kept.")


def _windows(id: UUID, at: str) -> Iterable[tuple[dt.datetime, dt.datetime]]:
    if MOMENT.fullmatch(at):
        moment = EPOCH + int(at) * MICROSECOND
        yield moment, moment
    if id.version == 7:
        made = (id.int >> 80) / 1000
        if made < dt.datetime(2999, 1, 1, tzinfo=UTC).timestamp():
            moment = dt.datetime.fromtimestamp(made, UTC)
            for skew in SKEW:
                yield moment - skew, moment + skew
