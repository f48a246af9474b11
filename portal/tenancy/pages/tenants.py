"""Tenants: the list, and making one."""

from typing import Any, Final

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core import configuration
from portal.tenancy.models import Tenant
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.writing import WritingPage, tell
from portal.tenancy.tenants import create_tenant

STATUS: Final = Filter(
    "status", "Status", [("", "Any status"), ("active", "Active"), ("suspended", "Suspended")]
)


class Tenants(ListPage):
    """`/admin/tenants/`."""

    needs = "tenants:read"
    section = "tenants"
    template = "tenancy/tenants.html"
    file = "tenants"
    noun = "tenants"
    writes = "tenants:write"
    columns = {
        "id": lambda row: row.id,
        "slug": lambda row: row.slug,
        "name": lambda row: row.name,
        "status": lambda row: row.status,
        "created_at": lambda row: row.created_at,
    }

    def listing(self) -> Listing:
        return Listing(
            self.request.GET,
            filters=[STATUS],
            columns=[Column("name", ["name", "id"]), Column("created", ["created_at", "id"])],
            searched="Name, slug or id",
        )

    def chosen(self, listing: Listing) -> QuerySet[Tenant]:
        rows = Tenant.objects.all()
        if listing.q:
            rows = rows.filter(
                Q(name__icontains=listing.q) | Q(slug__icontains=listing.q) | Q(id=listing.q)
            )
        if listing.chosen["status"]:
            rows = rows.filter(status=listing.chosen["status"])
        return rows

    def any(self) -> bool:
        return Tenant.objects.exists()

    def context(self) -> dict[str, Any]:
        told = super().context()
        shown = [tenant.id for tenant in told["list"].rows]
        people = Count("membership", filter=Q(membership__is_active=True), distinct=True)
        gateways = Count(
            "gatewaytenant", filter=Q(gatewaytenant__gateway__disabled_at=None), distinct=True
        )
        counts = Tenant.objects.filter(id__in=shown).annotate(people=people, gateways=gateways)
        counted = {row.id: row for row in counts}
        rows = [(tenant, counted[tenant.id]) for tenant in told["list"].rows]
        return {**told, "rows": rows, "base_url": configuration.BASE_URL().rstrip("/")}


class TenantForm(Form):
    """What a tenant is called."""

    name = forms.CharField(label="Name", required=False, help_text="As its people write it.")
    slug = forms.CharField(
        label="Slug", required=False,
        help_text="As addresses and gateways call it, such as acme. It never changes.",
    )  # fmt: skip


class NewTenant(WritingPage):
    """`/admin/new/tenant/`."""

    needs = "tenants:read"
    changes = "tenants:write"
    section = "tenants"
    template = "tenancy/tenant_new.html"
    form_class = TenantForm

    def aim(self) -> tuple[Target, str | None]:
        return Target("platform", "tenants"), None

    def context(self) -> dict[str, Any]:
        return {**super().context(), "once": token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        try:
            with once_only(self.request):
                tenant = create_tenant(actor=self.actor, slug=typed["slug"], name=typed["name"])
        except AlreadySent as sent:
            made = sent.made
            tenant = self.seen(lambda: Tenant.objects.get(id=made))
            return self.to("tenant", tenant.slug)
        tell(self.request, f"{tenant.name} was created. Next: its people, and an API for its keys.")
        return self.to("tenant", tenant.slug)
