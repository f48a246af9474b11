"""A page with one list: its rows and its file."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse, QueryDict

from portal.tenancy.models import Tenant
from portal.tenancy.pages.lists import Filter, Listing, csv_response
from portal.tenancy.pages.page import Page

CHOOSABLE: Final = 50
"""What a select offers; beyond, only what was asked for by name."""


class ListPage(Page):
    """Subclasses say what is asked for and which rows that leaves."""

    file: ClassVar[str]
    columns: ClassVar[Mapping[str, Callable[[Any], Any]]]
    """Of the file: heading to value."""
    noun: ClassVar[str]
    writes: ClassVar[str]
    """What it takes to make one."""
    status = 200

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, or with `format=csv` the file."""
        self.seen(lambda: self.find(**kwargs))
        # A file says nothing of what was asked for wrongly; the page does.
        if request.GET.get("format") == "csv" and not self.seen(lambda: self.listing().faults):
            return self.seen(self.csv)
        response = self.show()
        response.status_code = self.status
        return response

    def find(self, **kwargs: Any) -> None:
        """What the address is about; raises Refusal NOT_FOUND. Inside the scope."""

    def listing(self) -> Listing:
        """The address, read. Inside the scope."""
        raise NotImplementedError

    def chosen(self, listing: Listing) -> QuerySet[Any]:
        """The rows that search and filters leave. Inside the scope."""
        raise NotImplementedError

    def exported(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows with what only the file tells."""
        return rows

    def any(self) -> bool:
        """Whether there is anything at all, found or not. Inside the scope."""
        raise NotImplementedError

    def csv(self) -> HttpResponse:
        """The file. Inside the scope."""
        listing = self.listing()
        rows = self.exported(self.chosen(listing).order_by(*listing.order()))
        # A tenant's own file says nothing of tenants: there is no other in it.
        columns = {n: read for n, read in self.columns.items() if n != "tenant" or not self.within}
        return csv_response(self.file, rows.iterator(chunk_size=2_000), columns)

    def context(self) -> dict[str, Any]:
        listing = self.listing()
        self.status = listing.status
        listing.take(self.chosen(listing))
        return {
            "list": listing, "noun": self.noun, "csv": listing.address(format="csv"),
            "may_write": self.may(self.writes),
            "any": bool(listing.rows) or listing.narrowed or self.any(),
        }  # fmt: skip


def tenant_choice(query: QueryDict, own: Tenant | None) -> tuple[list[Filter], Tenant | None]:
    """The filter by tenant and the one that is asked for; on a tenant's own pages only itself."""
    if own:
        return [], own
    choice, tenant = tenant_filter(query.get("tenant", ""))
    return [choice], tenant


def tenant_filter(slug: str) -> tuple[Filter, Tenant | None]:
    """A choice among the tenants, and the one of `slug`. Of many, only that one is offered."""
    asked = Case(When(slug=slug.replace("\0", ""), then=0), default=1)
    tenants = list(Tenant.objects.order_by(asked, "slug")[: CHOOSABLE + 1])
    if len(tenants) > CHOOSABLE:
        tenants = [tenant for tenant in tenants[:1] if tenant.slug == slug]
    choices = [("", "Any tenant"), *((each.slug, each.name) for each in tenants)]
    return Filter("tenant", "Tenant", choices), next((t for t in tenants if t.slug == slug), None)
