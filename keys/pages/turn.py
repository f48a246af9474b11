"""Suspend, resume, revoke: each says its price first, takes a reason, and may be repeated."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django import forms
from django.http import HttpResponse

from keys.governed import Changed
from keys.models import ApiKey
from keys.pages.day import days_of
from keys.pages.writing import KeyFormPage
from keys.revocation import REVOKE, revoke_key
from keys.suspension import RESUME, SUSPEND, resume_key, suspend_key
from keys.turning import Turn
from portal.core.refusals import Refusal
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import tell
from portal.tenancy.scope import tenant_scope

State = ApiKey.State
AS_THINGS_STAND: Final = {
    State.PENDING: "It waits for a second signature, which nothing here takes the place of.",
    State.SUSPENDED: "Resume it, or revoke it.",
    State.REVOKED: "That is for ever. Create another key in its place.",
    State.LEAKED: "It is refused for good. Create another key in its place.",
    State.ACTIVE: "It works.",
}
"""What to do about a key that is in the way of what was asked."""


class Why(Form):
    """The reason, which the ledger keeps."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "maxlength": 512}),
        help_text="1 to 512 characters. The tenant's people and the auditors can read it.",
    )


class TurnPage(KeyFormPage):
    """One of the three."""

    form_class = Why
    verb: ClassVar[Callable[..., Changed]]
    turn: ClassVar[Turn]
    done: ClassVar[str]
    """What is so afterwards, of `{name}`."""

    def context(self) -> dict[str, Any]:
        key, turn = self.key(), self.turn
        day = days_of([key])[key.id]
        return {
            **super().context(),
            "key": key,
            "there": key.state in turn.there,
            "possible": key.state in turn.leaves,
            "instead": AS_THINGS_STAND[State(key.state)],
            "allowed": day.allowed,
            "suspended": day.by_code.get("KEY_SUSPENDED", 0),
        }

    def act(self, form: Form) -> HttpResponse:
        before = self.state()
        changed = type(self).verb(
            actor=self.actor, key_id=self.key_id, reason=form.cleaned_data["reason"]
        )
        words = self.done.format(name=changed.key.name)
        if before in self.turn.there:
            words = f"{changed.key.name} was {before} already. Nothing was changed."
        tell(self.request, words, changed.propagation)
        return self.to("key", self.key_id)

    def state(self) -> str:
        """The key's state before the verb."""
        with tenant_scope(self.tenant_id):
            return self.key().state

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        """The key's state, not the form, says why it can't be turned."""
        if refusal.code == "CONFLICT":
            return self.show({"form": self.form_class()}, status=409)
        return super().refused(form, refusal)


class Suspend(TurnPage):
    """`/admin/keys/<id>/suspend/`."""

    template = "keys/suspend.html"
    verb = staticmethod(suspend_key)
    turn = SUSPEND
    done = "{name} is suspended. The very next check answers KEY_SUSPENDED."


class Resume(TurnPage):
    """`/admin/keys/<id>/resume/`."""

    template = "keys/resume.html"
    verb = staticmethod(resume_key)
    turn = RESUME
    done = "{name} works again, from the very next check on."


class Revoke(TurnPage):
    """`/admin/keys/<id>/revoke/`."""

    template = "keys/revoke.html"
    verb = staticmethod(revoke_key)
    turn = REVOKE
    done = "{name} is revoked, for ever. The very next check answers KEY_REVOKED."
