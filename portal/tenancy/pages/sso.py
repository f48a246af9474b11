"""Signing in through a provider: finding it, going there, and coming back.

A form that was sent answers with a page that goes on by itself: the browser would not follow a
redirect to another server, under `form-action 'self'`.
"""

from dataclasses import replace
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from portal.core.error_pages import error_response
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.attempts import network_of
from portal.tenancy.models import Person
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.sign_in import NEXT, Step, home_of, own_path
from portal.tenancy.signing_in.browser import actor_of, signed_in, visitor_of
from portal.tenancy.signing_in.noting import note_failed
from portal.tenancy.signing_in.throttling import Bucket, Rate, Wait, take
from portal.tenancy.sso import flow as ways
from portal.tenancy.sso.arriving import arrive, sign_in_through
from portal.tenancy.sso.binding import become
from portal.tenancy.sso.discovery import metadata_of
from portal.tenancy.sso.distrust import Distrust
from portal.tenancy.sso.exchange import claims_for
from portal.tenancy.sso.linking import link_identity
from portal.tenancy.sso.provider import (
    Claims,
    Provider,
    any_provider,
    platform_provider,
    provider_by,
    provider_for,
    provider_of,
)
from portal.tenancy.sso.second_factor import await_own_factor, has_factor

BY_NETWORK: Final = Rate(2, 30)
"""Ways that begin: each may make us ask a server that someone else chose."""
NOBODY: Final = "No organisation signs in here with that address. Is it the one of your work?"
STALE: Final = (
    "This answer does not belong to a sign-in that was begun in this browser, or that took too"
    " long, or it was used already."
)
DENIED: Final = "The provider said that you did not agree, or may not come in."
PROVED: Final = ("sso", "mfa")
"""What a session says of someone whose provider asked for the second factor (`amr`, RFC 8176)."""


def go(request: HttpRequest, provider: Provider, *, next: str = "", link: str = "") -> HttpResponse:
    """The page that goes on to the provider; or one that says why that can't be. Raises Wait."""
    take([Bucket(BY_NETWORK, f"sso:{network_of(visitor_of(request).address)}")])
    try:
        address = ways.begin(request, provider, next=next, link=link)
    except Distrust as fault:
        return failed(request, f"The provider can't be used: {fault}.", 502)
    told = {"address": address, "host": urlsplit(address).hostname, "provider": provider}
    response = TemplateResponse(request, "tenancy/sso_going.html", told)
    response["Refresh"] = f"0; url={address}"
    return response


def failed(request: HttpRequest, words: str, status: int) -> HttpResponse:
    """Nobody was signed in, and why."""
    return TemplateResponse(request, "tenancy/sso_failed.html", {"words": words}, status=status)


def arrived(visitor: Actor, person: Person, *proof: str) -> Actor:
    """Who signs in, as the ledger names them."""
    return replace(visitor, id=person.id, label=person.name, auth=("sso", *proof))


class EmailForm(Form):
    """Whose organisation."""

    email = forms.CharField(
        label="E-mail", required=False, widget=forms.EmailInput(attrs={"autocomplete": "username"}),
        help_text="The address of your work. It only finds your organisation.",
    )  # fmt: skip


class Find(Step):
    """`/sso/`: which provider speaks for an address. 404 as long as there is none at all."""

    template = "tenancy/sso_find.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Off unless there is someone to ask."""
        if not any_provider():
            return error_response(request, "NOT_FOUND")
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return self.show({"form": EmailForm(), "next": own_path(request.GET.get(NEXT, ""))})

    def post(self, request: HttpRequest) -> HttpResponse:
        """On to the provider."""
        form, going_to = EmailForm(request.POST), own_path(request.POST.get(NEXT, ""))
        form.is_valid()
        try:
            provider = provider_for(form.cleaned_data.get("email", "")[:254])
            if provider is None:
                wrong = {"detail": NOBODY, "pointer": "/email"}
                raise Refusal("REQUEST_INVALID", errors=[wrong])
            return go(request, provider, next=going_to)
        except Refusal as refusal:
            return self.refused(form, refusal, next=going_to)


