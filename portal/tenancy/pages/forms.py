"""Pages with a form: what was typed stays, what is wrong stands beside its field.

A form only carries text. What is right is judged where REST's input is judged, in the verb and its
parser: their refusal's pointers name the fields, which are called as the members are.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse

from portal.core.refusals import Refusal
from portal.tenancy.pages.page import Page

STATUS = {
    "CONFLICT": 409, "PRECONDITION_FAILED": 412, "FORBIDDEN": 403, "APPROVAL_REQUIRED": 403,
    "TOO_MANY_REQUESTS": 429,
}  # fmt: skip
NOT_SENT = "The form came without this field. Reload the page and send it again."
NOT_DONE = {
    "CONFLICT": "This was changed at the same time. Nothing was saved.",
    "FORBIDDEN": "Your role may look at this, not change it. Nothing was saved.",
    "APPROVAL_REQUIRED": "This needs a second signature. Nothing was saved.",
    "PRECONDITION_FAILED": "This was changed while you looked at it. Nothing was saved.",
}


class Form(forms.Form):
    """A form of ours: nothing is required by the browser, everything by the verb."""

    use_required_attribute = False
    refusal_code = "REQUEST_INVALID"
    """Of the refusal, for who wants to look it up."""
    template_name = "parts/form.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any] | None:
        """What the page has and was not sent is not empty: nobody emptied it."""
        for name, field in self.fields.items():
            sent_as = self.add_prefix(name)
            omitted = field.widget.value_omitted_from_data(self.data, self.files, sent_as)
            if omitted and not field.disabled:
                self.add_error(name, NOT_SENT)
        return super().clean()

    def blame(self, refusal: Refusal) -> None:
        """Put each error beside the field that it points at, the rest above the form."""
        self.refusal_code = refusal.code
        for error in refusal.errors:
            name, _, rest = error["pointer"].lstrip("/").partition("/")
            if name in self.fields:
                self.add_error(name, placed(error["detail"], rest))
            else:
                self.add_error(None, error["detail"])
        if not refusal.errors:
            self.add_error(None, refusal.detail or NOT_DONE.get(refusal.code, str(refusal.code)))


def placed(detail: str, rest: str) -> str:
    """`detail`, with the line of a list that it is about."""
    line = rest.partition("/")[0]
    return f"Line {int(line) + 1}: {detail}" if line.isdecimal() else detail


class LinesField(forms.CharField):
    """A list, one item a line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3, "class": "mono"}))
        super().__init__(required=False, strip=False, **kwargs)

    def clean(self, value: Any) -> list[str]:
        """The lines that say something."""
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        """A list as its lines."""
        return "\n".join(value) if isinstance(value, list | tuple) else value


class FormPage(Page):
    """A page with one form that calls one verb."""

    form_class: ClassVar[type[Form]]
    changes: ClassVar[str] = ""
    """The action that sending needs, if it is more than seeing the page."""

    def initial(self) -> Mapping[str, Any]:
        """What the empty form holds. Inside the scope."""
        return {}

    def form(self, data: Any = None) -> Form:
        """The form, with what was sent or what stands now."""
        return (
            self.form_class(data) if data is not None else self.form_class(initial=self.initial())
        )

    def context(self) -> dict[str, Any]:
        return {**super().context(), "form": self.form()}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Call the verb; a refusal of what was typed shows the form again."""
        form = self.form(request.POST)
        if not form.is_valid():
            return self.show({"form": form}, status=400)
        try:
            return self.act(form)
        except Refusal as refusal:
            if refusal.code == "NOT_FOUND":
                raise
            form.blame(refusal)
            return self.refused(form, refusal)

    def act(self, form: Form) -> HttpResponse:
        """Call the verb with what the form says, and go on."""
        raise NotImplementedError

    def refused(self, form: Form, refusal: Refusal) -> HttpResponse:
        """The form with what is wrong. Nothing was changed."""
        return self.show({"form": form}, status=STATUS.get(refusal.code, 400))
