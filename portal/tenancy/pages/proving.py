"""Proving again that it is still you, and beginning to have something to prove it with."""

from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from portal.core.mail import configured
from portal.core.refusals import Refusal
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.onward import own_path
from portal.tenancy.pages.security import CODE, OwnForm
from portal.tenancy.pages.sso import go
from portal.tenancy.signing_in.browser import renew
from portal.tenancy.signing_in.changing import factor_of, has_factor
from portal.tenancy.signing_in.inviting import invite_oneself
from portal.tenancy.signing_in.stepping_up import step_up, step_up_by_password
from portal.tenancy.signing_in.throttling import Wait
from portal.tenancy.sso.binding import THROUGH, door_of
from portal.tenancy.sso.provider import Provider

LATE: Final = {
    "form": "Nothing was saved before: look the form over and send it again.",
    "file": "The file can be exported now.",
}
"""What is said where one goes on, by what the proof was asked for."""


class CodeForm(Form):
    """A code of the second factor."""

    code = CODE


class PasswordForm(Form):
    """For who has no second factor."""

    password = forms.CharField(
        label="Password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip


class Prove(OwnForm):
    """`/admin/security/prove/?next=…`: asked before what is dangerous, each five minutes.

    Another kind of factor is a form of its own beside this one, a `Factor` with which it calls
    `step_up`, and `gone_on`.
    """

    template = "tenancy/security_prove.html"
    of_own_sign_in = False

    @cached_property
    def door(self) -> Provider | None:
        """The provider that let this browser in: signing in there again does it as well."""
        return door_of(self.request, self.person)

    @cached_property
    def way(self) -> str:
        """What there is to prove it with here: `code`, `password`, or nothing of ours.

        Never the password where a provider let somebody in: it asked for more than that.
        """
        if has_factor(self.person):
            return "code"
        through = THROUGH in self.actor.auth
        return "password" if self.person.has_usable_password() and not through else ""

    def form(self, data: Any = None) -> Form:
        """What is asked of this person."""
        return (CodeForm if self.way == "code" else PasswordForm)(data)

    def context(self) -> dict[str, Any]:
        asked = self.request.POST if self.request.method == "POST" else self.request.GET
        late = asked.get("late", "")
        return {
            **super().context(), "way": self.way, "door": self.door,
            "next": own_path(asked.get("next", "")), "late": late if late in LATE else "",
        }  # fmt: skip

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """With what was typed; or on to the provider."""
        if "through" not in request.POST or self.door is None:
            return super().post(request, *args, **kwargs)
        try:
            return go(request, self.door, next=own_path(request.POST.get("next", "")), again=True)
        except Wait as refusal:
            form = Form(request.POST)
            form.blame(refusal)
            return self.refused(form, refusal)

    def act(self, form: Form) -> HttpResponse:
        if not self.way:
            raise Refusal("NOT_FOUND")
        if self.way != "code":
            step_up_by_password(**self.who, text=form.cleaned_data["password"])
            return self.gone_on("pwd")
        text = form.cleaned_data["code"]
        factor = factor_of(text)
        step_up(**self.who, factor=factor, text=text, device=self.device)
        return self.gone_on(factor.amr)

    def gone_on(self, amr: str) -> HttpResponse:
        """Back to where the proof was asked for, with what it was proved by in the session."""
        renew(self.request, self.person, (*self.actor.auth, amr))
        asked = self.request.POST
        if words := LATE.get(asked.get("late", "")):
            messages.warning(self.request, words)
        going_to = own_path(asked.get("next", ""))
        home = reverse("choice") if self.person.bound_to else self.url("security")
        return HttpResponseRedirect(going_to or home)


class BeginFactor(OwnForm):
    """`/admin/security/factor/?next=…`: where a page needs a second factor of whom proved none."""

    template = "tenancy/security_factor.html"
    form_class = Form

    def context(self) -> dict[str, Any]:
        going_to = own_path(self.request.GET.get("next", ""))
        told = {"person": self.person, "mail": configured(), "next": going_to}
        return {**super().context(), **told}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Who has one proves it; others learn how to get one."""
        going_to = own_path(request.GET.get("next", ""))
        if not has_factor(self.person):
            return self.show()
        if self.person.is_verified():
            return HttpResponseRedirect(going_to) if going_to else self.to("security")
        address = f"{self.url('security-prove')}?next={quote(going_to, safe='/')}"
        return HttpResponseRedirect(address)

    def act(self, form: Form) -> HttpResponse:
        invite_oneself(actor=self.actor, person=self.person)
        words = f"A mail with the link is on its way to {self.person.email}."
        if not configured():
            words = "The link was written to the outbox: a security admin hands it over to you."
        messages.success(self.request, words)
        return self.to("security-factor")
