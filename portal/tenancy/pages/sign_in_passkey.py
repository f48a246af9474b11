"""Signing in with a passkey: in place of a password, or after it."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from portal.core.refusals import Refusal, refuse
from portal.tenancy.pages.onward import onward, own_path
from portal.tenancy.pages.passkey_form import ANSWER, NOTHING_SENT, PasskeyForm, asked_of
from portal.tenancy.pages.sign_in import NEXT, SecondStep, Step
from portal.tenancy.signing_in.browser import remember, signed_in, visitor_of
from portal.tenancy.signing_in.challenges import browser_of
from portal.tenancy.signing_in.device import device_in, know_again
from portal.tenancy.signing_in.enforcing import enforced_by
from portal.tenancy.signing_in.passkeys import (
    PASSKEY,
    about,
    has_passkeys,
    request_options,
    second_factor,
)
from portal.tenancy.signing_in.passwordless import ALONE, sign_in_by_passkey
from portal.tenancy.signing_in.signing import SignedIn


class PasskeyAlone(Step):
    """`/admin/login/passkey/`: a passkey in place of the password and the code."""

    template = "tenancy/sign_in_passkey.html"

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """What the browser is asked; who is signed in goes on."""
        person, going_to = signed_in(request), own_path(request.GET.get(NEXT, ""))
        if person is not None:
            return HttpResponseRedirect(onward(person, going_to))
        return self.show({"form": PasskeyForm(), "next": going_to})

    def post(self, request: HttpRequest) -> HttpResponse:
        """A right answer signs in."""
        form, going_to = PasskeyForm(request.POST), own_path(request.POST.get(NEXT, ""))
        form.is_valid()
        try:
            done, auth = sign_in_by_passkey(
                visitor=visitor_of(request), text=answer_in(form), browser=browser_of(request),
                device=device_in(request),
            )  # fmt: skip
        except Refusal as refusal:
            return self.refused(form, refusal, next=going_to)
        remember(request, done.person, auth)
        response = HttpResponseRedirect(onward(done.person, going_to))
        know_again(request, response, done.person)
        return response

    def show(self, context: Mapping[str, Any], refusal: Refusal | None = None) -> HttpResponse:
        """With a new challenge."""
        browser = browser_of(self.request)
        asked = asked_of(
            self.request, lambda: request_options(None, about(ALONE, "", browser))
        )  # fmt: skip
        return super().show({**context, **asked}, refusal)


class PasskeyStep(SecondStep):
    """`/admin/login/code/passkey/`: a passkey after the password."""

    template = "tenancy/sign_in_passkey_second.html"
    form_class = PasskeyForm
    factor = PASSKEY

    def get(self, request: HttpRequest) -> HttpResponse:
        """What the browser is asked; who has no passkey enters a code."""
        if not has_passkeys(self.person):
            return HttpResponseRedirect(reverse("admin:login-code"))
        return super().get(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """A right answer signs in."""
        form = PasskeyForm(request.POST)
        form.is_valid()
        try:
            done = self.prove(answer_in(form))
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                return self.begin_again(request)
            return self.refused(form, refusal, email=self.person.email)
        return self.go_on(done)

    def prove(self, code: str) -> SignedIn:
        """Call the verb, with what this passkey proves."""
        self.factor = second_factor(browser_of(self.request), code)
        return super().prove(code)

    def show(self, context: Mapping[str, Any], refusal: Refusal | None = None) -> HttpResponse:
        """With a new challenge."""
        told = about("second", self.person.id, browser_of(self.request))
        asked = asked_of(self.request, lambda: request_options(self.person, told))
        return super().show({**context, **asked, "enforced": enforced_by()}, refusal)


def answer_in(form: PasskeyForm) -> str:
    """What the browser answered; refuses nothing at all, which is no try."""
    text: str = form.cleaned_data.get(ANSWER, "")
    if not text:
        refuse(NOTHING_SENT, "")
    return text
