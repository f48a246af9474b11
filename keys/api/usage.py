"""Usage: decisions and granted units, by hour, key and code."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from keys.usage import DIMENSIONS, MOST, usage_of
from portal.tenancy.described import described, query
from portal.tenancy.listing import moment, refuse_parameter
from portal.tenancy.rest import TenantView
from portal.tenancy.schema import MOMENT, ref
from portal.tenancy.scope import tenant_scope


class Usage(TenantView):
    """`/v1/tenants/<tenant>/usage`."""

    actions: ClassVar[dict[str, str]] = {"GET": "usage:read"}
    parameters = frozenset({"since", "until", "key", "group"})
    listed = "usage"

    @described(
        "usage_read",
        "Read usage",
        tag="usage",
        needs="usage:read",
        description=(
            "Decisions from `since` on and before `until`, at most 31 days; the last 24 hours"
            f" unless given. Hours count from their beginning (UTC). More than {MOST} rows are"
            " refused: ask for less time or group by less. What was decided in the last seconds"
            " may not be counted yet."
        ),
        answers={200: ("All rows; `next` is null.", ref("UsagePage"))},
        parameters=[
            query("since", "A date-time with its offset.", MOMENT),
            query("until", "A date-time with its offset.", MOMENT),
            query("key", "Of this key alone, `key_…`."),
            query("group", "Some of `hour,key,code`, by comma; all unless given."),
        ],
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """Read usage."""
        given = self.asked()
        since, until = moment(given, "since"), moment(given, "until")
        group = tuple(given["group"].split(",")) if "group" in given else DIMENSIONS
        with tenant_scope(self.tenant_id):
            rows = usage_of(
                tenant_id=self.tenant_id,
                since=since,
                until=until,
                key_id=given.get("key"),
                group=group,
            )
        if len(rows) >= MOST:
            refuse_parameter("since", f"More than {MOST} rows: ask for less time or group by less.")
        return Response({"results": rows, "next": None})
