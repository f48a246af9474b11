"""Replace an Api's routes: a text with one route a line, what that changes, and saving it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.http import HttpResponse

from portal.core.refusals import Faults, Refusal
from portal.tenancy.apis import replace_routes
from portal.tenancy.definitions import RouteDefinition, check_routes
from portal.tenancy.pages.api_definition import DefinitionPage, Line, routes_of
from portal.tenancy.pages.forms import Form
from portal.tenancy.pages.route_lines import Read, lines_of, needs, read, written
from portal.tenancy.pages.writing import tell

LONGEST: Final = 500_000
"""Characters of the text: a thousand long routes."""
TOLD: Final = 20
"""Lines that are wrong and said to be."""


class RoutesForm(Form):
    """All routes, as text."""

    routes = forms.CharField(
        label="Routes", required=False, strip=False,
        widget=forms.Textarea(
            attrs={"rows": 18, "class": "mono", "spellcheck": "false", "wrap": "off"}
        ),
        help_text=(
            "One a line: METHOD /path, the scopes that it needs, then purpose=name and the word"
            " consent if they are wanted. * is one segment or any method, a final /** any rest."
        ),
    )  # fmt: skip

    def blame(self, refusal: Refusal) -> None:
        """By line; pointers are `/routes/<line, from 0>/…`."""
        self.refusal_code = refusal.code
        if not refusal.errors:
            return super().blame(refusal)
        for error in refusal.errors[:TOLD]:
            line = error["pointer"].lstrip("/").split("/")[1:2]
            place = f"Line {int(line[0]) + 1}: " if line else ""
            self.add_error("routes", f"{place}{error['detail']}")
        if more := len(refusal.errors[TOLD:]):
            self.add_error("routes", f"And {more} more.")
        return None


class Routes(DefinitionPage):
    """`/admin/apis/<id>/routes/`."""

    template = "tenancy/api_routes.html"
    confirm = "tenancy/api_routes_confirm.html"
    form_class = RoutesForm

    def initial(self) -> Mapping[str, Any]:
        return {"routes": lines_of(routes_of(self.api))}

    def context(self) -> dict[str, Any]:
        names = self.api.scopes.order_by("name").values_list("name", flat=True)
        return {**super().context(), "names": list(names)}

    def judge(self, form: Form) -> dict[str, Any]:
        asked = read_all(form.cleaned_data["routes"])
        faults = Faults()
        check_routes(faults, asked.routes, set(self.api.scopes.values_list("name", flat=True)))
        asked.faults.errors += [by_line(error, asked.numbers) for error in faults.errors]
        asked.faults.errors.sort(key=_line_of)
        asked.faults.settle()
        if self.stale():
            raise Refusal("PRECONDITION_FAILED")
        return difference(routes_of(self.api), asked.routes)

    def save(self, form: Form) -> HttpResponse:
        asked = read_all(form.cleaned_data["routes"])
        propagation = replace_routes(
            actor=self.actor, api_id=self.api.id, tenant_id=self.api.tenant_id,
            routes=asked.routes, expected_definition=self.expected,
        )  # fmt: skip
        words = f"{self.api.name} has {len(asked.routes)} routes now. The next check goes by them."
        tell(self.request, words, propagation)
        return self.to("api", self.api.id)


def read_all(text: str) -> Read:
    """The lines, if there are not far too many of them to look at."""
    if len(text) > LONGEST:
        detail = f"This is too long: {LONGEST:,} characters are taken."
        raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "/routes"}])
    return read(text)


def by_line(error: Mapping[str, str], numbers: Sequence[int]) -> dict[str, str]:
    """A fault of the n-th route as one of its line."""
    _, name, *rest = error["pointer"].split("/")
    if rest:
        rest[0] = str(numbers[int(rest[0])] - 1)
    return {**error, "pointer": "/".join(["", name, *rest])}


def _line_of(error: Mapping[str, str]) -> int:
    rest = error["pointer"].split("/")[2:3]
    return int(rest[0]) if rest else -1


def difference(
    before: Sequence[RouteDefinition], after: Sequence[RouteDefinition]
) -> dict[str, Any]:
    """What differs, and how many routes go, come and change."""
    held = {(r.method, r.pattern): r for r in before}
    wanted = {(r.method, r.pattern): r for r in after}
    gone = [r for name, r in held.items() if name not in wanted]
    new = [r for name, r in wanted.items() if name not in held]
    changed = [
        (held[name], r) for name, r in wanted.items() if name in held and not _same(held[name], r)
    ]
    lines = [
        *(Line("", "Removed", "warn", written(route), "") for route in gone),
        *(Line("", "Changed", "half", written(old), written(route)) for old, route in changed),
        *(Line("", "Added", "info", "", written(route)) for route in new),
    ]
    return {
        "lines": lines, "gone": len(gone), "changed": len(changed), "new": len(new),
        "none": bool(before) and not after,
    }  # fmt: skip


def _same(one: RouteDefinition, other: RouteDefinition) -> bool:
    return set(one.scopes) == set(other.scopes) and needs(_bare(one)) == needs(_bare(other))


def _bare(route: RouteDefinition) -> RouteDefinition:
    return RouteDefinition("", "", (), route.default_purpose, route.consent_required)
