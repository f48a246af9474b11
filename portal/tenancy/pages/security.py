"""`/admin/security/`: one's own password, second factor and sessions. For everyone who signs in."""

from typing import Any, ClassVar, Final, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views import View

from portal.core.error_pages import refusal_page
from portal.core.refusals import Refusal
from portal.tenancy.models import Person, Session, Totp
from portal.tenancy.pages.forms import Form, FormPage
from portal.tenancy.pages.once import FIELD, AlreadySent, once_only, token
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.pasted import without_credentials
from portal.tenancy.sessions import digest_of
from portal.tenancy.signing_in.browser import actor_of, remember, signed_in
from portal.tenancy.signing_in.changing import (
    change_app,
    change_password,
    end_other_sessions,
    renew_recovery_codes,
)
from portal.tenancy.signing_in.device import device_in
from portal.tenancy.signing_in.factors import Enrolment, recovery_codes_left
from portal.tenancy.signing_in.signing import device_of
from portal.tenancy.signing_in.throttling import Wait

SHOWN: Final = 50
"""Sessions that are listed; all of them can be ended."""
STALE = "This page was too old or was changed on its way. The key above is new: scan it."
CODE = forms.CharField(
    label="Six-digit code", required=False, strip=False,
    widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    help_text="Of your authenticator app. One of your recovery codes does as well.",
)  # fmt: skip


class PasswordForm(Form):
    """The old one, the new one, a code."""

    old_password = forms.CharField(
        label="Present password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip
    new_password = forms.CharField(
        label="New password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 15 characters. Checked against known leaks. No other rules.",
    )  # fmt: skip
    code = CODE


class CodesForm(Form):
    """A code is all that it takes."""

    code = CODE


class AppForm(Form):
    """The first code of the new app, and one of the old."""

    new_code = forms.CharField(
        label="Code of the new app", required=False, strip=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )  # fmt: skip
    code = forms.CharField(
        label="Code of the app that you have now", required=False, strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="If it is lost: one of your recovery codes.",
    )  # fmt: skip


class Own(Page):
    """A page about oneself: it needs a sign-in and no role."""

    section = "security"
    where = ""
    of_own_sign_in: ClassVar[bool] = True
    """Whether it is no business of a tenant's provider that let this browser in."""
    person: Person

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Sign in first, and without a credential in the address."""
        if request.method in ("GET", "HEAD") and (address := without_credentials(request)):
            return HttpResponseRedirect(address)
        person = signed_in(request)
        if person is None:
            return self.sign_in_first(request)
        self.actor, self.person = actor_of(request), person
        request.actor = self.actor  # type: ignore[attr-defined]  # the navigation's
        if person.bound_to and self.of_own_sign_in:
            return TemplateResponse(request, "tenancy/sso_elsewhere.html", status=403)
        try:
            return View.dispatch(self, request, *args, **kwargs)
        except Refusal as refusal:
            return refusal_page(request, refusal)

    @property
    def who(self) -> dict[str, Any]:
        """What each verb takes of the browser."""
        return {
            "actor": self.actor, "person": self.person, "session_key": self.session_key,
        }  # fmt: skip

    @property
    def session_key(self) -> str:
        """This browser's session."""
        return cast(str, self.request.session.session_key)

    @property
    def device(self) -> str | None:
        """This browser, if the person signed in with it before."""
        return device_of(self.person, device_in(self.request))

    def renew(self) -> None:
        """This session goes on under a new key."""
        remember(self.request, self.person, self.actor.auth)


class OwnForm(Own, FormPage):
    """A form about oneself."""

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        response = super().refused(form, refusal)
        if isinstance(refusal, Wait):
            response.status_code = 429
            response["Retry-After"] = str(refusal.seconds)
        return response


class Security(Own):
    """What there is, and what can be done about it."""

    template = "tenancy/security.html"

    def context(self) -> dict[str, Any]:
        sessions = Session.objects.filter(person=self.person).order_by("-created_at")
        return {
            "person": self.person,
            "here": digest_of(self.session_key),
            "sessions": list(sessions[:SHOWN]),
            "count": sessions.count(),
            "app": Totp.objects.filter(user=self.person).first(),
            "left": recovery_codes_left(self.person.id),
        }


class ChangePassword(OwnForm):
    """Asks for the old one and a code."""

    template = "tenancy/security_password.html"
    form_class = PasswordForm

    def act(self, form: Form) -> HttpResponse:
        told = form.cleaned_data
        self.person = change_password(
            **self.who, old=told["old_password"], new=told["new_password"], code=told["code"],
            device=self.device,
        )  # fmt: skip
        self.renew()
        messages.success(self.request, "Your password was changed. Your other sessions have ended.")
        return self.to("security")


class RecoveryCodes(OwnForm):
    """New ones, shown in the answer and never again."""

    template = "tenancy/security_codes.html"
    form_class = CodesForm

    def context(self) -> dict[str, Any]:
        left = recovery_codes_left(self.person.id)
        return {**super().context(), "left": left, FIELD: token(self.request)}

    def act(self, form: Form) -> HttpResponse:
        try:
            with once_only(self.request):
                codes = renew_recovery_codes(
                    **self.who, code=form.cleaned_data["code"], device=self.device
                )
        except AlreadySent:
            return self.show({"sent": True}, status=409)
        self.renew()
        return self.show({"codes": codes})


class ChangeApp(OwnForm):
    """Another authenticator app in place of the one that there is."""

    template = "tenancy/security_app.html"
    form_class = AppForm

    def shown(self, enrolment: Enrolment) -> dict[str, Any]:
        """What the app scans, and the sealed seed for the form."""
        return {
            "key": enrolment.key, "qr": enrolment.qr(self.person.email),
            "sealed": enrolment.sealed(self.person.id),
        }  # fmt: skip

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """With a new seed."""
        return self.show(self.shown(Enrolment.new()))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """With the seed that the form brings back."""
        self.enrolment = Enrolment.opened(request.POST.get("sealed", ""), self.person.id)
        if self.enrolment is None:
            form = self.form(request.POST)
            form.add_error("new_code", STALE)
            return self.show({"form": form, **self.shown(Enrolment.new())}, status=400)
        return super().post(request, *args, **kwargs)

    def show(self, context: Any = None, **more: Any) -> HttpResponse:
        """Errors show the same seed again."""
        held = getattr(self, "enrolment", None)
        shown = self.shown(held) if held is not None else {}
        return super().show({**shown, **(context or {})}, **more)

    def act(self, form: Form) -> HttpResponse:
        assert self.enrolment is not None
        told = form.cleaned_data
        change_app(
            **self.who, enrolment=self.enrolment, new_code=told["new_code"], code=told["code"],
            device=self.device,
        )  # fmt: skip
        self.renew()
        messages.success(
            self.request, "Your new app is set up; the old one’s codes work no more."
            " Your other sessions have ended.",
        )  # fmt: skip
        return self.to("security")


class EndOthers(Own):
    """GET says which sessions end, POST ends them."""

    template = "tenancy/security_sessions.html"

    def context(self) -> dict[str, Any]:
        others = Session.objects.filter(person=self.person)
        return {"others": others.exclude(digest=digest_of(self.session_key)).count()}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End them."""
        ended = end_other_sessions(**self.who)
        words = {0: "There was no other session.", 1: "1 other session has ended."}
        messages.success(request, words.get(ended, f"{ended} other sessions have ended."))
        return self.to("security")
