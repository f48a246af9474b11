"""What the pages that change an Api's scopes and routes share: the definition they opened on.

An Api has no version. The form holds a digest of what it showed; the verb compares it, and the
ledger tells what was changed meanwhile.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from audit.ledger.reading import entries
from portal.tenancy.apis import definition_of
from portal.tenancy.definitions import RouteDefinition, ScopeDefinition
from portal.tenancy.models import Api
from portal.tenancy.pages.api import OfApi
from portal.tenancy.pages.writing import ReviewedPage, Step, history

MANY: Final = 20
"""Entries that a stale form shows."""


@dataclass(frozen=True)
class Line:
    """What differs, before and after; empty where there is nothing."""

    label: str
    chip: str
    css: str
    now: str
    after: str


class DefinitionPage(ReviewedPage, OfApi):
    """A page that changes an Api's scopes or routes."""

    def context(self) -> dict[str, Any]:
        return {
            **super().context(),
            "definition": self.typed("definition") or definition_of(self.api),
            "since": self.typed("since") or _now_stands(self.api),
        }

    @property
    def expected(self) -> str:
        """The definition that the form was opened on."""
        return self.typed("definition") or "none"

    def meanwhile(self) -> dict[str, Any]:
        return {
            "meanwhile": self.since(), "since": _now_stands(self.api),
            "definition": definition_of(self.api),
        }  # fmt: skip

    def since(self) -> list[Step]:
        """What was changed after the form was opened."""
        try:
            since = dt.datetime.fromisoformat(self.typed("since"))
        except ValueError:
            return []
        return history(self.api.id, most=MANY, since=since) if since.tzinfo else []

    def stale(self) -> bool:
        """Whether another definition stands than the form was opened on. Inside the scope."""
        return self.expected != definition_of(self.api)


def _now_stands(api: Api) -> str:
    """The moment of the latest entry about `api`."""
    latest = entries(tenant=None, target=api.id).values_list("occurred_at", flat=True).first()
    return latest.isoformat() if latest else ""


def scopes_of(api: Api) -> list[ScopeDefinition]:
    """The scopes that stand."""
    return [ScopeDefinition(s.name, s.risk, s.description) for s in api.scopes.order_by("name")]


def routes_of(api: Api) -> list[RouteDefinition]:
    """The routes that stand."""
    return [
        RouteDefinition(r.method, r.pattern, r.scopes, r.default_purpose, r.consent_required)
        for r in api.routes.order_by("pattern", "method")
    ]
