"""Tenants: the list."""

from typing import Any, Final

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse

from portal.tenancy.models import Tenant
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.page import Page

STATUS: Final = Filter(
    "status", "Status", [("", "Any status"), ("active", "Active"), ("suspended", "Suspended")]
)


class Tenants(Page):
    """`/admin/tenants/`."""

    needs = "tenants:read"
    section = "tenants"
    template = "tenancy/tenants.html"

    def context(self) -> dict[str, Any]:
        listing = Listing(
            self.request.GET,
            filters=[STATUS],
            columns=[Column("name", ["name", "id"]), Column("created", ["created_at", "id"])],
            searched="Name, slug or id",
        )
        rows = Tenant.objects.all()
        if listing.q:
            rows = rows.filter(
                Q(name__icontains=listing.q) | Q(slug__icontains=listing.q) | Q(id=listing.q)
            )
        if listing.chosen["status"]:
            rows = rows.filter(status=listing.chosen["status"])
        people = Count("membership", filter=Q(membership__is_active=True))
        return {"list": listing.take(rows.annotate(people=people))}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.show()
