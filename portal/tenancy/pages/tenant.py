"""One tenant: what it has, who is in it; suspending and resuming it."""

from typing import Any

from django.http import HttpResponse

from audit.ledger.target import Target
from portal.tenancy.apis import usable_apis
from portal.tenancy.models import Gateway, IdentityProvider, ManagementToken, Membership, Tenant
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.list_page import CHOOSABLE
from portal.tenancy.pages.management_tokens import tenant_of
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.turning import TurnPage
from portal.tenancy.pages.writing import history, tell
from portal.tenancy.tenants import resume_tenant, suspend_tenant


class TenantPage(Page):
    """`/admin/tenants/<slug>/`."""

    needs = "tenants:read"
    section = "tenants"
    template = "tenancy/tenant.html"

    def context(self) -> dict[str, Any]:
        tenant = tenant_of(self.kwargs["slug"])
        members = Membership.objects.filter(tenant=tenant).select_related("person")
        gateways = Gateway.objects.filter(bindings__tenant=tenant, disabled_at=None)
        return {
            "tenant": tenant,
            "members": list(members.order_by("-is_active", "person__name", "id")[:CHOOSABLE]),
            "member_count": members.count(),
            "apis": list(usable_apis(tenant.id).order_by("name", "id")[:CHOOSABLE]),
            "gateways": list(gateways.order_by("name", "id")[:CHOOSABLE]),
            "tokens": ManagementToken.objects.filter(tenant=tenant, revoked_at=None).count(),
            "sso": IdentityProvider.objects.filter(tenant=tenant).first(),
            "history": history(tenant.id),
            "may_write": self.may("tenants:write"),
        }


class OfTenant(TurnPage):
    """A page that turns a tenant."""

    section = "tenants"

    def find(self, **kwargs: Any) -> None:
        self.tenant = tenant_of(kwargs["slug"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("tenant", self.tenant.id, self.tenant.slug), None

    def named(self) -> str:
        return self.tenant.name

    def back(self) -> str:
        return self.url("tenant", self.tenant.slug)


class SuspendTenant(OfTenant):
    """`/admin/tenants/<slug>/suspend/`."""

    heading = "Suspend {}?"
    price = "Every request with one of its keys will fail with TENANT_SUSPENDED."
    words = (
        "Refused at once, on every gateway, from the very next check on.",
        "Its management tokens are refused too. Nothing of it is lost.",
        "It can be resumed at any time.",
    )
    button = "Suspend tenant"
    keep = "Keep tenant"
    already = "{} is suspended already."

    def turned(self) -> bool:
        return self.tenant.status == Tenant.Status.SUSPENDED

    def act(self, form: Form) -> HttpResponse:
        done = suspend_tenant(
            actor=self.actor, tenant_id=self.tenant.id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, self.done("{} is suspended."), done)
        return self.to("tenant", self.tenant.slug)


class ResumeTenant(OfTenant):
    """`/admin/tenants/<slug>/resume/`."""

    heading = "Resume {}?"
    price = "Its keys and tokens work again, as they did before."
    words = ("What was revoked, suspended or expired meanwhile stays so.",)
    button = "Resume tenant"
    keep = "Leave it suspended"
    danger = False
    already = "{} is active already."

    def turned(self) -> bool:
        return self.tenant.status == Tenant.Status.ACTIVE

    def act(self, form: Form) -> HttpResponse:
        done = resume_tenant(
            actor=self.actor, tenant_id=self.tenant.id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, self.done("{} is active again."), done)
        return self.to("tenant", self.tenant.slug)
