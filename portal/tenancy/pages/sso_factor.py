"""Our own second factor after a provider's word: a code, a recovery code, or setting one up."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views import View

from portal.core.refusals import Refusal
from portal.tenancy.models import Person
from portal.tenancy.pages.boxes import Tick
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.sign_in import CodeForm, RecoveryForm, SecondStep, Step
from portal.tenancy.pages.sso import arrived, home_through
from portal.tenancy.signing_in.browser import visitor_of
from portal.tenancy.signing_in.device import device_in
from portal.tenancy.signing_in.factors import Enrolment
from portal.tenancy.signing_in.signing import APP, NO_SUCH_CODE, RECOVERY, SignedIn
from portal.tenancy.sso.arriving import sign_in_with_code
from portal.tenancy.sso.binding import become
from portal.tenancy.sso.provider import Provider
from portal.tenancy.sso.second_factor import may_set_up, set_up_factor, waiting

STALE = "This page was too old or was changed on its way. The key and the codes below are new."


class OwnCode(SecondStep):
    """`/sso/code/`: the code of the authenticator app."""

    template = "tenancy/sso_code.html"
    form_class: ClassVar[type[Form]] = CodeForm
    factor = APP
    missing = NO_SUCH_CODE
    provider: Provider

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only for whom a provider sent in this browser."""
        held = waiting(request)
        if held is None:
            return self.begin_again(request)
        self.person, self.provider, self.going_to = held
        return View.dispatch(self, request, *args, **kwargs)

    def prove(self, code: str) -> SignedIn:
        """Call the verb."""
        sign_in_with_code(
            visitor=arrived(visitor_of(self.request), self.person, self.factor.amr),
            person=self.person, provider=self.provider, factor=self.factor, code=code,
            device=device_in(self.request),
        )  # fmt: skip
        return SignedIn(self.person, 0)

    def go_on(self, done: SignedIn) -> HttpResponse:
        """The browser is the person's, as far as the provider speaks for them."""
        become(self.request, done.person, self.provider, ("sso", self.factor.amr))
        return HttpResponseRedirect(self.going_to or home_through(self.provider, done.person))


class OwnRecovery(OwnCode):
    """`/sso/recovery/`: a recovery code."""

    template = "tenancy/sso_recovery.html"
    form_class = RecoveryForm
    factor = RECOVERY
    missing = "A recovery code is needed."


class FactorForm(Form):
    """The first code, and that the others are stored."""

    code = forms.CharField(
        label="Six-digit code", required=False, strip=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )  # fmt: skip
    stored = Tick(label="I have stored the codes")


class OwnFactor(Step):
    """`/sso/factor/`: who comes through a provider alone sets a second factor up."""

    template = "tenancy/sso_factor.html"
    person: Person
    provider: Provider

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Only for whom a provider sent in this browser, and who may."""
        held = waiting(request)
        if held is None:
            return HttpResponseRedirect(reverse("admin:login"))
        self.person, self.provider, self.going_to = held
        if not may_set_up(self.person):
            told = {"provider": self.provider, "person": self.person}
            return TemplateResponse(request, "tenancy/sso_no_factor.html", told, status=403)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """With a new seed and new codes; nothing is kept of them."""
        return self.shown(FactorForm(), Enrolment.new())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Set it up and sign in; or show what is wrong, with the same seed and codes."""
        form = FactorForm(request.POST)
        enrolment = Enrolment.opened(request.POST.get("sealed", ""), self.person.id)
        if enrolment is None:
            form.add_error("code", STALE)
            return self.shown(form, Enrolment.new(), Refusal("REQUEST_INVALID"))
        form.is_valid()
        typed = form.cleaned_data
        try:
            set_up_factor(
                visitor=arrived(visitor_of(request), self.person, APP.amr), person=self.person,
                provider=self.provider, enrolment=enrolment, code=typed.get("code", ""),
                stored=bool(typed.get("stored")),
            )  # fmt: skip
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                return HttpResponseRedirect(reverse("admin:login"))
            form.blame(refusal)
            return self.shown(form, enrolment, refusal)
        become(request, self.person, self.provider, ("sso", APP.amr))
        return HttpResponseRedirect(self.going_to or home_through(self.provider, self.person))

    def shown(
        self, form: Form, enrolment: Enrolment, refusal: Refusal | None = None
    ) -> HttpResponse:
        """The page."""
        told = {
            "form": form, "provider": self.provider, "person": self.person, "key": enrolment.key,
            "codes": enrolment.codes, "qr": enrolment.qr(self.person.email),
            "sealed": enrolment.sealed(self.person.id),
        }  # fmt: skip
        return self.show(told, refusal)
