"""Limits: those that a tenant's keys share and keys' own, with what is left of each now."""

from typing import Any, Final, NamedTuple

from django.db.models import Count, Q, QuerySet

from keys.burning import Burn, burn, foreseen
from keys.changing import FINAL
from keys.models import KeyLimit, Limit
from keys.remaining import LimitLeft, remaining_of_limits
from portal.core.charts import left
from portal.core.templatetags.countersign import a
from portal.tenancy.pages.list_page import ListPage, tenant_choice
from portal.tenancy.pages.lists import Column, Filter, Listing

SHARED: Final = Filter(
    "shared_by", "Counted for",
    [("", "Shared and keys' own"), ("tenant", "Shared by keys"), ("key", "One key's own")],
)  # fmt: skip
WINDOW: Final = Filter(
    "window", "Window", [("", "Any window"), *((w, a(w).capitalize()) for w in Limit.Window.values)]
)
COUNTING: Final = Filter(
    "algorithm",
    "Counting",
    [("", "Any counting"), *((each, each) for each in Limit.Algorithm.values)],
)


class Left(NamedTuple):
    """What is left of a limit, as a meter shows it."""

    limit: LimitLeft
    percent: int
    css: str
    burn: Burn | None
    """Its window so far, if it is one that burns down."""


class Row(NamedTuple):
    """A limit as the list shows it."""

    limit: Limit
    left: Left | None
    keys: int
    """How many keys share it."""


class Limits(ListPage):
    """`/t/<slug>/limits/` and `/admin/limits/`. Those of revoked and leaked keys are left out."""

    needs = "limits:read"
    section = "limits"
    template = "keys/limits.html"
    file = "limits"
    noun = "limits"
    writes = "keys:write"
    columns = {
        "id": lambda limit: limit.id,
        "name": lambda limit: limit.name,
        "unit": lambda limit: limit.unit,
        "amount": lambda limit: limit.amount,
        "window": lambda limit: limit.window,
        "algorithm": lambda limit: limit.algorithm,
        "burst": lambda limit: limit.burst,
        "shared_by": lambda limit: "key" if limit.key_id else "tenant",
        "key": lambda limit: limit.key_id,
        "tenant": lambda limit: limit.tenant.slug,
    }

    def listing(self) -> Listing:
        tenants, self.tenant = tenant_choice(self.request.GET, self.own_tenant)
        return Listing(
            self.request.GET,
            filters=[*tenants, SHARED, WINDOW, COUNTING],
            columns=[
                # Descending, none comes first: what keys share, then each key's own together.
                Column("shared", ["-key_id", "name", "id"]),
                Column("name", ["name", "id"]),
                Column("amount", ["amount", "id"]),
            ],
            searched="Name, unit, or a key's name or id",
        )

    def chosen(self, listing: Listing) -> QuerySet[Limit]:
        rows, picked = self.usable(), listing.chosen
        if self.tenant:
            rows = rows.filter(tenant_id=self.tenant.id)
        if picked["shared_by"]:
            rows = rows.filter(key__isnull=picked["shared_by"] == "tenant")
        for name in ("window", "algorithm"):
            if picked[name]:
                rows = rows.filter(**{name: picked[name]})
        if text := listing.q:
            named = Q(name__icontains=text) | Q(unit=text) | Q(id=text)
            rows = rows.filter(named | Q(key_id=text) | Q(key__name__icontains=text))
        return rows

    def usable(self) -> QuerySet[Limit]:
        """Limits that something is counted on."""
        rows = Limit.objects.select_related("key", "tenant")
        return rows.filter(Q(key=None) | ~Q(key__state__in=FINAL))

    def any(self) -> bool:
        rows = Limit.objects.all()
        return (rows.filter(tenant_id=self.tenant.id) if self.tenant else rows).exists()

    def context(self) -> dict[str, Any]:
        told = super().context()
        limits = told["list"].rows
        lefts, shared = remaining_of_limits(limits), sharing(limits)
        return {
            **told, "known": lefts is not None,
            "rows": [
                Row(limit, left_of((lefts or {}).get(limit.id)), shared.get(limit.id, 0))
                for limit in limits
            ],
        }  # fmt: skip


def left_of(limit: LimitLeft | None) -> Left | None:
    """What is left, to be shown; None where nobody knows."""
    if limit is None:
        return None
    percent, css = left(limit.remaining, limit.full)
    return Left(limit, percent, css, burn(limit) if foreseen(limit) else None)


def sharing(limits: list[Limit]) -> dict[str, int]:
    """How many keys are under each shared limit, by its id. One query."""
    shared = [limit.id for limit in limits if limit.key_id is None]
    if not shared:
        return {}
    links = KeyLimit.objects.filter(limit_id__in=shared).exclude(key__state__in=FINAL)
    counts = links.order_by().values_list("limit_id").annotate(count=Count("key_id"))
    return dict(counts)
