"""The ledger: its list, and one entry beside it."""

import uuid
from typing import Any, Final

from django.db import connection
from django.http import HttpRequest, HttpResponse, QueryDict

from audit.ledger.models import Entry
from audit.ledger.reading import entries
from audit.pages.asked import Asked, tenant_names
from audit.pages.words import Line, facts, marked
from portal.core.refusals import Refusal
from portal.tenancy.pages.lists import PAGE
from portal.tenancy.pages.page import Page

COUNTS: Final = """
SELECT
    (SELECT count(*) FROM (SELECT FROM ledger_entry LIMIT 10001) counted),
    (SELECT count(*) FROM (SELECT FROM ledger_entry
        WHERE occurred_at >= now() - interval '24 hours' LIMIT 10001) recent),
    (SELECT count(*) FROM (SELECT FROM ledger_entry WHERE outcome <> 'success'
        AND occurred_at >= now() - interval '24 hours' LIMIT 10001) refused),
    (SELECT max(occurred_at) FROM ledger_entry)
"""
"""Counted to 10 001: a page says "10,000+" then."""


def counts() -> dict[str, Any]:
    """The strip's figures, of what the scope shows."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        return dict(zip(("all", "recent", "refused", "last"), cursor.fetchone(), strict=True))


def asked(page: Page, query: QueryDict, **more: Any) -> Asked:
    """What the address asks for; on a tenant's page of its own slice alone. Inside the scope."""
    return Asked(query, names=tenant_names(), own=bool(page.within), **more)


class Ledger(Page):
    """`/admin/ledger/`."""

    needs = "audit:read"
    section = "ledger"
    template = "audit/ledger.html"

    size = PAGE
    entry: Entry | None = None
    """The one that is open."""

    def context(self) -> dict[str, Any]:
        self.open()
        self.asked = asked(self, self.request.GET, size=self.size)
        self.asked.read(self.entry)
        names = self.asked.names
        return {
            "list": self.asked,
            "lines": [
                Line(entry, marked(entry, self.url), names.get(entry.tenant_id or "", "Platform"))
                for entry in self.asked.rows
            ],
            "counts": counts(),
            "open": self.entry,
            **self.beside(names),
        }

    def open(self) -> None:
        """Find the entry that the address names."""

    def beside(self, names: dict[str, str]) -> dict[str, Any]:
        """What stands beside the list."""
        return {}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = self.show()
        response.status_code = self.asked.status
        return response


class LedgerEntry(Ledger):
    """`/admin/ledger/<uuid>/`: the list, with one entry open."""

    size = PAGE // 2

    def open(self) -> None:
        """The entry, or NOT_FOUND."""
        id: uuid.UUID = self.kwargs["id"]
        self.entry = entries(tenant=None).filter(pk=str(id)).first()
        if self.entry is None:
            raise Refusal("NOT_FOUND")

    def beside(self, names: dict[str, str]) -> dict[str, Any]:
        """All of the entry, and how many others its request made."""
        entry = self.entry
        assert entry is not None
        together = entries(tenant=None, request_id=entry.request_id) if entry.request_id else None
        return {
            "facts": facts(entry, self.url),
            "tenant": names.get(entry.tenant_id or "", entry.tenant_id or "Platform"),
            "together": together.order_by()[:100].count() if together is not None else 0,
        }
