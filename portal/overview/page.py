"""The overview's page and its CSV."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from portal.core.clock import now
from portal.overview import standing
from portal.overview.attention import State, address, keys_in_need, notices
from portal.overview.figures import PERIODS, figures, period_of, sparks
from portal.overview.standing import STATES, TenantLine
from portal.overview.steps import first_steps
from portal.tenancy.pages.lists import csv_response
from portal.tenancy.pages.page import Page

TENANTS_SHOWN: Final = 10


def _keys(state: str) -> Callable[[TenantLine], int]:
    return lambda line: line.states[state]


COLUMNS: Final[dict[str, Callable[[TenantLine], object]]] = {
    "tenant": lambda line: line.slug,
    "name": lambda line: line.name,
    "suspended": lambda line: "yes" if line.suspended else "no",
    **{state: _keys(state) for state in (*STATES, "revoked")},
    "expire_in_7_days": lambda line: line.expiring,
    "allowed": lambda line: line.allowed,
    "denied": lambda line: line.denied,
}


class Overview(Page):
    """`/admin/`."""

    needs = "usage:read"
    section = "index"
    template = "overview/overview.html"

    def context(self) -> dict[str, Any]:
        told = figures(period_of(self.request.GET.get("period", "")))
        lines = standing.lines(told)
        state = State(
            lines, standing.total(lines), standing.refused(), standing.standing(),
            standing.backlog(),
        )  # fmt: skip
        shown = lines[:TENANTS_SHOWN]
        charts = sparks([line.id for line in shown])
        return {
            "now": now(),
            "periods": PERIODS,
            "figures": told,
            "states": STATES,
            "tenants": [(line, address("tenant", line.slug), charts[line.id]) for line in shown],
            "decisions_url": address("decisions"),
            "tenant_count": len(lines),
            "in_use": sum(1 for line in lines if line.states["active"]),
            "whole": state.whole,
            "standing": state.standing,
            "in_need": keys_in_need(state),
            "notices": notices(state),
            "steps": first_steps(self.actor, state.whole, len(lines), state.standing),
            "entry": self._last_entry(),
        }

    def _last_entry(self) -> dict[str, Any] | None:
        last = entries(tenant=None).first()
        if last is None:
            return None
        words = sentence(last, payload_of(last))
        return {"id": last.id, "type": last.type, "at": last.occurred_at, "words": words}


class OverviewCsv(Page):
    """`/admin/overview/csv/`: keys by tenant and state, every tenant."""

    needs = "usage:read"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The file."""
        with self.scope():
            rows: Any = standing.lines(figures(period_of(request.GET.get("period", ""))))
        return csv_response("keys-by-tenant", rows, COLUMNS)

    def is_file(self, request: HttpRequest) -> bool:
        """Always."""
        return True

    def after_proof(self, request: HttpRequest) -> str:
        """The page that leads here."""
        return self.url("index")
