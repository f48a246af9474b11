"""The form of a key, for making one and for changing one: text in, the REST body out.

What is right is judged by the parser and the verb, as everywhere (keys.definitions); their pointers
find their way back to the fields here.
"""

import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django import forms

from keys.pages.limit_rows import LimitRows
from portal.core.clock import now, rfc3339
from portal.core.refusals import Faults, Refusal
from portal.tenancy.models import Membership, Scope
from portal.tenancy.pages.boxes import Ticked
from portal.tenancy.pages.forms import Form, LinesField

T = TypeVar("T")
OWNERS: Final = 200
"""People that a select offers; of a larger tenant, the membership's id is typed."""
RULES: Final = (("any", "Any of the tenant's"), ("only", "Only these"))
PRESETS: Final = (
    ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), ("never", "No expiry"),
    ("on", "On the day below"),
)  # fmt: skip


@dataclass(frozen=True)
class ScopeBox:
    """One scope as a check box."""

    scope: Scope
    ticked: bool
    offered: bool
    """Not if it is of high risk and not held: that needs a second signature."""


class KeyForm(Form):
    """Everything of a key that can be changed. `held` are scopes that the key has already."""

    name = forms.CharField(label="Name", required=False, help_text="What your people call it.")
    owner = forms.CharField(
        label="Owner", required=False, help_text="Who answers for it. If they leave, it stops."
    )
    scopes = Ticked()
    expiry = forms.CharField(label="Expires", required=False, widget=forms.Select(choices=PRESETS))
    expires_on = forms.CharField(
        label="Day", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    expires_time = forms.CharField(
        label="Time, UTC", required=False,
        widget=forms.TextInput(attrs={"placeholder": "00:00", "size": 8}),
    )  # fmt: skip
    allowed_cidrs = LinesField(
        label="Addresses it may call from",
        help_text="One network a line, such as 203.0.113.0/24. None: from anywhere.",
    )
    allowed_models = LinesField(
        label="Models it may use", help_text="One a line. None: every model."
    )
    purposes_rule = forms.CharField(
        label="Purposes it may claim", required=False,
        widget=forms.Select(choices=RULES),
    )  # fmt: skip
    purposes = LinesField(label="Only these purposes", help_text="One a line. None: no purpose.")
    metadata = LinesField(
        label="Metadata", help_text="One name=value a line, for your own use. 2 KiB in all."
    )

    def __init__(
        self, data: Any = None, *, scopes: Sequence[Scope], owners: Sequence[Membership],
        held: Collection[str] = (), limits: Sequence[Mapping[str, Any]] = (), **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(data, **kwargs)
        self.offers, self.held = scopes, held
        self.limits = LimitRows(data, limits)
        if len(owners) <= OWNERS:
            people = [(m.id, f"{m.person.name}, {m.get_role_display().lower()}") for m in owners]
            self.fields["owner"].widget = forms.Select(choices=[("", "Choose a person"), *people])
        else:
            self.fields["owner"].help_text = "The id of a membership, mem_…, of an active person."

    def boxes(self) -> list[ScopeBox]:
        """The Api's scopes, to be ticked."""
        ticked = self["scopes"].value() or []
        return [
            ScopeBox(scope, scope.name in ticked, scope.risk != "high" or scope.name in self.held)
            for scope in self.offers
        ]

    def read(self, parse: Callable[[dict[str, Any]], T], body: dict[str, Any]) -> T:
        """What `parse` makes of `body`; raises Refusal for its faults and the form's own at once.

        Only faults of members that `body` names count: the rest is not being changed.
        """
        faults = self.faults(body)
        try:
            read = parse(body)
        except Refusal as refusal:
            named = {error["pointer"] for error in faults.errors}
            faults.errors += [dict(e) for e in refusal.errors if e["pointer"] not in named]
        faults.settle()
        return read

    def faults(self, body: Mapping[str, Any]) -> Faults:
        """What only a form can get wrong."""
        faults = Faults()
        if body.get("owner") == "":
            faults.add("/owner", "Choose who answers for the key.")
        if self.cleaned_data["purposes_rule"] not in dict(RULES):
            faults.add("/purposes_rule", "Choose which purposes.")
        if "expires_at" in body or self._typed("expiry", "expires_on", "expires_time"):
            faults.add("/expires_at", self._fault_of_end())
        if "metadata" in body or self._typed("metadata"):
            self._judge_metadata(faults)
        return faults

    def _typed(self, *names: str) -> bool:
        """Whether any of these was typed otherwise than it stood there, right or not."""
        return any(self.cleaned_data[name] != self.initial.get(name, "") for name in names)

    def _judge_metadata(self, faults: Faults) -> None:
        names = set()
        for place, line in enumerate(self.cleaned_data["metadata"]):
            pair = _pair(line)
            if pair is None:
                faults.add(f"/metadata/{place}", "A line such as team=payments is needed.")
            elif pair[0] in names:
                faults.add(f"/metadata/{place}", "This name stands twice.")
            names.add(pair and pair[0])

    def _fault_of_end(self) -> str | None:
        choice, day = self.cleaned_data["expiry"], self.cleaned_data["expires_on"]
        time, stood = self.cleaned_data["expires_time"], self.initial.get
        if choice not in dict(PRESETS):
            return "Choose when it ends."
        if choice == "on" and not day:
            return "Choose the day."
        other = day not in ("", stood("expires_on")) or time not in ("", stood("expires_time"))
        if choice != "on" and other:
            return "A day is given below: choose “On the day below”, or take it out."
        return None

    def body(self) -> dict[str, Any]:
        """What was typed, as REST takes it."""
        return body_of(self.cleaned_data, self.limits.shapes())

    def clean(self) -> dict[str, Any] | None:
        """As every form; the limits' rows are sent with their number."""
        if self.limits.missing:
            self.add_error(None, "The form came without its limits. Reload the page.")
        return super().clean()

    def is_valid(self) -> bool:
        """Whether it can be read at all: no NUL anywhere."""
        return self.limits.good() & super().is_valid()

    def blame(self, refusal: Refusal) -> None:
        """As every form, and beside the limits' fields too."""
        if not refusal.errors:
            super().blame(refusal)
        # Read once: the first error of a field takes its value away.
        scopes = self.cleaned_data.get("scopes", [])
        for error in refusal.errors:
            name, _, rest = error["pointer"].lstrip("/").partition("/")
            if name == "scopes" and rest.isdecimal() and int(rest) < len(scopes):
                self.add_error("scopes", f"{scopes[int(rest)]}: {error['detail']}")
            else:
                self._blame(name, rest, error["detail"], error)
        if not self.errors:
            self.add_error(None, "Nothing was saved. See what is marked among the limits.")
        self.refusal_code = refusal.code

    def _blame(self, name: str, rest: str, detail: str, error: Mapping[str, str]) -> None:
        if name == "limits" and self.limits.blame(rest, detail):
            return
        if name == "expires_at":
            chosen = self["expiry"].value() == "on"
            self.add_error("expires_on" if chosen else "expiry", detail)
        elif name == "metadata":
            self.add_error("metadata", _of_metadata(rest, detail))
        else:
            super().blame(Refusal("REQUEST_INVALID", errors=[error]))


def body_of(typed: Mapping[str, Any], limits: list[dict[str, Any]]) -> dict[str, Any]:
    """The form's fields as the members of a key that may be changed."""
    return {
        "name": typed["name"],
        "owner": typed["owner"],
        "scopes": typed["scopes"],
        "limits": limits,
        "allowed_cidrs": typed["allowed_cidrs"],
        "allowed_models": typed["allowed_models"],
        "purposes": typed["purposes"] if typed["purposes_rule"] == "only" else None,
        "metadata": dict(pair for line in typed["metadata"] if (pair := _pair(line))),
        "expires_at": _end(typed),
    }


def _end(typed: Mapping[str, Any]) -> str | None:
    choice = typed["expiry"]
    if choice == "on":
        time = typed["expires_time"] or "00:00"
        return f"{typed['expires_on']}T{time}{':00' if time.count(':') == 1 else ''}Z"
    if choice in ("30", "90", "365"):
        return rfc3339(now().replace(microsecond=0) + dt.timedelta(days=int(choice)))
    return None


def _of_metadata(rest: str, detail: str) -> str:
    """The pointer names a line, where the form found the fault, or the member by its name."""
    if rest.isdecimal():
        return f"Line {int(rest) + 1}: {detail}"
    return f"{rest.replace('~1', '/').replace('~0', '~')}: {detail}" if rest else detail


def _pair(line: str) -> tuple[str, str] | None:
    """`name=value`, or in JSON `"na=me": "value"`; None for anything else."""
    if line.startswith('"'):
        try:
            ((name, value),) = json.loads(f"{{{line}}}").items()
        except (ValueError, RecursionError):
            return None
        return (name, value) if isinstance(value, str) else None
    name, sign, value = line.partition("=")
    return (name.strip(), value.strip()) if sign and name.strip() else None


def line_of(name: str, value: str) -> str:
    """A member of metadata as a line that reads back as what it is."""
    line = f"{name}={value}"
    quoted = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
    return line if _pair(line) == (name, value) else quoted