class At(Step):
    """A provider's own page: one button. A GET of it begins nothing."""

    template = "tenancy/sso_at.html"
    provider: Provider

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """404 alike for who has no provider and who is not there."""
        provider = self.find(**kwargs)
        if provider is None:
            return error_response(request, "NOT_FOUND")
        self.provider = provider
        return super().dispatch(request, *args, **kwargs)

    def find(self, **kwargs: Any) -> Provider | None:
        """Whose page it is."""
        raise NotImplementedError

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """The button."""
        going_to = own_path(request.GET.get(NEXT, ""))
        return self.show({"provider": self.provider, "next": going_to})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """On to the provider."""
        going_to = own_path(request.POST.get(NEXT, ""))
        try:
            return go(request, self.provider, next=going_to)
        except Wait as refusal:
            form = Form(request.POST)
            form.is_valid()
            return self.refused(form, refusal, provider=self.provider, next=going_to)


class AtTenant(At):
    """`/sso/at/<slug>/`: to be bookmarked, and what the tenant's own pages lead to."""

    def find(self, **kwargs: Any) -> Provider | None:
        return provider_of(kwargs["slug"])


class AtPlatform(At):
    """`/sso/platform/`."""

    def find(self, **kwargs: Any) -> Provider | None:
        return platform_provider()


class Back(View):
    """`/sso/back/<provider>`: where a provider sends people. The one GET that signs someone in, as
    OpenID Connect has it; it does nothing without the state that this browser took along."""

    http_method_names = ["get"]
    once: ClassVar[tuple[str, ...]] = ("state", "code", "iss", "error")

    def get(self, request: HttpRequest, provider: str) -> HttpResponse:
        """Believe what is to be believed, and sign in."""
        flow = ways.take(request, provider, request.GET.get("state", ""))
        sender = provider_by(provider) if flow is not None else None
        if flow is None or sender is None:
            return failed(request, STALE, 400)
        try:
            claims = claims_for(sender, flow, self.code(sender))
            if flow.link:
                return self.link(sender, flow, claims)
            return self.sign_in(sender, flow, claims)
        except Distrust as fault:
            note_failed(visitor_of(request), None, f"identity provider: {fault}")
            return failed(request, f"The provider's answer is not believed: {fault}.", 403)
        except Refusal as refusal:
            note_failed(visitor_of(request), None, "identity provider: no account here")
            return failed(
                request, refusal.detail or STALE, 409 if refusal.code == "CONFLICT" else 403
            )

    def code(self, sender: Provider) -> str:
        """The code that came back, from whom it had to come; raises Distrust."""
        told = self.request.GET
        if any(len(told.getlist(name)) > 1 for name in self.once):
            raise Distrust("it answered twice")
        named = told.get("iss")
        expected = metadata_of(sender).names_itself
        if (named is not None or expected) and named != sender.issuer:
            raise Distrust("another one answered (iss)")
        if "error" in told:
            denied = told["error"] in ("access_denied", "login_required", "interaction_required")
            raise Refusal("FORBIDDEN", DENIED) if denied else Distrust("it answered with an error")
        return told.get("code", "")

    def sign_in(self, sender: Provider, flow: ways.Flow, claims: Claims) -> HttpResponse:
        """The browser is the person's, once their second factor was asked for by someone."""
        request, visitor = self.request, visitor_of(self.request)
        person = arrive(visitor=visitor, provider=sender, claims=claims)
        if sender.counts_as_mfa(claims):
            sign_in_through(visitor=arrived(visitor, person, "mfa"), person=person, provider=sender)
            become(request, person, sender, PROVED)
            return HttpResponseRedirect(flow.next or home_through(sender, person))
        await_own_factor(request, person, sender, flow.next)
        return HttpResponseRedirect(reverse("sso-code" if has_factor(person) else "sso-factor"))

    def link(self, sender: Provider, flow: ways.Flow, claims: Claims) -> HttpResponse:
        """The person of this browser is who came back."""
        person = signed_in(self.request)
        if person is None or person.bound_to:
            return failed(self.request, STALE, 400)
        link_identity(
            actor=actor_of(self.request), person=person, provider=sender,
            invitation_id=flow.link, subject=claims["sub"],
        )  # fmt: skip
        messages.success(self.request, f"You can sign in through {sender.name} from now on.")
        return HttpResponseRedirect(reverse("sso-link"))


def home_through(provider: Provider, person: Person) -> str:
    """Where a person begins whom this provider sent."""
    if provider.tenant_id is not None:
        return reverse("tenant:index", args=[provider.slug])
    return home_of(person)
