"""`/sso/link/`: who was invited ties their account to the one that they have at a provider."""

from typing import Any

from django import forms
from django.http import HttpResponse

from portal.core.refusals import Refusal
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.security import OwnForm
from portal.tenancy.pages.sso import go
from portal.tenancy.signing_in.changing import factor_of
from portal.tenancy.sso.linking import Open, open_links, prove_before_linking
from portal.tenancy.sso.provider import Provider, platform_provider, provider_of


class LinkForm(Form):
    """Which of them, and that it is oneself."""

    invitation = forms.CharField(required=False, widget=forms.HiddenInput())
    code = forms.CharField(
        label="Six-digit code", required=False, strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
        help_text="Of your authenticator app, or one of your recovery codes.",
    )  # fmt: skip


class Link(OwnForm):
    """GET says what is offered, POST goes to the provider."""

    template = "tenancy/sso_link.html"
    form_class = LinkForm

    def offers(self) -> list[tuple[Open, Provider]]:
        """What may be accepted, of providers that are in force."""
        found = [
            (each, provider_of(each.tenant_slug) if each.tenant_id else platform_provider())
            for each in open_links(self.person.id)
        ]
        return [(each, provider) for each, provider in found if provider is not None]

    def context(self) -> dict[str, Any]:
        return {**super().context(), "offered": self.offers()}

    def act(self, form: Form) -> HttpResponse:
        typed = form.cleaned_data
        found = [pair for pair in self.offers() if pair[0].id == typed["invitation"]]
        if not found:
            raise Refusal("NOT_FOUND")
        if not typed["code"].strip():
            wrong = {"detail": "A code is needed.", "pointer": "/code"}
            raise Refusal("REQUEST_INVALID", errors=[wrong])
        invitation, provider = found[0]
        prove_before_linking(
            actor=self.actor, person=self.person, factor=factor_of(typed["code"]),
            code=typed["code"], device=self.device,
        )  # fmt: skip
        return go(self.request, provider, link=invitation.id)
