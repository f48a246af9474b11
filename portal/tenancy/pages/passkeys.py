"""`/admin/security/passkeys/…`: one's own passkeys are added, renamed and removed."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from portal.core.refusals import Refusal
from portal.tenancy.models import Passkey
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.passkey_form import ANSWER, NOTHING_SENT, asked_of
from portal.tenancy.pages.security import CODE, CodesForm, OfFactor, OwnForm
from portal.tenancy.signing_in.challenges import browser_of
from portal.tenancy.signing_in.own_passkeys import (
    add_passkey,
    begin_passkey,
    own_passkey,
    passkeys_of,
    remove_passkey,
    rename_passkey,
)

NAME = forms.CharField(
    label="Name", required=False, strip=False,
    widget=forms.TextInput(attrs={"autocomplete": "off"}),
    help_text="By which you will know it again: the device, or the password manager.",
)  # fmt: skip


class NameForm(Form):
    """What it is called."""

    name = NAME


class AddForm(Form):
    """What it is called, and a code."""

    name = NAME
    code = CODE


class AddPasskey(OfFactor):
    """First the name and a code; then the browser makes the passkey, and sends it here too."""

    template = "tenancy/security_passkey_new.html"
    form_class = AddForm

    def context(self) -> dict[str, Any]:
        return {**super().context(), **asked_of(self.request, dict)}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The second step brings what the browser made."""
        return self.add(request) if ANSWER in request.POST else super().post(request)

    def act(self, form: Form) -> HttpResponse:
        """Ask the browser for a passkey; nothing is kept yet."""
        told, browser = form.cleaned_data, browser_of(self.request)
        options = begin_passkey(
            actor=self.actor, person=self.person, name=told["name"], code=told["code"],
            device=self.device, browser=browser,
        )  # fmt: skip
        asked = asked_of(self.request, lambda: options)
        return self.show(
            {**asked, "name": told["name"]}, template="tenancy/security_passkey_make.html"
        )

    def add(self, request: HttpRequest) -> HttpResponse:
        """Keep it; or begin again, saying why."""
        sent = NameForm(request.POST)
        sent.is_valid()
        name = sent.cleaned_data.get("name", "")
        try:
            if not request.POST[ANSWER]:
                raise Refusal("REQUEST_INVALID", NOTHING_SENT)
            add_passkey(
                **self.who, name=name, text=request.POST[ANSWER], browser=browser_of(request)
            )
        except Refusal as refusal:
            form = AddForm({"name": name, "code": ""})
            form.is_valid()
            form.blame(refusal)
            return self.refused(form, refusal)
        self.renew()
        messages.success(
            request, f"The passkey {name} is added. You can sign in with it alone from now on."
            " Your other sessions have ended.",
        )  # fmt: skip
        return self.to("security")


class OfPasskey(OwnForm):
    """A form about one of the person's own."""

    def show(self, context: Mapping[str, Any] | None = None, **more: Any) -> HttpResponse:
        """With the passkey; NOT_FOUND for what is not theirs."""
        return super().show({"passkey": self.passkey, **(context or {})}, **more)

    @cached_property
    def passkey(self) -> Passkey:
        """What the address is about."""
        return self.seen(lambda: own_passkey(self.person, self.kwargs["id"]))


class RenamePasskey(OfPasskey):
    """Nothing of signing in changes: no code is asked."""

    template = "tenancy/security_passkey_name.html"
    form_class = NameForm

    def form(self, data: Any = None) -> Form:
        """With its present name."""
        return NameForm(data) if data is not None else NameForm(initial={"name": self.passkey.name})

    def act(self, form: Form) -> HttpResponse:
        name = form.cleaned_data["name"]
        rename_passkey(
            actor=self.actor, person=self.person, passkey_id=self.kwargs["id"], name=name
        )
        messages.success(self.request, f"The passkey is called {name} now.")
        return self.to("security")


class RemovePasskey(OfPasskey):
    """Asks for a code."""

    template = "tenancy/security_passkey_remove.html"
    form_class = CodesForm

    def context(self) -> dict[str, Any]:
        return {**super().context(), "left": len(passkeys_of(self.person)) - 1}

    def act(self, form: Form) -> HttpResponse:
        name = self.passkey.name
        remove_passkey(
            **self.who, passkey_id=self.kwargs["id"], code=form.cleaned_data["code"],
            device=self.device,
        )  # fmt: skip
        self.renew()
        messages.success(
            self.request, f"The passkey {name} is removed: nobody signs in with it any more."
            " Your other sessions have ended. It is still on its device: delete it there as well.",
        )  # fmt: skip
        return self.to("security")
