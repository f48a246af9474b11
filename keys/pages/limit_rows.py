"""The rows of a form in which a key's limits are typed, and how they are read."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms

from keys.definitions import MOST_LIMITS
from keys.models import Limit
from portal.core.templatetags.countersign import a
from portal.tenancy.pages.forms import Form

SHOWN: Final = 3
"""Empty rows at first, and with every "Add rows"."""
SHARED: Final = (("key", "this key"), ("tenant", "the tenant's keys"))
COUNT: Final = "rows"


def _input(label: str, size: int, **attributes: str) -> forms.TextInput:
    return forms.TextInput(attrs={"aria-label": label, "size": size, **attributes})


def _select(label: str, choices: Sequence[tuple[Any, Any]]) -> forms.Select:
    return forms.Select(attrs={"aria-label": label}, choices=list(choices))


class LimitRow(Form):
    """One limit, as text."""

    name = forms.CharField(required=False, widget=_input("Name of the limit", 12))
    amount = forms.CharField(required=False, widget=_input("Amount", 11, inputmode="numeric"))
    unit = forms.CharField(required=False, widget=_input("Unit", 9))
    window = forms.CharField(
        required=False, widget=_select("Window", [(w, a(w)) for w in Limit.Window.values])
    )
    algorithm = forms.CharField(
        label="Counting",
        required=False,
        widget=_select("Counting", [(each, each) for each in Limit.Algorithm.values]),
    )
    burst = forms.CharField(required=False, widget=_input("Burst", 8, inputmode="numeric"))
    shared_by = forms.CharField(
        label="Counted for", required=False, widget=_select("Counted for", SHARED)
    )

    @property
    def empty(self) -> bool:
        """Whether nothing was typed that names a limit."""
        return not any(self.cleaned_data.get(name) for name in ("name", "amount", "burst"))

    def shape(self) -> dict[str, Any]:
        """The limit as REST takes it (CONTRACT.md, Limit)."""
        typed = self.cleaned_data
        shape = {name: typed.get(name, "") for name in self.fields if name != "burst"}
        shape["amount"] = number(shape["amount"])
        if typed.get("burst"):
            shape["burst"] = number(typed["burst"])
        return shape


def number(text: str) -> int | str:
    """`600,000` as a number; what is none stays as it is, for the parser to refuse."""
    plain = text.replace(",", "").replace("_", "").replace(" ", "")
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 20 else text


def typed_of(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A limit as its row shows it. A burst that equals the amount follows it."""
    burst = shape.get("burst")
    return {**shape, "burst": "" if burst in (None, shape["amount"]) else burst}


EMPTY: Final = {"unit": "requests", "window": "day", "algorithm": "calendar", "shared_by": "key"}


class LimitRows:
    """All rows of one form."""

    def __init__(self, data: Any = None, limits: Sequence[Mapping[str, Any]] = ()) -> None:
        self.missing = data is not None and not _number(data.get(COUNT, ""))
        """Whether a form was sent that says nothing of limits: not even that there are none."""
        if data is None:
            typed = [typed_of(limit) for limit in limits]
            empty = min(SHOWN, MOST_LIMITS - len(typed))
            self.rows = [
                LimitRow(prefix=f"limits-{place}", initial=values)
                for place, values in enumerate([*typed, *[EMPTY] * empty])
            ]
        else:
            held, more = _count(data.get(COUNT, "")), SHOWN if "add" in data else 0
            count = min(held + more, MOST_LIMITS)
            self.rows = [_sent(data, place, new=place >= held) for place in range(count)]

    @property
    def full(self) -> bool:
        """Whether there is room for no more."""
        return len(self.rows) >= MOST_LIMITS

    def _filled(self) -> list[LimitRow]:
        return [row for row in self.rows if row.is_valid() and not row.empty]

    def shapes(self) -> list[dict[str, Any]]:
        """The limits that were typed. Of rows that were sent."""
        return [row.shape() for row in self._filled()]

    def good(self) -> bool:
        """Whether every row can be read at all."""
        return all([row.is_valid() for row in self.rows])

    def blame(self, rest: str, detail: str) -> bool:
        """Put an error beside its field; `rest` is what follows `/limits/`. False: there is none.

        Places count the rows that were filled in.
        """
        place, _, member = rest.partition("/")
        filled = self._filled()
        if not place.isdecimal() or int(place) >= len(filled):
            return False
        row = filled[int(place)]
        row.add_error(member if member in row.fields else None, detail)
        return True


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4


def _count(text: str) -> int:
    return max(1, min(int(text), MOST_LIMITS)) if _number(text) else SHOWN


def _sent(data: Any, place: int, *, new: bool) -> LimitRow:
    prefix = f"limits-{place}"
    empty = {**dict.fromkeys(LimitRow.base_fields, ""), **EMPTY}
    held = {f"{prefix}-{name}": value for name, value in empty.items()} if new else data
    return LimitRow(held, prefix=prefix)
