"""Directory tokens of a tenant's provider: one is made, shown once, and revoked."""

import datetime as dt
from typing import Any

from django import forms
from django.http import HttpResponse

from audit.ledger.target import Target
from portal.core import configuration
from portal.core.clock import UTC
from portal.core.refusals import Refusal
from portal.tenancy.models import DeprovisioningToken
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.once import AlreadySent, once_only, token
from portal.tenancy.pages.provider_acts import Act
from portal.tenancy.pages.turning import Why
from portal.tenancy.pages.writing import tell
from portal.tenancy.permission import found
from portal.tenancy.sso.deprovisioning import (
    create_deprovisioning_token,
    revoke_deprovisioning_token,
)


class TokenForm(Form):
    """For which program, until when."""

    name = forms.CharField(label="Name", required=False, help_text="Of the directory or its job.")
    expires_at = forms.CharField(
        label="Ends on, 00:00 UTC", required=False, help_text="Left empty, it does not end.",
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip


class NewToken(Act):
    """`…/sso/tokens/new/`."""

    form_class = TokenForm
    heading = "Create a token for the directory behind {}"
    price = "It lists the tenant’s members and ends memberships. It can give nobody anything."
    words = ("It is shown once, on the next page.",)
    button, keep = "Create token", "Don't create it"

    def context(self) -> dict[str, Any]:
        return {**super().context(), "once": token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        try:
            with once_only(self.request):
                issued = create_deprovisioning_token(
                    **self.whose, provider_id=self.provider_id, name=typed["name"],
                    expires_at=_day(typed["expires_at"]),
                )  # fmt: skip
        except AlreadySent as sent:
            return self.created(sent.made)
        return self.created(issued.token.id, issued.secret.reveal())

    def created(self, made: str, secret: str = "") -> HttpResponse:
        """What was made, this once with its text."""
        rows = DeprovisioningToken.objects.filter(tenant=self.tenant)
        row = self.seen(lambda: found(rows, made))
        told = {
            "token": row, "secret": secret, "base_url": configuration.BASE_URL().rstrip("/"),
        }  # fmt: skip
        return self.show(told, template="tenancy/sso_token_created.html")


def _day(text: str) -> dt.datetime | None:
    if not text:
        return None
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), UTC)
    except ValueError:
        wrong = {"detail": "A day is needed, such as 2027-05-01.", "pointer": "/expires_at"}
        raise Refusal("REQUEST_INVALID", errors=[wrong]) from None


class RevokeToken(Act):
    """`…/sso/tokens/<id>/revoke/`."""

    form_class = Why
    heading = "Revoke {}?"
    price = "Its next request is refused, for ever."
    words = ("What it ended stays ended.",)
    button, keep, danger = "Revoke token", "Keep token", True

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        self.token = found(DeprovisioningToken.objects.filter(tenant=self.tenant), kwargs["id"])

    def aim(self) -> tuple[Target, str | None]:
        return Target("deprovisioning_token", self.token.id, self.token.name), self.tenant.id

    def named(self) -> str:
        return self.token.name

    def act(self, form: Form) -> HttpResponse:
        revoke_deprovisioning_token(
            **self.whose, token_id=self.token.id, reason=form.cleaned_data["reason"]
        )
        tell(self.request, f"{self.token.name} is revoked.")
        return self.to("sso")
