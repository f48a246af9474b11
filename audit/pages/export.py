"""The page that gives copies of the ledger, as CSV or JSON Lines."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from audit.pages.exporting import AT_ONCE, TYPES, bounded, export_entries, file_name
from audit.pages.ledger import asked as asked_of
from portal.core.refusals import Refusal
from portal.tenancy.models import Job
from portal.tenancy.pages.lists import COUNTED
from portal.tenancy.pages.page import Page


class LedgerExport(Page):
    """`/admin/ledger/export/`: GET says what would be in the file, POST gives it, or the job that
    makes it."""

    needs = "audit:read"
    section = "ledger"
    template = "audit/export.html"

    def context(self) -> dict[str, Any]:
        asked = asked_of(self, self.request.GET)
        error = ""
        try:
            rows = bounded(asked).rows_asked()
            count = rows.order_by()[: COUNTED + 1].count()
        except Refusal as refusal:
            count, error = 0, refusal.errors[0]["detail"]
        return {"list": asked, "count": count, "at_once": AT_ONCE, "error": error}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The file."""
        format = request.POST.get("format", "")
        try:
            made = export_entries(actor=self.actor, query=request.GET, format=format)
        except Refusal as refusal:
            if not refusal.errors:
                raise
            return self.show({"error": refusal.errors[0]["detail"]}, status=400)
        if isinstance(made, Job):
            return self.to("job", made.id)
        response = HttpResponse(made, content_type=TYPES[format])
        response["Content-Disposition"] = f'attachment; filename="{file_name(format)}"'
        return response
