"""Change a gateway: what was typed is shown as a difference first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.http import HttpResponse

from audit.ledger.reading import entries
from portal.core.refusals import Refusal
from portal.tenancy.gateways import change_gateway, checked_columns, fault_of_tenants
from portal.tenancy.models import Gateway, Tenant
from portal.tenancy.pages.difference import Line, Part
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.gateway import OfGateway
from portal.tenancy.pages.gateway_form import KNOWN, GatewayForm, offered
from portal.tenancy.pages.list_page import CHOOSABLE
from portal.tenancy.pages.writing import ReviewedPage, steps_of, tell

LABELS: Final = {
    "name": ("Name", ""), "tenants": ("Tenants", "none"), "environments": ("Environments", ""),
    "allowed_cidrs": ("Its own addresses", "any"), "declared_headers": ("Headers", "none"),
}  # fmt: skip
"""What a member is called, and what an empty one says."""
OPEN_WHEN_EMPTY: Final = "allowed_cidrs"
MANY: Final = 20


class EditGateway(ReviewedPage, OfGateway):
    """`/admin/gateways/<id>/edit/`."""

    template = "tenancy/gateway_edit.html"
    confirm = "tenancy/gateway_edit_confirm.html"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        self.offers = offered(self.gateway.api)
        bound = Tenant.objects.filter(gatewaytenant__gateway=self.gateway)
        self.bound = list(bound.only("id", "slug"))

    def form(self, data: Any = None) -> Form:
        return GatewayForm(data, tenants=self.offers, initial=self.initial())

    def initial(self) -> Mapping[str, Any]:
        gateway, many = self.gateway, len(self.offers) > CHOOSABLE
        declared = canonical(gateway.declared_headers)
        return {
            "name": gateway.name,
            "environments": gateway.environments,
            "allowed_cidrs": gateway.allowed_cidrs,
            "headers": [name for name in declared if name in KNOWN],
            "more_headers": [name for name in declared if name not in KNOWN],
            "tenants": [t.slug if many else t.id for t in self.bound],
        }

    def context(self) -> dict[str, Any]:
        return {
            **super().context(), "offers": bool(self.offers),
            "version": self.typed("version") or str(self.gateway.version),
        }  # fmt: skip

    def version(self) -> int:
        """The version that the form was opened with; 0 if what was sent is none."""
        text = self.typed("version")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

    def judge(self, form: Form) -> dict[str, Any]:
        assert isinstance(form, GatewayForm)
        tenant_ids = form.tenant_ids()
        faults = fault_of_tenants(self.gateway.api, tenant_ids)
        try:
            columns = checked_columns(**form.members())
        except Refusal as refusal:
            faults.errors += [dict(error) for error in refusal.errors]
        faults.settle()
        if self.version() != self.gateway.version:
            raise Refusal("PRECONDITION_FAILED")
        if self.gateway.disabled_at is not None:
            raise Refusal("CONFLICT", "A disabled gateway stays as it is.")
        self.tenant_ids = tenant_ids
        names = Tenant.objects.filter(id__in=tenant_ids).values_list("slug", flat=True)
        after = {**columns, "tenants": sorted(names)}
        lines = difference(stands(self.gateway, self.bound), after)
        return {
            "lines": lines, "narrows": any(line.narrows for line in lines),
            "widens": any(line.widens for line in lines),
            "unbound": bool(self.bound) and not tenant_ids,
        }  # fmt: skip

    def save(self, form: Form) -> HttpResponse:
        assert isinstance(form, GatewayForm)
        propagation = change_gateway(
            actor=self.actor, gateway_id=self.gateway.id, expected_version=self.version(),
            tenant_ids=self.tenant_ids, **form.members(),
        )  # fmt: skip
        words = f"{form.cleaned_data['name']} was changed. Its next request is judged by it."
        tell(self.request, words, propagation)
        return self.to("gateway", self.gateway.id)

    def meanwhile(self) -> dict[str, Any]:
        rows = entries(tenant=None, target=self.gateway.id)
        later = rows.filter(object_version__gt=self.version())[:MANY] if self.version() else []
        self.gateway.refresh_from_db()
        return {"meanwhile": steps_of(later), "version": str(self.gateway.version)}


def canonical(headers: Sequence[str]) -> list[str]:
    """Headers as the form calls them: their case does not matter to a check."""
    known = {name.lower(): name for name in KNOWN}
    return [known.get(name.lower(), name) for name in headers]


def stands(gateway: Gateway, bound: Sequence[Tenant]) -> dict[str, Any]:
    """The gateway as the verb's columns."""
    return {
        "name": gateway.name,
        "tenants": sorted(tenant.slug for tenant in bound),
        "environments": gateway.environments,
        "allowed_cidrs": gateway.allowed_cidrs,
        "declared_headers": canonical(gateway.declared_headers),
    }


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Line]:
    """The members that differ; the order of a list does not matter."""
    return [
        _line(member, before[member], after[member])
        for member in LABELS
        if set(_list(before[member])) != set(_list(after[member]))
    ]


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _line(member: str, old: Any, new: Any) -> Line:
    label, empty = LABELS[member]
    now, then = _list(old) or [empty], _list(new) or [empty]
    parts = [Part("" if words in then else "del", words) for words in now]
    parts += [Part("ins", words) for words in then if words not in now]
    fewer, more = bool(set(old) - set(new)), bool(set(new) - set(old))
    if member == "name":
        fewer = more = False
    elif member == OPEN_WHEN_EMPTY and not (old and new):
        fewer, more = not old, not new
    return Line(label, now, parts, fewer, more)
