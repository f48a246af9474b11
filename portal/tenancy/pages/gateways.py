"""Gateways: the list."""

import re
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from portal.core import configuration, tokens
from portal.tenancy.models import Api, Gateway, GatewayTenant
from portal.tenancy.pages.list_page import CHOOSABLE, ListPage, tenant_filter
from portal.tenancy.pages.lists import Column, Filter, Listing

STATUS: Final = Filter(
    "status", "Status", [("", "Any status"), ("active", "Active"), ("disabled", "Disabled")]
)
ENVIRONMENT: Final = Filter(
    "environment", "Environment", [("", "live and test"), ("live", "live"), ("test", "test")]
)
SHOWN_KID: Final = re.compile(rf"{tokens.GATEWAY}_live_?([0-9A-Za-z]{{0,12}})(…|\.\.\.)?")
NAMED: Final = 20
"""Tenants of a gateway that the list names on hover."""
BOUND: Final = GatewayTenant.objects.filter(gateway=OuterRef("pk"))
KID: Final = re.compile(r"[0-9A-Za-z]{4,12}", re.ASCII)


class Gateways(ListPage):
    """`/admin/gateways/`."""

    needs = "gateways:read"
    section = "gateways"
    template = "tenancy/gateways.html"
    file = "gateways"
    noun = "gateways"
    writes = "gateways:write"
    columns = {
        "id": lambda gateway: gateway.id,
        "name": lambda gateway: gateway.name,
        "public_id": lambda gateway: gateway.kid,
        "api": lambda gateway: gateway.api.slug,
        "tenants": lambda gateway: gateway.all_tenants,
        "environments": lambda gateway: gateway.environments,
        "allowed_cidrs": lambda gateway: gateway.allowed_cidrs,
        "declared_headers": lambda gateway: gateway.declared_headers,
        "created_at": lambda gateway: gateway.created_at,
        "disabled_at": lambda gateway: gateway.disabled_at,
    }

    def listing(self) -> Listing:
        tenants, self.tenant = tenant_filter(self.request.GET.get("tenant", ""))
        return Listing(
            self.request.GET,
            filters=[_apis(self.request.GET.get("api", "")), tenants, ENVIRONMENT, STATUS],
            columns=[
                Column("name", ["name", "id"]),
                Column("created", ["-created_at", "-id"]),
            ],
            searched="Name, id or csg_live_7Kq2…",
        )

    def chosen(self, listing: Listing) -> QuerySet[Gateway]:
        rows, picked = Gateway.objects.select_related("api"), listing.chosen
        if picked["api"]:
            rows = rows.filter(api_id=picked["api"])
        if self.tenant:
            rows = rows.filter(Exists(BOUND.filter(tenant=self.tenant)))
        if picked["environment"]:
            rows = rows.filter(environments__contains=[picked["environment"]])
        if picked["status"]:
            rows = rows.filter(disabled_at__isnull=picked["status"] == "active")
        if listing.q:
            rows = rows.filter(searched(listing.q))
        slugs = BOUND.order_by("tenant__slug").values("tenant__slug")
        counts = BOUND.order_by().values("gateway").annotate(n=Count("pk")).values("n")
        return rows.annotate(
            tenants=ArraySubquery(slugs[:NAMED]), tenant_count=Coalesce(Subquery(counts), 0)
        )

    def exported(self, rows: QuerySet[Gateway]) -> QuerySet[Gateway]:
        slugs = BOUND.order_by("tenant__slug").values("tenant__slug")
        return rows.annotate(all_tenants=ArraySubquery(slugs))

    def any(self) -> bool:
        return Gateway.objects.exists()

    def context(self) -> dict[str, Any]:
        return {**super().context(), "base_url": configuration.BASE_URL().rstrip("/")}


def _apis(asked: str) -> Filter:
    """A choice among the Apis. Of many, only the one that is asked for is offered."""
    apis = list(Api.objects.select_related("tenant").order_by("slug", "id")[: CHOOSABLE + 1])
    if len(apis) > CHOOSABLE:
        apis = [] if "\0" in asked else list(Api.objects.filter(id=asked[:64]))
    return Filter("api", "API", [("", "Any API"), *((api.id, label(api)) for api in apis)])


def label(api: Api) -> str:
    """An Api in a choice: two tenants may call theirs alike."""
    return f"{api.name} ({api.tenant.slug})" if api.tenant else api.name


def searched(text: str) -> Q:
    """What a search finds: `csg_live_7Kq2…` by its public id, else names and ids."""
    if shown := SHOWN_KID.fullmatch(text):
        return Q(kid__startswith=shown.group(1))
    found = Q(name__icontains=text) | Q(id=text)
    return found | Q(kid__startswith=text) if KID.fullmatch(text) else found
