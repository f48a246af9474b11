"""Signing in and out: a page for the password, one for the code, one for a recovery code."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View

from portal.core.refusals import Faults, Refusal
from portal.tenancy.models import Person
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.pasted import holds_one
from portal.tenancy.signing_in.browser import (
    actor_of,
    await_second_factor,
    awaited,
    remember,
    signed_in,
    visitor_of,
)
from portal.tenancy.signing_in.device import device_in, know_again
from portal.tenancy.signing_in.signing import (
    APP,
    NO_SUCH_CODE,
    RECOVERY,
    Factor,
    SignedIn,
    check_password,
    sign_in,
    sign_out,
)
from portal.tenancy.signing_in.throttling import Wait
from portal.tenancy.sso.provider import any_provider, platform_provider

NEXT: Final = "next"
LATE: Final = "late"
"""Set in the address when the password's five minutes were over."""
AGAIN: Final = "That took too long, or your account was changed meanwhile. Nobody was signed in."


class PasswordForm(Form):
    """Step one."""

    email = forms.CharField(
        label="E-mail", required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )  # fmt: skip
    password = forms.CharField(
        label="Password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip


class CodeForm(Form):
    """Step two."""

    code = forms.CharField(
        label="Six-digit code", required=False, strip=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )  # fmt: skip


class RecoveryForm(Form):
    """Step two, when the phone is lost."""

    code = forms.CharField(
        label="Recovery code", required=False, strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )  # fmt: skip


def own_path(text: str) -> str:
    """`text` if it is an address of ours to go on to, else nothing.

    Nothing also if a credential stands in it: it is kept with the session until the code is given.
    """
    ours = text.startswith("/") and url_has_allowed_host_and_scheme(text, allowed_hosts=None)
    elsewhere = text.startswith((reverse("admin:login"), reverse("admin:logout")))
    return text if ours and not elsewhere and not holds_one(unquote(text)) else ""


def home_of(person: Person) -> str:
    """Where a person begins: the platform's people on its overview, others at their tenants."""
    return reverse("admin:index" if person.platform_role else "choice")


def onward(person: Person, going_to: str) -> str:
    """Where who is signed in goes on to: `going_to`, unless it would only send them back here.

    Django's own pages send whoever has no role on the platform to sign in, and from there on.
    """
    staffs = going_to.startswith(reverse("admin:index"))
    own = going_to.startswith(reverse("admin:security")) or bool(person.platform_role)
    return going_to if going_to and (own or not staffs) else home_of(person)


class Step(View):
    """A page of the sign-in, for whoever is not signed in."""

    http_method_names = ["get", "head", "post"]
    template: ClassVar[str]

    def show(self, context: Mapping[str, Any], refusal: Refusal | None = None) -> HttpResponse:
        """The page, with what was wrong."""
        status = 200 if refusal is None else 429 if isinstance(refusal, Wait) else 400
        response = TemplateResponse(self.request, self.template, dict(context), status=status)
        if isinstance(refusal, Wait):
            response["Retry-After"] = str(refusal.seconds)
        return response

    def refused(self, form: Form, refusal: Refusal, **context: Any) -> HttpResponse:
        """The form again, with what was typed but for a password."""
        form.blame(refusal)
        return self.show({"form": form, **context}, refusal)


class SignIn(Step):
    """`/admin/login/`: e-mail and password."""

    template = "tenancy/sign_in.html"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The form; who is signed in goes on."""
        person = signed_in(request)
        going_to = own_path(request.GET.get(NEXT, ""))
        if person is not None:
            return HttpResponseRedirect(onward(person, going_to))
        late = AGAIN if LATE in request.GET else ""
        return self.show({"form": PasswordForm(), "next": going_to, "late": late})

    def show(self, context: Mapping[str, Any], refusal: Refusal | None = None) -> HttpResponse:
        """With the other ways in, where there are any."""
        ways = {"platform": platform_provider(), "sso": any_provider()}
        return super().show({**context, **ways}, refusal)

    def post(self, request: HttpRequest) -> HttpResponse:
        """A right password leads to the code's page; nobody is signed in by it."""
        form, going_to = PasswordForm(request.POST), own_path(request.POST.get(NEXT, ""))
        form.is_valid()
        try:
            person = self.person(form)
        except Refusal as refusal:
            return self.refused(form, refusal, next=going_to)
        await_second_factor(request, person, going_to)
        return HttpResponseRedirect(reverse("admin:login-code"))

    def person(self, form: Form) -> Person:
        """Whose password it is; refuses what is missing or wrong."""
        email = form.cleaned_data.get("email", "").strip()
        password = form.cleaned_data.get("password", "")
        faults = Faults()
        if "email" not in form.errors:
            faults.add("/email", None if email else "Your mail address is needed.")
        if "password" not in form.errors:
            faults.add("/password", None if password else "Your password is needed.")
        faults.settle()
        if form.errors:
            raise Refusal("REQUEST_INVALID", "Nobody was signed in.")
        return check_password(
            visitor=visitor_of(self.request), email=email, password=password,
            device=device_in(self.request),
        )  # fmt: skip


class SecondStep(Step):
    """`/admin/login/code/`: the code of the authenticator app."""

    template = "tenancy/sign_in_code.html"
    form_class: ClassVar[type[Form]] = CodeForm
    factor: ClassVar[Factor] = APP
    missing: ClassVar[str] = NO_SUCH_CODE

    person: Person
    going_to: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only after a right password in this browser; else the sign-in begins again."""
        found = awaited(request)
        if found is None:
            return self.begin_again(request)
        self.person, self.going_to = found
        return super().dispatch(request, *args, **kwargs)

    def begin_again(self, request: HttpRequest) -> HttpResponse:
        """To step one, saying why. In the address: nothing is kept for who is not signed in."""
        return HttpResponseRedirect(f"{reverse('admin:login')}?{LATE}=1")

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return self.show({"form": self.form_class(), "email": self.person.email})

    def post(self, request: HttpRequest) -> HttpResponse:
        """A right code signs in."""
        form = self.form_class(request.POST)
        form.is_valid()
        code = form.cleaned_data.get("code", "").strip()
        try:
            if not code:
                raise Refusal(
                    "REQUEST_INVALID", errors=[{"detail": self.missing, "pointer": "/code"}]
                )
            done = self.prove(code)
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                return self.begin_again(request)
            return self.refused(form, refusal, email=self.person.email)
        return self.go_on(done)

    def prove(self, code: str) -> SignedIn:
        """Call the verb."""
        return sign_in(
            visitor=visitor_of(self.request), person=self.person, factor=self.factor, code=code,
            device=device_in(self.request),
        )  # fmt: skip

    def go_on(self, done: SignedIn) -> HttpResponse:
        """The browser is the person's from here on."""
        self.request.session.flush()
        remember(self.request, done.person, ("pwd", self.factor.amr))
        if self.factor is RECOVERY:
            left = f"{done.codes_left} recovery code{'' if done.codes_left == 1 else 's'}"
            messages.warning(
                self.request,
                f"You signed in with a recovery code. You have {left} left. If your phone is lost,"
                " set up another app under Security, and make new codes.",
            )
        response = HttpResponseRedirect(onward(done.person, self.going_to))
        know_again(self.request, response, done.person)
        return response


class RecoveryStep(SecondStep):
    """`/admin/login/recovery/`: a recovery code."""

    template = "tenancy/sign_in_recovery.html"
    form_class = RecoveryForm
    factor = RECOVERY
    missing = "A recovery code is needed."


class SignOut(View):
    """`/admin/logout/`: a GET changes nothing and shows the button."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The button; who is not signed in goes to sign in."""
        if signed_in(request) is None:
            return HttpResponseRedirect(reverse("admin:login"))
        return TemplateResponse(request, "tenancy/sign_in_out.html", {})

    def post(self, request: HttpRequest) -> HttpResponse:
        """End this browser's session."""
        person, key = signed_in(request), request.session.session_key
        if person is not None and key is not None:
            sign_out(actor=actor_of(request), person=person, session_key=key)
        request.session.flush()
        messages.success(request, "You are signed out.")
        return HttpResponseRedirect(reverse("admin:login"))
