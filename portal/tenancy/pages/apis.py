"""Apis: the list, and making one."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core.refusals import Refusal
from portal.tenancy.apis import create_api
from portal.tenancy.models import Api, ApiGrant, Gateway, Route, Scope, Tenant
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import CHOOSABLE, ListPage, tenant_filter
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.writing import WritingPage, tell

PLATFORM: Final = "-"
"""In the place of a tenant's slug: the platform's own. No slug begins with a hyphen."""
RISK: Final = Filter(
    "risk", "Risk", [("", "Any risk"), ("high", "With high-risk scopes"), ("low", "Without")]
)


class Apis(ListPage):
    """`/admin/apis/`."""

    needs = "apis:read"
    section = "apis"
    template = "tenancy/apis.html"
    file = "apis"
    noun = "APIs"
    writes = "apis:write"
    columns = {
        "id": lambda api: api.id,
        "name": lambda api: api.name,
        "slug": lambda api: api.slug,
        "owner": lambda api: api.tenant.slug if api.tenant else "platform",
        "scopes": lambda api: api.scope_count,
        "high_risk_scopes": lambda api: api.high_count,
        "routes": lambda api: api.route_count,
        "tenants": lambda api: api.tenant_count,
        "gateways": lambda api: api.gateway_count,
        "created_at": lambda api: api.created_at,
    }

    def listing(self) -> Listing:
        owner, _ = tenant_filter(self.request.GET.get("tenant", ""))
        anyone, *tenants = owner.choices
        choices = [(anyone[0], "Any owner"), (PLATFORM, "The platform"), *tenants]
        return Listing(
            self.request.GET,
            filters=[Filter("tenant", "Owner", choices), RISK],
            columns=[Column("name", ["name", "id"]), Column("created", ["-created_at", "-id"])],
            searched="Name, slug, id or scope",
        )

    def chosen(self, listing: Listing) -> QuerySet[Api]:
        rows, owner = Api.objects.select_related("tenant"), listing.chosen["tenant"]
        high = Exists(Scope.objects.filter(api=OuterRef("pk"), risk=Scope.Risk.HIGH))
        if owner:
            rows = (
                rows.filter(tenant=None) if owner == PLATFORM else rows.filter(tenant__slug=owner)
            )
        if listing.chosen["risk"]:
            rows = rows.filter(high if listing.chosen["risk"] == "high" else ~high)
        if text := listing.q:
            scoped = Scope.objects.filter(api=OuterRef("pk"), name__icontains=text)
            named = Q(name__icontains=text) | Q(slug__icontains=text) | Q(id=text)
            rows = rows.filter(named | Q(Exists(scoped)))
        return counted(rows)

    def any(self) -> bool:
        return Api.objects.exists()


def counted(rows: QuerySet[Api]) -> QuerySet[Api]:
    """Apis with how much there is of each."""
    return rows.annotate(
        scope_count=_count(Scope.objects.all()),
        high_count=_count(Scope.objects.filter(risk=Scope.Risk.HIGH)),
        route_count=_count(Route.objects.all()),
        tenant_count=_count(ApiGrant.objects.filter(withdrawn_at=None)),
        gateway_count=_count(Gateway.objects.filter(disabled_at=None)),
    )


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many of `rows` are of the Api in the query around."""
    mine = rows.filter(api=OuterRef("pk")).order_by().values("api")
    return Coalesce(Subquery(mine.annotate(n=Count("pk")).values("n")), 0)


class NewApiForm(Form):
    """A new Api. Its scopes and routes have pages of their own."""

    name = forms.CharField(
        label="Name", required=False, help_text="What people call it, such as Chat API."
    )
    slug = forms.CharField(
        label="Slug", required=False,
        help_text="What keys and programs call it: a-z, 0-9 and hyphens. It can't be changed.",
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off"}),
    )  # fmt: skip
    tenant = forms.CharField(label="Whose it is", required=False)

    def __init__(self, *args: Any, tenants: list[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tenant"]
        if len(tenants) <= CHOOSABLE:
            choices = [("", "The platform's"), *((t.slug, f"{t.name}'s alone") for t in tenants)]
            field.widget = forms.Select(choices=choices)
            field.help_text = "The platform's is granted to tenants; a tenant's own is its alone."
        else:
            field.help_text = "A tenant's slug, or nothing: the platform's, granted to tenants."


class NewApi(WritingPage):
    """`/admin/apis/new/`."""

    needs = "apis:read"
    changes = "apis:write"
    section = "apis"
    template = "tenancy/api_new.html"

    def find(self, **kwargs: Any) -> None:
        self.tenants = list(Tenant.objects.order_by("name", "slug")[: CHOOSABLE + 1])

    def aim(self) -> tuple[Target, str | None]:
        return Target("api", "new", self.typed("slug")), None

    def initial(self) -> Mapping[str, Any]:
        return {"tenant": self.request.GET.get("tenant", "")[:63]}

    def form(self, data: Any = None) -> Form:
        return NewApiForm(data, tenants=self.tenants, initial=self.initial())

    def context(self) -> dict[str, Any]:
        return {**super().context(), "once": token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        tenant_id = self.seen(lambda: owner_id(typed["tenant"]))
        try:
            with once_only(self.request):
                api = create_api(
                    actor=self.actor, slug=typed["slug"], name=typed["name"], tenant_id=tenant_id
                )
        except AlreadySent as sent:
            tell(self.request, "This form was sent before. Nothing was created now.")
            return self.to("api", sent.made)
        except Refusal as refusal:
            raise taken(refusal) from None
        tell(self.request, f"{api.name} was created. Give it scopes and routes next.")
        return self.to("api", api.id)


def owner_id(slug: str) -> str | None:
    """The tenant that is to own an Api; None: the platform. Inside the scope."""
    if not slug:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        detail = "There is no such tenant."
        raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "/tenant"}])
    return tenant.id


def taken(refusal: Refusal) -> Refusal:
    """A slug that is taken, said beside its field."""
    if refusal.code != "CONFLICT" or "slug" not in refusal.detail:
        return refusal
    detail = f"{refusal.detail} Choose another one."
    return Refusal("CONFLICT", refusal.detail, [{"detail": detail, "pointer": "/slug"}])
