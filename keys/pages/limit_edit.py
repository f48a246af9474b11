"""Change a limit that keys share: what was typed is shown as a difference first."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.http import HttpResponse

from audit.ledger.reading import entries
from audit.ledger.target import Target
from keys.access import access_limit, tenant_of_limit
from keys.definitions import LimitPatch, parse_limit_patch
from keys.limits import change_shared_limit, patched
from keys.models import Limit
from keys.pages.limit_rows import number
from keys.pages.limits import sharing
from keys.remaining import remaining_of_limits
from portal.core.refusals import Refusal
from portal.core.templatetags.countersign import a
from portal.tenancy.pages.difference import Line, Part
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.writing import ReviewedPage, steps_of, tell

LATEST: Final = 20


def _input() -> forms.TextInput:
    return forms.TextInput(attrs={"inputmode": "numeric", "size": 16})


class AmountForm(Form):
    """How much, as text."""

    amount = forms.CharField(label="Amount", required=False, widget=_input())


class BucketForm(AmountForm):
    """The same of a smooth limit."""

    burst = forms.CharField(
        label="Burst", required=False, widget=_input(),
        help_text="What may be used at once. Left empty: the amount.",
    )  # fmt: skip


class EditLimit(ReviewedPage):
    """`/t/<slug>/limits/<id>/edit/` and `/admin/limits/<id>/edit/`."""

    needs = "limits:read"
    changes = "limits:write"
    section = "limits"
    template = "keys/limit_edit.html"
    confirm = "keys/limit_edit_confirm.html"
    limit: Limit

    def find(self, id: str = "", **_: Any) -> None:
        tenant_id = tenant_of_limit(self.actor, id)
        self.limit = access_limit(self.actor, id, tenant_id=tenant_id)

    def aim(self) -> tuple[Target, str | None]:
        return Target("limit", self.limit.id, self.limit.name), self.limit.tenant_id

    def form(self, data: Any = None) -> Form:
        kind = BucketForm if self.limit.burst is not None else AmountForm
        return kind(data) if data is not None else kind(initial=self.initial())

    def initial(self) -> Mapping[str, Any]:
        limit = self.limit
        return {
            "amount": f"{limit.amount:,}",
            "burst": f"{limit.burst:,}" if limit.burst not in (None, limit.amount) else "",
        }

    def context(self) -> dict[str, Any]:
        return {
            **super().context(), "limit": self.limit,
            "count": sharing([self.limit]).get(self.limit.id, 0),
            "version": self.typed("version") or str(self.limit.version),
        }  # fmt: skip

    def version(self) -> int:
        """The version that the form was opened with; 0 if what was sent is none."""
        text = self.typed("version")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

    def judge(self, form: Form) -> dict[str, Any]:
        limit = self.limit
        if limit.key_id is not None:
            raise Refusal("CONFLICT", "This limit is one key's own: change it with the key.")
        if self.version() != limit.version:
            raise Refusal("PRECONDITION_FAILED")
        after = patched(limit, patch_of(form))
        lines = difference(limit, after)
        return {
            "lines": lines, "narrows": any(line.narrows for line in lines),
            "widens": any(line.widens for line in lines), "spent": spent(limit, after["amount"]),
        }  # fmt: skip

    def save(self, form: Form) -> HttpResponse:
        changed = change_shared_limit(
            actor=self.actor, limit_id=self.limit.id, expected_version=self.version(),
            patch=patch_of(form),
        )  # fmt: skip
        words = f"{changed.limit.name} was changed for all its keys. The next check goes by it."
        tell(self.request, words, changed.propagation)
        return self.to("limit", self.limit.id)

    def meanwhile(self) -> dict[str, Any]:
        rows = entries(tenant=self.limit.tenant_id, target=self.limit.id)
        later = rows.filter(object_version__gt=self.version())[:LATEST] if self.version() else []
        self.limit.refresh_from_db()
        return {"meanwhile": steps_of(later), "version": str(self.limit.version)}


def patch_of(form: Form) -> LimitPatch:
    """What was typed, read as REST's is; raises Refusal. An empty burst is the amount."""
    typed = {name: number(text) for name, text in form.cleaned_data.items()}
    if typed.get("burst") == "":
        typed["burst"] = typed["amount"]
    return parse_limit_patch(typed)


def difference(limit: Limit, after: Mapping[str, int | None]) -> list[Line]:
    """The sizes that differ."""
    of = f"{limit.unit} {a(limit.window)}"
    sizes = [
        ("Amount", limit.amount, after["amount"], of),
        ("Burst", limit.burst, after["burst"], f"{limit.unit} at once"),
    ]
    return [
        Line(label, [f"{old:,} {words}"], [Part("del", f"{old:,} {words}"),
             Part("ins", f"{new:,} {words}")], new < old, new > old)
        for label, old, new, words in sizes
        if old is not None and new is not None and old != new
    ]  # fmt: skip


def spent(limit: Limit, amount: int | None) -> int:
    """What of the new amount is gone already, if that is all of it; else 0. A calendar limit's."""
    known = remaining_of_limits([limit])
    if not known or limit.algorithm != Limit.Algorithm.CALENDAR or amount is None:
        return 0
    used = limit.amount - known[limit.id].remaining
    return used if used >= amount else 0
