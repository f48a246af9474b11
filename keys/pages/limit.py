"""One limit: what is left of it, how it burns down, and which keys count on it."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from audit.ledger.reading import entries
from keys.burning import Burn, burn, foreseen, window_of
from keys.changing import FINAL
from keys.hours import granted_of
from keys.models import KeyLimit, Limit
from keys.pages.limits import Left, left_of
from keys.remaining import remaining_of_limits
from portal.core.clock import now
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.writing import steps_of
from portal.tenancy.permission import found, within

SHOWN: Final = 20
"""Keys that the page names."""
SUMMED: Final = 100
"""Keys whose hours are summed up for the course; of more, the way to now is drawn straight."""
LATEST: Final = 5


class OneLimit(Page):
    """`/t/<slug>/limits/<id>/` and `/admin/limits/<id>/`."""

    needs = "limits:read"
    section = "limits"
    template = "keys/limit.html"
    limit_id: str

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.limit_id = kwargs["id"]
        return self.show()

    def context(self) -> dict[str, Any]:
        limits = within(self.actor, Limit.objects.select_related("key", "tenant"))
        limit = found(limits, self.limit_id)
        links = KeyLimit.objects.filter(tenant_id=limit.tenant_id, limit=limit)
        usable = links.exclude(key__state__in=FINAL).select_related("key")
        keys = [link.key for link in usable.order_by("key__name", "key_id")[: SHOWN + 1]]
        count = len(keys) if len(keys) <= SHOWN else usable.count()
        known = remaining_of_limits([limit])
        left = left_of(known[limit.id]) if known else None
        told = left.burn if left else None
        return {
            "limit": limit, "left": left, "keys": keys[:SHOWN], "count": count,
            "burn": course(limit, left) if count <= SUMMED else told,
            "straight": STRAIGHT if told and count > SUMMED else "",
            "history": self.history(limit), "id": limit.id,
            "may_change": limit.key_id is None and self.may("limits:write"),
            "may_edit_key": limit.key_id is not None and self.may("keys:write"),
        }  # fmt: skip

    def history(self, limit: Limit) -> Any:
        """Its latest entries, for who may read the ledger."""
        if not self.may("audit:read"):
            return None
        return steps_of(entries(tenant=limit.tenant_id, target=limit.id)[:LATEST])


STRAIGHT: Final = (
    f"More than {SUMMED} keys count on it: what is left is exact, the way to it is drawn straight."
)


def course(limit: Limit, left: Left | None) -> Burn | None:
    """The present window with its course, if it is one that burns down and anyone knows."""
    if left is None or not foreseen(left.limit):
        return None
    since = window_of(limit.window, now()).start
    return burn(left.limit, granted_of(limit.tenant_id, limit.id, limit.unit, since))
