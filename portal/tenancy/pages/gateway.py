"""One gateway: its page, making one, and disabling it."""

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from audit.ledger.target import Target
from portal.core import configuration, tokens
from portal.core.refusals import Refusal
from portal.tenancy.gateways import (
    IssuedGateway,
    checked_columns,
    create_gateway,
    disable_gateway,
    fault_of_tenants,
)
from portal.tenancy.models import Api, Gateway, Tenant
from portal.tenancy.pages.api import Why, api_of
from portal.tenancy.pages.forms import STATUS, Form
from portal.tenancy.pages.gateway_form import KNOWN, GatewayForm, offered
from portal.tenancy.pages.list_page import CHOOSABLE
from portal.tenancy.pages.nginx import recipe, secrets_of
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.writing import WritingPage, history, tell
from portal.tenancy.permission import found

SHOWN: Final = 50
PLACEHOLDER: Final = "csg_live_..."


def gateway_of(id: str) -> Gateway:
    """The gateway of this id; raises Refusal NOT_FOUND. Inside the scope."""
    return found(Gateway.objects.select_related("api__tenant"), id)


def facts(gateway: Gateway, credential: str = PLACEHOLDER) -> dict[str, Any]:
    """What a gateway is, and how to set it up. Inside the scope."""
    base_url = configuration.BASE_URL().rstrip("/")
    bound = Tenant.objects.filter(gatewaytenant__gateway=gateway)
    return {
        "gateway": gateway,
        "api": gateway.api,
        "shown": f"{tokens.GATEWAY}_live_{gateway.kid[:4]}…",
        "tenants": list(bound.order_by("name", "slug")[:SHOWN]),
        "tenant_count": bound.count(),
        "declared": {name: KNOWN.get(name, "") for name in gateway.declared_headers},
        "base_url": base_url,
        "nginx": recipe(base_url, gateway.declared_headers),
        "secrets": secrets_of(credential),
    }


class GatewayPage(Page):
    """`/admin/gateways/<id>/`."""

    needs = "gateways:read"
    section = "gateways"
    template = "tenancy/gateway.html"

    def context(self) -> dict[str, Any]:
        gateway = gateway_of(self.kwargs["id"])
        return {
            **facts(gateway),
            "history": history(gateway.id),
            "may_write": self.may("gateways:write"),
        }


class NewGateway(WritingPage):
    """`/admin/gateways/new/?api=…`: which Api first, then the form."""

    needs = "gateways:read"
    changes = "gateways:write"
    section = "gateways"
    template = "tenancy/gateway_new.html"
    api: Api | None = None
    fault = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().get(request, *args, **kwargs)
        response.status_code = 404 if self.fault else 200
        return response

    def find(self, **kwargs: Any) -> None:
        self.apis = list(Api.objects.select_related("tenant").order_by("name")[: CHOOSABLE + 1])
        asked = self.request.GET.get("api", "")
        if asked:
            try:
                self.api = api_of(asked)
            except Refusal:
                self.fault = "There is no such API."
        elif len(self.apis) == 1:
            self.api = self.apis[0]
        self.offers = offered(self.api) if self.api else []

    def aim(self) -> tuple[Target, str | None]:
        return Target("gateway", "new", self.typed("name")), None

    def form(self, data: Any = None) -> Form:
        return GatewayForm(data, tenants=self.offers, initial=self.initial())

    def initial(self) -> Mapping[str, Any]:
        only = [self.offers[0].id] if len(self.offers) == 1 else []
        return {"tenants": only}

    def context(self) -> dict[str, Any]:
        return {
            **super().context(), "api": self.api, "apis": self.apis, "fault": self.fault,
            "few": len(self.apis) <= CHOOSABLE, "offers": bool(self.offers),
            "once": token(self.request),
        }  # fmt: skip

    def act(self, form: Form) -> HttpResponse:
        assert isinstance(form, GatewayForm)
        if self.api is None:
            return self.show({"form": form}, status=400)
        try:
            tenant_ids = self.seen(lambda: self.judge(form))
            with once_only(self.request):
                issued = create_gateway(
                    actor=self.actor, api_id=self.api.id, tenant_ids=tenant_ids, **form.members()
                )
        except AlreadySent as sent:
            made = sent.made
            return self.created(self.seen(lambda: gateway_of(made)))
        return self.issued(issued)

    def judge(self, form: GatewayForm) -> list[str]:
        """The tenants' ids; raises everything that is wrong at once. Inside the scope."""
        assert self.api is not None
        tenant_ids, faults = form.tenant_ids(), form.faults()
        faults.errors += fault_of_tenants(self.api, tenant_ids).errors
        try:
            checked_columns(**form.members())
        except Refusal as refusal:
            faults.errors += [dict(error) for error in refusal.errors]
        faults.settle()
        return tenant_ids

    def issued(self, issued: IssuedGateway) -> HttpResponse:
        """The page that shows the credential, this once."""
        return self.created(issued.gateway, issued.secret.reveal())

    def created(self, gateway: Gateway, secret: str = "") -> HttpResponse:
        """What was made; without a secret, for a form that was sent before."""
        told = self.seen(lambda: facts(gateway, secret or PLACEHOLDER))
        return self.show({**told, "secret": secret}, template="tenancy/gateway_created.html")

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        return self.show({"form": form}, status=STATUS.get(refusal.code, 400))


class OfGateway(WritingPage):
    """A page that changes one gateway."""

    needs = "gateways:read"
    changes = "gateways:write"
    section = "gateways"

    def find(self, **kwargs: Any) -> None:
        self.gateway = gateway_of(kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("gateway", self.gateway.id, self.gateway.name), None

    def context(self) -> dict[str, Any]:
        return {**super().context(), "gateway": self.gateway, "api": self.gateway.api}


class Disable(OfGateway):
    """`/admin/gateways/<id>/disable/`."""

    template = "tenancy/gateway_disable.html"
    form_class = Why

    def context(self) -> dict[str, Any]:
        bound = Tenant.objects.filter(gatewaytenant__gateway=self.gateway)
        others = Gateway.objects.filter(api=self.gateway.api, disabled_at=None)
        return {
            **super().context(),
            "tenants": list(bound.order_by("name", "slug")[:SHOWN]),
            "tenant_count": bound.count(),
            "others": others.exclude(id=self.gateway.id).count(),
        }

    def act(self, form: Form) -> HttpResponse:
        was = self.gateway.disabled_at
        propagation = disable_gateway(
            actor=self.actor, gateway_id=self.gateway.id, reason=form.cleaned_data["reason"]
        )
        words = f"{self.gateway.name} is disabled, for ever. Its very next request is refused."
        if was is not None:
            words = f"{self.gateway.name} was disabled already. Nothing was changed."
        tell(self.request, words, propagation)
        return self.to("gateway", self.gateway.id)
