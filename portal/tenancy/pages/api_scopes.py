"""Change an Api's scopes: a row for each that there is, empty rows for new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.http import HttpResponse

from portal.core.refusals import Faults, Refusal
from portal.tenancy.apis import change_scopes
from portal.tenancy.definitions import MOST_SCOPES, ScopeDefinition, check_scopes
from portal.tenancy.models import Scope
from portal.tenancy.pages.api_definition import DefinitionPage, Line, scopes_of
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import tell

EMPTY: Final = 3
"""Empty rows at first, and with every "Add rows"."""
RISKS: Final = [("low", "Low risk"), ("high", "High risk")]


class ScopeRow(Form):
    """One scope, as text."""

    name = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"aria-label": "Name", "size": 20, "class": "mono"}),
    )
    risk = forms.CharField(
        required=False, widget=forms.Select(attrs={"aria-label": "Risk"}, choices=RISKS)
    )
    description = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"aria-label": "Description", "size": 40})
    )

    def __init__(self, *args: Any, held: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = held
        if held:
            self.fields["name"].widget = forms.HiddenInput()

    @property
    def empty(self) -> bool:
        """Whether nothing was typed."""
        return not (self.cleaned_data.get("name") or self.cleaned_data.get("description"))

    def definition(self) -> ScopeDefinition:
        """What was typed."""
        typed = self.cleaned_data
        return ScopeDefinition(typed["name"], typed["risk"], typed["description"])


class ScopesForm(Form):
    """All rows. `held` are the scopes that there are."""

    def __init__(self, data: Any = None, *, held: Sequence[ScopeDefinition]) -> None:
        super().__init__(data)
        names = {scope.name for scope in held}
        if data is None:
            self.rows = [_standing(place, scope) for place, scope in enumerate(held)]
            self.rows += _empty(len(held), EMPTY)
            return
        text = data.get("rows", "")
        sent = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0
        self.rows = [
            ScopeRow(data, prefix=f"s{n}", held=data.get(f"s{n}-name") in names)
            for n in range(min(sent, MOST_SCOPES))
        ]
        if "add" in data:
            self.rows += _empty(len(self.rows), EMPTY)

    def is_valid(self) -> bool:
        """Whether every row can be read at all."""
        return all([row.is_valid() for row in self.rows if row.is_bound]) & super().is_valid()

    def filled(self) -> list[ScopeRow]:
        """The rows that say something."""
        return [row for row in self.rows if row.is_bound and row.is_valid() and not row.empty]

    def definitions(self) -> list[ScopeDefinition]:
        """The scopes that were typed."""
        return [row.definition() for row in self.filled()]

    def blame(self, refusal: Refusal) -> None:
        """Beside the field of its row; places count the rows that say something."""
        self.refusal_code = refusal.code
        if not refusal.errors:
            super().blame(refusal)
        filled = self.filled()
        for error in refusal.errors:
            place, _, member = error["pointer"].removeprefix("/scopes").lstrip("/").partition("/")
            if place.isdecimal() and int(place) < len(filled) and member:
                filled[int(place)].add_error(member, error["detail"])
            else:
                self.add_error(None, error["detail"])
        if not self.errors:
            self.add_error(None, "Nothing was saved. See what is marked among the scopes.")


def _standing(place: int, scope: ScopeDefinition) -> ScopeRow:
    typed = {"name": scope.name, "risk": scope.risk, "description": scope.description}
    return ScopeRow(prefix=f"s{place}", held=True, initial=typed)


def _empty(begin: int, count: int) -> list[ScopeRow]:
    room = max(0, min(count, MOST_SCOPES - begin))
    new = {"risk": Scope.Risk.LOW}
    return [ScopeRow(prefix=f"s{begin + n}", held=False, initial=new) for n in range(room)]


class Scopes(DefinitionPage):
    """`/admin/apis/<id>/scopes/`."""

    template = "tenancy/api_scopes.html"
    confirm = "tenancy/api_scopes_confirm.html"

    def find(self, **kwargs: Any) -> None:
        super().find(**kwargs)
        self.held = scopes_of(self.api)

    def form(self, data: Any = None) -> Form:
        return ScopesForm(data, held=self.held)

    def judge(self, form: Form) -> dict[str, Any]:
        assert isinstance(form, ScopesForm)
        asked, faults = form.definitions(), Faults()
        check_scopes(faults, asked)
        faults.settle()
        if self.stale():
            raise Refusal("PRECONDITION_FAILED")
        return difference(self.held, asked)

    def save(self, form: Form) -> HttpResponse:
        assert isinstance(form, ScopesForm)
        propagation = change_scopes(
            actor=self.actor, api_id=self.api.id, tenant_id=self.api.tenant_id,
            scopes=form.definitions(), expected_definition=self.expected,
        )  # fmt: skip
        tell(self.request, f"The scopes of {self.api.name} were changed.", propagation)
        return self.to("api", self.api.id)


def difference(
    before: Sequence[ScopeDefinition], after: Sequence[ScopeDefinition]
) -> dict[str, Any]:
    """What differs. A scope that `after` leaves out stays as it is."""
    held: Mapping[str, ScopeDefinition] = {scope.name: scope for scope in before}
    lines = []
    for scope in after:
        old = held.get(scope.name)
        if old is None:
            lines.append(Line(scope.name, "Added", "info", "", _words(scope)))
        elif old != scope:
            lines.append(_changed(old, scope))
    turned = {s.risk for s in after if s.name in held and held[s.name].risk != s.risk}
    return {
        "lines": lines, "riskier": Scope.Risk.HIGH in turned, "milder": Scope.Risk.LOW in turned,
    }  # fmt: skip


def _changed(old: ScopeDefinition, new: ScopeDefinition) -> Line:
    lower = old.risk == Scope.Risk.HIGH and new.risk != old.risk
    only_words = replace(old, description=new.description) == new
    chip = "Lower risk" if lower else "Description" if only_words else "Higher risk"
    css = "warn" if lower else "" if only_words else "half"
    return Line(new.name, chip, css, _words(old), _words(new))


def _words(scope: ScopeDefinition) -> str:
    return f"{scope.risk} risk: {scope.description or 'no description'}"
