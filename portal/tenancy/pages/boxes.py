"""Check boxes: several values of one field, judged like everything else by the verb."""

from collections.abc import Iterable
from typing import Any

from django import forms


class Boxes(forms.CheckboxSelectMultiple):
    """Boxes whose template also sends an empty value: none ticked is not the same as not sent."""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data


class Box(forms.CheckboxInput):
    """One box, whose template also sends an empty value, for the same reason."""

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name)


class Tick(forms.BooleanField):
    """One box: ticked or not, and nothing else."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=Box, **kwargs)

    def clean(self, value: Any) -> bool:
        """Whether it was ticked."""
        if value not in (None, "", "on"):
            raise forms.ValidationError("Tick it or leave it.")
        return bool(value == "on")


class Ticked(forms.Field):
    """The values of the boxes that were ticked, none of them required."""

    def __init__(self, *, choices: Iterable[tuple[str, str]] = (), **kwargs: Any) -> None:
        kwargs.setdefault("widget", Boxes(choices=list(choices)))
        super().__init__(required=False, **kwargs)

    def clean(self, value: Any) -> list[str]:
        """All that were sent."""
        ticked = [str(each) for each in value or [] if each]
        if any("\0" in each for each in ticked):
            raise forms.ValidationError("Null characters are not allowed.")
        return ticked
