"""Which route of an Api a request takes, asked of the decision's own table."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from keys.decision.routes import Route, RouteTable
from portal.core.paths import is_plain
from portal.tenancy.models import Api
from portal.tenancy.pages.api import api_of
from portal.tenancy.pages.page import Page

LONGEST: Final = 4_096
"""Bytes of a path that a check reads (CONTRACT.md)."""
SHAPE: Final = "A method and a path are needed, such as GET /v1/models."
NONE: Final = "No route of the API matches. A route for it would have to name its method and path."
CASE: Final = "Methods are told apart by case, and this one is not in capitals."
SUSPICIOUS: Final = (
    "Two programs could read this path differently (//, dot segments, %2f, %5c, %00, ; or \\),"
    " so it is refused whatever the routes say."
)


class RouteTest(Page):
    """`/admin/apis/<id>/try/?request=POST+/v1/chat/completions`."""

    needs = "apis:read"
    section = "apis"
    template = "keys/api_try.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The question, and with one asked the answer."""
        self.api = self.seen(lambda: api_of(kwargs["id"]))
        asked = request.GET.get("request", "").strip()
        told = {"api": self.api, "asked": asked[:LONGEST], "fault": fault_of(asked)}
        if asked and not told["fault"]:
            told |= self.seen(lambda: answer(self.api, *asked.split(maxsplit=1)))
        return self.show(told, status=400 if told["fault"] else 200)


def fault_of(asked: str) -> str:
    """What is wrong with a request as it was typed; empty for none, and for nothing typed."""
    if not asked:
        return ""
    if len(asked) > LONGEST:
        return f"A path is at most {LONGEST:,} bytes."
    return "" if len(asked.split(maxsplit=1)) == 2 else SHAPE


def answer(api: Api, method: str, path: str) -> dict[str, Any]:
    """The route that a check would take, or why there is none. Inside the scope."""
    table = RouteTable([
        Route(r.method, r.pattern, tuple(r.scopes), r.default_purpose, r.consent_required)
        for r in api.routes.all()
    ])  # fmt: skip
    route, bare = table.find(method, path), path.partition("?")[0]
    why = NONE
    if not bare.startswith("/") or not is_plain(bare):
        why = SUSPICIOUS
    elif method != method.upper() and table.find(method.upper(), path):
        why = CASE
    return {"answer": True, "route": route, "why": why}
