"""The form of a management token: for whom, what, and until when."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from django import forms

from portal.core.clock import UTC, now
from portal.core.refusals import Faults, Refusal
from portal.tenancy.models import Membership
from portal.tenancy.pages.boxes import Ticked
from portal.tenancy.pages.forms import Form
from portal.tenancy.roles import MANAGEMENT_SCOPES

PEOPLE: Final = 200
"""Members that a select offers; of more, the mail address is typed."""
AREAS: Final = sorted({scope.partition(":")[0] for scope in MANAGEMENT_SCOPES})
PRESETS: Final = (
    ("90", "In 90 days"), ("30", "In 30 days"), ("365", "In a year"), ("never", "No expiry"),
    ("on", "On the day below"),
)  # fmt: skip


class TokenForm(Form):
    """For whom, what, and until when."""

    name = forms.CharField(label="Name", required=False, help_text="What it is for, such as CI.")
    creator = forms.CharField(label="Acts for", required=False)
    scopes = Ticked()
    expiry = forms.CharField(label="Expires", required=False, widget=forms.Select(choices=PRESETS))
    expires_on = forms.CharField(
        label="Day, from 00:00 UTC", required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )  # fmt: skip

    def __init__(
        self, *args: Any, members: list[Membership], offered: frozenset[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.offered = offered
        field = self.fields["creator"]
        field.help_text = "It may never do more than this member may, and dies when they leave."
        if len(members) <= PEOPLE:
            people = [(m.id, f"{m.person.name}, {m.get_role_display().lower()}") for m in members]
            field.widget = forms.Select(choices=[("", "Choose a member"), *people])
        else:
            field.label = "Acts for: mail address"

    def boxes(self) -> list[tuple[str, list[tuple[str, bool]]]]:
        """The scopes by area: reading, and writing where there is any."""
        ticked = self["scopes"].value() or []
        areas = [
            (area, [(s, s in ticked) for s in (f"{area}:read", f"{area}:write")
                    if s in self.offered])
            for area in AREAS
        ]  # fmt: skip
        return [(area, boxes) for area, boxes in areas if boxes]

    def expires_at(self) -> dt.datetime | None:
        """The end that was chosen; raises ValueError for a day that is none."""
        choice, day = self.cleaned_data["expiry"], self.cleaned_data["expires_on"]
        if choice == "on":
            return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), UTC)
        if choice == "never":
            return None
        return now().replace(microsecond=0) + dt.timedelta(days=int(choice))

    def faults(self) -> Faults:
        """What only a form can get wrong."""
        faults, typed = Faults(), self.cleaned_data
        if not typed["creator"]:
            faults.add("/creator", "Choose the member for whom it acts.")
        if not typed["scopes"]:
            faults.add("/scopes", "Choose what it may do: one scope at least.")
        if typed["expiry"] not in dict(PRESETS):
            faults.add("/expiry", "Choose when it ends.")
        elif typed["expiry"] != "on" and typed["expires_on"]:
            faults.add("/expiry", "A day is given: choose “On the day below”, or take it out.")
        else:
            try:
                self.expires_at()
            except ValueError:
                faults.add("/expires_on", "A day is needed, such as 2027-05-01.")
        return faults

    def blame(self, refusal: Refusal) -> None:
        """As every form; the end stands beside the day that was typed."""
        day = "/expires_on" if self.cleaned_data.get("expiry") == "on" else "/expiry"
        errors: list[Mapping[str, str]] = [
            {**e, "pointer": day} if e["pointer"] == "/expires_at" else e for e in refusal.errors
        ]
        super().blame(Refusal(refusal.code, refusal.detail, errors))
