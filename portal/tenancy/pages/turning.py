"""Pages that turn something on or off, for a reason: suspend, resume, disable, enable."""

from typing import Any, ClassVar

from django import forms

from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import WritingPage


class Why(Form):
    """A reason, which the ledger keeps."""

    reason = forms.CharField(
        label="Reason", required=False, help_text="1 to 512 characters. The ledger keeps it."
    )


class TurnPage(WritingPage):
    """Subclasses say what is turned, what it costs, and which verb does it."""

    needs = "tenants:read"
    changes = "tenants:write"
    form_class: ClassVar[type[Form]] = Why
    template = "tenancy/turn.html"

    heading: ClassVar[str]
    price: ClassVar[str]
    words: ClassVar[tuple[str, ...]]
    button: ClassVar[str]
    keep: ClassVar[str]
    danger: ClassVar[bool] = True
    already: ClassVar[str]
    """What is said when there is nothing left to turn."""

    def turned(self) -> bool:
        """Whether it is so already: then the page only says that."""
        raise NotImplementedError

    def more(self) -> list[str]:
        """What else it costs, as things stand. Inside the scope."""
        return []

    def context(self) -> dict[str, Any]:
        return {**super().context(), "turned": self.turned(), "more": self.more()}

    def done(self, words: str = "") -> str:
        """What is told after the verb: someone may have been first."""
        return self.already.format(self.named()) if self.turned() else words.format(self.named())

    def title(self) -> str:
        """The page's question."""
        return self.heading.format(self.named())

    def named(self) -> str:
        """What it is called on the page."""
        raise NotImplementedError

    def back(self) -> str:
        """Where it is shown."""
        raise NotImplementedError
