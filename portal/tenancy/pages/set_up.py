"""`/setup/<token>`: one page on which someone sets up their sign-in. GET shows, POST does it.

The seed and the recovery codes are made when the page is shown and travel in its form, sealed and
bound to the link: no session and no table holds them before the first code was right.
"""

import datetime as dt
from typing import Any, Protocol

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views import View

from portal.core import configuration
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.models import Person
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.sign_in import home_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.browser import remember, visitor_of
from portal.tenancy.signing_in.device import know_again
from portal.tenancy.signing_in.factors import Enrolment
from portal.tenancy.signing_in.inviting import open_invitation
from portal.tenancy.signing_in.setting_up import (
    Chosen,
    accept_invitation,
    set_up_first_administrator,
)

NEW_FACTOR = (
    "This page was too old or was changed on its way. The key above and the codes below are new:"
    " scan and store these."
)


class SetUpForm(Form):
    """Everything that the page asks."""

    email = forms.CharField(
        label="E-mail", required=False, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    name = forms.CharField(
        label="Name", required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        label="Password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters. Checked against known leaks. No other rules.",
    )  # fmt: skip
    code = forms.CharField(
        label="Six-digit code", required=False, strip=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )  # fmt: skip
    stored = forms.BooleanField(label="I have stored the codes", required=False)

    def of(self, person: Person) -> "SetUpForm":
        """For someone who was invited: who they are is not theirs to say here."""
        for name in ("email", "name"):
            self.fields[name].disabled = True
            self.initial[name] = getattr(person, name)
        return self


class Opened(Protocol):
    """What the page asks of whatever a link opens."""

    @property
    def id(self) -> str: ...
    @property
    def person(self) -> Person | None: ...
    @property
    def expires_at(self) -> dt.datetime: ...


class SetUp(View):
    """The page."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show it with a new seed and new codes; nothing is kept of them."""
        invitation = self.invitation(token)
        if invitation is None:
            return self.dead(request)
        return self.show(invitation, self.form(invitation), Enrolment.new())

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Do it and sign in; or show what is wrong, with the same seed and codes."""
        invitation = self.invitation(token)
        if invitation is None:
            return self.dead(request)
        form = self.form(invitation, request.POST)
        enrolment = Enrolment.opened(request.POST.get("sealed", ""), invitation.id)
        if enrolment is None:
            form.add_error("code", NEW_FACTOR)
            return self.show(invitation, form, Enrolment.new(), 400)
        if not form.is_valid():
            return self.show(invitation, form, enrolment, 400)
        try:
            person = self.act(invitation, token, form, enrolment)
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                return self.dead(request)
            return self.refused(invitation, form, enrolment, refusal)
        return self.go_on(request, person)

    def invitation(self, token: str) -> Opened | None:
        """What the link opens, if it still does."""
        with platform_scope("who holds the link is not known yet"):
            return open_invitation(token)

    def form(self, invitation: Opened, data: Any = None) -> SetUpForm:
        """The form for whoever holds the link."""
        form = SetUpForm(data)
        return form.of(invitation.person) if invitation.person is not None else form

    def act(self, invitation: Opened, token: str, form: SetUpForm, enrolment: Enrolment) -> Person:
        """Call the verb that the link is for."""
        told, visitor = form.cleaned_data, visitor_of(self.request)
        chosen = Chosen(told["password"], told["code"], told["stored"], enrolment)
        if invitation.person is not None:
            return self.accept(visitor=visitor, token=token, chosen=chosen)
        return set_up_first_administrator(
            visitor=visitor, token=token, email=told["email"], name=told["name"], chosen=chosen
        )

    def accept(self, *, visitor: Actor, token: str, chosen: Chosen) -> Person:
        """As who was invited."""
        return accept_invitation(visitor=visitor, token=token, chosen=chosen)

    def refused(
        self, invitation: Opened, form: SetUpForm, enrolment: Enrolment, refusal: Refusal
    ) -> HttpResponse:
        """The page again: what was typed stays, but for the password."""
        if refusal.code == "CONFLICT":
            form.add_error("email", refusal.detail)
            return self.show(invitation, form, enrolment, 409)
        form.blame(refusal)
        return self.show(invitation, form, enrolment, 400)

    def show(
        self, invitation: Opened, form: SetUpForm, enrolment: Enrolment, status: int = 200
    ) -> HttpResponse:
        """The page."""
        person = invitation.person
        host = configuration.BASE_URL().partition("://")[2].rstrip("/")
        told = {
            "form": form, "invitation": invitation, "person": person, "key": enrolment.key,
            "codes": enrolment.codes, "qr": enrolment.qr(person.email if person else host),
            "sealed": enrolment.sealed(invitation.id),
        }  # fmt: skip
        return TemplateResponse(self.request, "tenancy/set_up.html", told, status=status)

    def dead(self, request: HttpRequest) -> HttpResponse:
        """One answer for a link that is used, ended, unknown or mistyped."""
        return TemplateResponse(request, "tenancy/set_up_dead.html", {}, status=404)

    def go_on(self, request: HttpRequest, person: Person) -> HttpResponse:
        """Sign the browser in, whoever it belonged to before."""
        request.session.flush()
        remember(request, person, ("pwd", "otp"))
        response = HttpResponseRedirect(home_of(person))
        know_again(request, response, person)
        return response
