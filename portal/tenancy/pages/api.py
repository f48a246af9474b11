"""One Api: what it has, who may use it, and giving it to tenants or taking it back."""

from typing import Any, Final

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core.refusals import Refusal, refuse
from portal.tenancy.apis import grant_api, withdraw_grant
from portal.tenancy.models import Api, ApiGrant, Gateway, GatewayTenant, Route, Tenant
from portal.tenancy.pages.apis import counted
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import CHOOSABLE
from portal.tenancy.pages.lists import Column, Listing
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.writing import WritingPage, history, tell
from portal.tenancy.permission import found

SHOWN: Final = 50
"""Tenants and gateways on an Api's page; of more, a search and a list show the rest."""


def api_of(id: str) -> Api:
    """The Api of this id; raises Refusal NOT_FOUND. Inside the scope."""
    return found(Api.objects.select_related("tenant"), id)


class ApiPage(Page):
    """`/admin/apis/<id>/`."""

    needs = "apis:read"
    section = "apis"
    template = "tenancy/api.html"

    def context(self) -> dict[str, Any]:
        api = found(counted(Api.objects.select_related("tenant")), self.kwargs["id"])
        gateways = Gateway.objects.filter(api=api, disabled_at=None)
        return {
            "api": api,
            "scopes": list(api.scopes.order_by("name")),
            "list": self.routes(api),
            **self.grants(api),
            "gateways": list(gateways.order_by("name", "id")[:SHOWN]),
            "history": history(api.id),
            "may_write": self.may("apis:write"),
            "may_gateways": self.may("gateways:write"),
        }

    def routes(self, api: Api) -> Listing:
        """The routes, as searched."""
        listing = Listing(
            self.request.GET,
            columns=[Column("pattern", ["pattern", "method"])],
            searched="Method, path, scope or purpose",
        )
        return listing.take(routes_with(api.routes.all(), listing.q))

    def grants(self, api: Api) -> dict[str, Any]:
        """The tenants that may use it, as searched."""
        asked = self.request.GET.get("tenant", "").replace("\0", "")[:128]
        grants = ApiGrant.objects.filter(api=api, withdrawn_at=None)
        wanted = grants.filter(Q(tenant__slug__icontains=asked) | Q(tenant__name__icontains=asked))
        rows = wanted.select_related("tenant").order_by("tenant__name", "tenant_id")
        return {"grants": list(rows[:SHOWN]), "asked": asked}


def routes_with(rows: QuerySet[Route], text: str) -> QuerySet[Route]:
    """Those that say `text` anywhere."""
    if not text:
        return rows
    return rows.filter(
        Q(pattern__icontains=text) | Q(method__iexact=text) | Q(scopes__contains=[text])
        | Q(default_purpose__icontains=text)
    )  # fmt: skip


class OfApi(WritingPage):
    """A page that changes one Api."""

    needs = "apis:read"
    changes = "apis:write"
    section = "apis"

    def find(self, **kwargs: Any) -> None:
        self.api = api_of(kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("api", self.api.id, self.api.slug), self.api.tenant_id

    def context(self) -> dict[str, Any]:
        return {**super().context(), "api": self.api}


class GrantForm(Form):
    """To whom."""

    tenant = forms.CharField(label="Tenant", required=False)

    def __init__(self, *args: Any, tenants: list[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["tenant"]
        if len(tenants) <= CHOOSABLE:
            choices = [(t.slug, f"{t.name} ({t.slug})") for t in tenants]
            field.widget = forms.Select(choices=[("", "Choose a tenant"), *choices])
        else:
            field.help_text = "Its slug, as in addresses: acme."


class Grant(OfApi):
    """`/admin/apis/<id>/grant/`."""

    template = "tenancy/api_grant.html"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        if self.api.tenant_id is not None:
            raise Refusal("NOT_FOUND")
        held = ApiGrant.objects.filter(api=self.api, withdrawn_at=None)
        others = Tenant.objects.exclude(id__in=held.values("tenant_id"))
        self.tenants = list(others.order_by("name", "slug")[: CHOOSABLE + 1])

    def form(self, data: Any = None) -> Form:
        asked = {"tenant": self.request.GET.get("tenant", "")[:63]}
        return GrantForm(data, tenants=self.tenants, initial=asked)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "anyone": bool(self.tenants)}

    def act(self, form: Form) -> HttpResponse:
        slug = form.cleaned_data["tenant"]
        tenant = self.seen(lambda: Tenant.objects.filter(slug=slug).first())
        if tenant is None:
            refuse("There is no such tenant." if slug else "Choose a tenant.", "/tenant")
        try:
            grant_api(actor=self.actor, tenant_id=tenant.id, api_id=self.api.id)
        except Refusal as refusal:
            if refusal.code != "CONFLICT":
                raise
            detail = "This tenant has an API of its own by this slug: its keys could mean either."
            refuse(detail, "/tenant")
        tell(self.request, f"{tenant.name} may use {self.api.name}: its keys can be for it now.")
        return self.to("api", self.api.id)


class Why(Form):
    """The reason, which the ledger keeps."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "maxlength": 512}),
        help_text="1 to 512 characters. The tenant's people and the auditors can read it.",
    )


class Withdraw(OfApi):
    """`/admin/apis/<id>/withdraw/<tenant's id>/`."""

    template = "tenancy/api_withdraw.html"
    form_class = Why

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        self.tenant = found(Tenant.objects.all(), kwargs["tenant"])
        grant = ApiGrant.objects.filter(api=self.api, tenant=self.tenant).first()
        if grant is None:
            raise Refusal("NOT_FOUND")
        self.withdrawn_at = grant.withdrawn_at

    def context(self) -> dict[str, Any]:
        bound = GatewayTenant.objects.filter(tenant=self.tenant, gateway__api=self.api)
        living = bound.filter(gateway__disabled_at=None)
        return {
            **super().context(), "tenant": self.tenant, "withdrawn_at": self.withdrawn_at,
            "gateways": list(living.select_related("gateway").order_by("gateway__name")[:SHOWN]),
            "gateway_count": living.count(),
        }  # fmt: skip

    def act(self, form: Form) -> HttpResponse:
        propagation = withdraw_grant(
            actor=self.actor, tenant_id=self.tenant.id, api_id=self.api.id,
            reason=form.cleaned_data["reason"],
        )  # fmt: skip
        words = f"{self.tenant.name} may no longer use {self.api.name}."
        if self.withdrawn_at is not None:
            words = f"{self.api.name} was withdrawn from {self.tenant.name} already."
        tell(self.request, words, propagation)
        return self.to("api", self.api.id)
