"""Usage: what was allowed and denied over time, of everything, a tenant, an API or one key."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse

from keys.figures import PERIODS, Figures, Most, Of, Used, figures, most_used, period_of
from keys.heat import heat_of
from keys.models import ApiKey
from portal.core import configuration
from portal.tenancy.models import Api, Tenant
from portal.tenancy.pages.list_page import CHOOSABLE, tenant_choice
from portal.tenancy.pages.lists import Chip, Filter, Listing, csv_response
from portal.tenancy.pages.page import Page
from portal.tenancy.permission import ID


class Line(NamedTuple):
    """A key among those that stand out."""

    used: Used
    key: ApiKey | None


@dataclass
class Sought(Listing):
    """What the address asks the figures of. Inside a scope that sees them."""

    own: Tenant | None = None
    """On a tenant's own pages that tenant: there is no other to choose."""
    tenant: Tenant | None = None
    api: Api | None = None
    key: ApiKey | None = None
    apis: list[Api] = field(default_factory=list)

    def __post_init__(self) -> None:
        tenants, self.tenant = tenant_choice(self.query, self.own)
        # The one that is asked for is among them, however many there are.
        asked = Case(When(id=self.query.get("api", "").replace("\0", ""), then=0), default=1)
        self.apis = list(Api.objects.order_by(asked, "name", "id")[:CHOOSABLE])
        choices = [("", "Any API"), *((api.id, api.name) for api in self.apis)]
        self.filters = [*tenants, Filter("api", "API", choices)]
        super().__post_init__()
        self.api = next((api for api in self.apis if api.id == self.chosen["api"]), None)
        self.key = self._key(self.query.get("key", "").strip())

    def _key(self, id: str) -> ApiKey | None:
        if not id:
            return None
        keys = ApiKey.objects.select_related("tenant", "api")
        if self.own:
            keys = keys.filter(tenant=self.own)
        found = keys.filter(id=id).first() if ID.fullmatch(id) else None
        if found is None:
            self.faults.append("There is no such key. It was left out.")
        elif (self.tenant and found.tenant_id != self.tenant.id) or (
            self.api and found.api_id != self.api.id
        ):
            self.faults.append("The key is of another tenant or API. These are the key's figures.")
            self.tenant, self.api = self.own, None
        return found

    @property
    def of(self) -> Of:
        """Whose figures they are."""
        if self.key:
            return Of(tenant=self.key.tenant_id, key=self.key.id)
        return Of(self.tenant.id if self.tenant else "", self.api.id if self.api else "")

    def chips(self) -> list[Chip]:
        """The filters that are set; the period is a tab."""
        key = [Chip(f"key: {self.key.name}", self.address(key=None))] if self.key else []
        return [*super().chips(), *key]


class Usage(Page):
    """`/admin/usage/`."""

    needs = "usage:read"
    section = "usage"
    template = "keys/usage.html"
    status = 200

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, or with `format=csv` its table as a file."""
        if request.GET.get("format") == "csv" and not self.seen(lambda: self.told()[0].faults):
            return self.seen(self.csv)
        response = self.show()
        response.status_code = self.status
        return response

    def told(self) -> tuple[Sought, Figures]:
        """The address read, and the figures that it asks for. Inside the scope."""
        sought = Sought(self.request.GET, own=self.own_tenant)
        asked = self.request.GET.get("period", "")
        period = period_of(asked)
        if asked not in ("", period.name):
            sought.faults.append("There is no such time. These are the last 24 hours.")
        return sought, figures(period, sought.of)

    def context(self) -> dict[str, Any]:
        sought, told = self.told()
        self.status = sought.status
        most = None if sought.key else most_used(told.period, sought.of, told.decisions)
        return {
            "list": sought, "figures": told, "most": most,
            "heat": heat_of(sought.of),
            "top": lines_of(most) if most else {}, "csv": sought.address(format="csv"),
            "tabs": [(p, sought.address(period=p.name)) for p in PERIODS],
            "log": self.log(sought, told.period.name),
            "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip

    def log(self, sought: Sought, period: str) -> str:
        """The log of the same decisions, to be followed by a code; empty where it has no filter."""
        if sought.api and not sought.key:
            return ""
        told = {
            "period": "" if period == "24h" else period,
            "tenant": sought.tenant.slug
            if sought.tenant and not (sought.key or self.within)
            else "",
            "key": sought.key.id if sought.key else "",
        }
        return f"{self.url('decisions')}?{urlencode({n: v for n, v in told.items() if v})}&code="

    def csv(self) -> HttpResponse:
        """The chart's figures, oldest first."""
        _, told = self.told()
        rows: Iterable[Any] = reversed(told.table)
        return csv_response(f"usage-{told.period.name}", rows, COLUMNS)


def lines_of(most: Most) -> dict[str, Sequence[Line]]:
    """The keys that stand out, with their names, by one query."""
    ids = {used.key_id for used in (*most.decisions, *most.denied)}
    keys = ApiKey.objects.select_related("tenant").in_bulk(ids) if ids else {}
    return {
        name: [Line(used, keys.get(used.key_id)) for used in found]
        for name, found in (("decisions", most.decisions), ("denied", most.denied))
    }


COLUMNS: Final[dict[str, Any]] = {
    "from": lambda cells: cells.at,
    "allowed": lambda cells: cells.allowed,
    "denied": lambda cells: cells.denied,
    "limit": lambda cells: cells.kinds[0],
    "rule": lambda cells: cells.kinds[1],
    "consent": lambda cells: cells.kinds[2],
    "key": lambda cells: cells.kinds[3],
}
"""Of the file; the kinds in the charts' order."""
