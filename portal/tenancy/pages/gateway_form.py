"""The form of a gateway, for making one and for changing one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms

from portal.core.refusals import Faults, Refusal
from portal.tenancy.apis import usable_by
from portal.tenancy.models import Api, Tenant
from portal.tenancy.pages.boxes import Ticked
from portal.tenancy.pages.forms import Form, LinesField
from portal.tenancy.pages.list_page import CHOOSABLE

KNOWN: Final = {
    "X-Countersign-Subject": "whom a request is about; consent is looked up for them",
    "X-Countersign-Purpose": "what for, in place of the route's default purpose",
}
"""Headers that a gateway may declare and that a check reads then."""


class GatewayForm(Form):
    """Everything of a gateway that can be changed. `tenants` are those that may use its Api."""

    name = forms.CharField(
        label="Name", required=False, help_text="Where it runs, such as edge-eu."
    )
    environments = Ticked(
        label="Environments", choices=[("live", "live"), ("test", "test")],
        help_text="Keys of another environment are unknown to it.",
    )  # fmt: skip
    allowed_cidrs = LinesField(
        label="Its own addresses",
        help_text="One network a line, such as 10.0.4.0/24. None: it may call from anywhere.",
    )
    headers = Ticked(
        label="Headers that it sets itself",
        choices=[(name, f"{name}: {words}") for name, words in KNOWN.items()],
        help_text=(
            "Tick one only if the gateway writes it on every request. One that is not declared"
            " may come from the client, and is not read."
        ),
    )
    more_headers = LinesField(
        label="Others", help_text="One name a line. No check reads any other yet.",
    )  # fmt: skip

    def __init__(self, *args: Any, tenants: Sequence[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = {tenant.id: tenant for tenant in tenants}
        self.many = len(tenants) > CHOOSABLE
        field: forms.Field
        if self.many:
            field = LinesField(label="Tenants", help_text="One slug a line, as in addresses: acme.")
        else:
            choices = [(t.id, f"{t.name} ({t.slug})") for t in tenants]
            words = "It may ask about these tenants' keys, and no other."
            field = Ticked(label="Tenants", choices=choices, help_text=words)
        self.fields["tenants"] = field

    def tenant_ids(self) -> list[str]:
        """The tenants that were chosen; a slug that is nobody's stands for itself. In a scope."""
        typed = list(dict.fromkeys(self.cleaned_data["tenants"]))
        if not self.many:
            return typed
        ids = dict(Tenant.objects.filter(slug__in=typed).values_list("slug", "id"))
        return [ids.get(slug, slug) for slug in typed]

    def declared(self) -> list[str]:
        """The headers that were ticked and typed."""
        typed = self.cleaned_data
        return [*typed["headers"], *typed["more_headers"]]

    def members(self) -> dict[str, Any]:
        """What was typed, as the verbs take it, without the tenants."""
        typed = self.cleaned_data
        return {
            "name": typed["name"], "environments": typed["environments"],
            "allowed_cidrs": typed["allowed_cidrs"], "declared_headers": self.declared(),
        }  # fmt: skip

    def faults(self) -> Faults:
        """What only a form can get wrong."""
        faults = Faults()
        if not self.cleaned_data["tenants"]:
            faults.add("/tenants", "Choose whose keys it may ask about: one tenant at least.")
        return faults

    def blame(self, refusal: Refusal) -> None:
        """As every form; a header's place counts those that were ticked first."""
        ticked = len(self.cleaned_data.get("headers", ()))
        errors = [self._placed(error, ticked) for error in refusal.errors]
        super().blame(Refusal(refusal.code, refusal.detail, errors))

    def _placed(self, error: Mapping[str, str], ticked: int) -> Mapping[str, str]:
        name, _, place = error["pointer"].lstrip("/").partition("/")
        if name == "tenants" and not self.many:
            return {**error, "pointer": "/tenants"}
        if name != "declared_headers":
            return error
        if place.isdecimal() and int(place) < ticked:
            return {**error, "pointer": "/headers"}
        line = f"/{int(place) - ticked}" if place.isdecimal() else ""
        return {**error, "pointer": f"/more_headers{line}"}


def offered(api: Api) -> list[Tenant]:
    """Tenants to choose from, one more than a form shows. Inside the scope."""
    return list(usable_by(api).order_by("name", "slug")[: CHOOSABLE + 1])
