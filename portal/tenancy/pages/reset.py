"""Forgotten passwords: asking for a link, and choosing another password with it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from portal.core.mail import configured
from portal.core.refusals import Faults, Refusal
from portal.tenancy.models import PasswordReset, Person
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.security import CODE
from portal.tenancy.pages.sign_in import Step
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.browser import visitor_of
from portal.tenancy.signing_in.changing import has_factor
from portal.tenancy.signing_in.device import device_in
from portal.tenancy.signing_in.resetting import ask_for_reset, open_reset, reset_password


class ForgotForm(Form):
    """Whose password."""

    email = forms.CharField(
        label="E-mail", required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )  # fmt: skip


class ResetForm(Form):
    """Another password, and a code of the second factor."""

    password = forms.CharField(
        label="New password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters. Checked against known leaks. No other rules.",
    )  # fmt: skip
    code = CODE

    def of(self, person: Person) -> "ResetForm":
        """For this person: without the code where there is nothing that would show one."""
        if not has_factor(person):
            del self.fields["code"]
        return self


class Forgot(Step):
    """`/admin/login/forgot/`: one answer, whoever is asked for."""

    template = "tenancy/sign_in_forgot.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return self.show({"form": ForgotForm()})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send a link, if it is to somebody."""
        form = ForgotForm(request.POST)
        try:
            if not form.is_valid():
                raise Refusal("REQUEST_INVALID", "Nothing was sent.")
            email, faults = form.cleaned_data["email"].strip(), Faults()
            faults.add("/email", None if email else "Your mail address is needed.")
            faults.settle()
            ask_for_reset(visitor=visitor_of(request), email=email)
        except Refusal as refusal:
            return self.refused(form, refusal)
        return self.show({"asked": True, "mail": configured()})


class Reset(Step):
    """`/reset/<token>`. GET shows, POST does it; nobody is signed in by it."""

    template = "tenancy/sign_in_reset.html"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """The form; one answer for a link that is used, ended, unknown or mistyped."""
        reset = self.reset(token)
        return self.dead() if reset is None else self.page(reset, ResetForm().of(reset.person))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Put the other password in place."""
        reset = self.reset(token)
        if reset is None:
            return self.dead()
        form = ResetForm(request.POST).of(reset.person)
        if not form.is_valid():
            return self.page(reset, form, Refusal("REQUEST_INVALID"))
        told = form.cleaned_data
        try:
            reset_password(
                visitor=visitor_of(request), token=token, password=told["password"],
                code=told.get("code", ""), device=device_in(request),
            )  # fmt: skip
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                return self.dead()
            form.blame(refusal)
            return self.page(reset, form, refusal)
        messages.success(request, "Your password was changed, and all your sessions have ended.")
        return HttpResponseRedirect(reverse("admin:login"))

    def reset(self, token: str) -> PasswordReset | None:
        """What the link opens, if it still does."""
        with platform_scope("who holds the link is not known yet"):
            return open_reset(token)

    def page(self, reset: PasswordReset, form: Form, refusal: Any = None) -> HttpResponse:
        """The form, with what was wrong."""
        return self.show({"form": form, "reset": reset}, refusal)

    def dead(self) -> HttpResponse:
        """There is nothing to be done with it."""
        return TemplateResponse(self.request, "tenancy/sign_in_reset_dead.html", {}, status=404)
