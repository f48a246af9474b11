"""`GET /v1/tenants/<tenant>/audit/events`: the tenant's own ledger, for its programs."""

from typing import Any, ClassVar, Final

from rest_framework.request import Request
from rest_framework.response import Response

from audit.ledger.events import BY_TYPE
from audit.ledger.reading import beyond, entries, shown
from portal.tenancy.described import CURSOR, LIMIT, described, query
from portal.tenancy.listing import Cursors, Place, choice, moment, page_size
from portal.tenancy.rest import TenantView
from portal.tenancy.schema import MOMENT, Schema, a_page, maybe, ref, shape, text
from portal.tenancy.scope import tenant_scope

SIDE: Final[Schema] = maybe(
    {
        "type": "object",
        "additionalProperties": True,
        "description": "Governed columns that differ; null where there is no such side, or erased.",
    }
)
COMPONENTS: Final[Schema] = {
    "AuditEvent": shape(
        {
            "id": text(),
            "seq": maybe(
                {"type": "integer", "description": "Its place in the log, once it has one."}
            ),
            "type": text("What happened, such as `key.issued`."),
            "sentence": text("In words. What was erased is told by its id."),
            "occurred_at": MOMENT,
            "actor": shape(
                {
                    "kind": text(enum=["user", "service", "system", "gateway"]),
                    "id": text(),
                    "label": maybe(text("Its name at that time; null once erased.")),
                }
            ),
            "target": shape(
                {
                    "type": text(),
                    "id": text(),
                    "label": maybe(text("Its name at that time; null once erased.")),
                }
            ),
            "outcome": text(enum=["success", "denied", "error"]),
            "request_id": maybe(text("The `X-Request-Id` of the request that did it.")),
            "before": SIDE,
            "after": SIDE,
        },
        description="An entry of the ledger.",
    ),
    "AuditEventPage": a_page(ref("AuditEvent")),
}


class AuditEvents(TenantView):
    """`/v1/tenants/<tenant>/audit/events`."""

    actions: ClassVar[dict[str, str]] = {"GET": "audit:read"}
    parameters = frozenset(
        {"type", "actor", "target", "request_id", "since", "until", "cursor", "limit"}
    )
    listed = "audit"

    @described(
        "audit_events_list",
        "List ledger entries",
        tag="audit",
        needs="audit:read",
        description=(
            "Of this tenant, the newest first. What belongs to the platform alone, such as people's"
            " sign-ins, is not among them."
        ),
        answers={200: ("A page of entries.", ref("AuditEventPage"))},
        parameters=[
            query("type", "Of this type, such as `key.issued`; an unknown one is refused."),
            query("actor", "Done by whom has this id."),
            query("target", "Done to what has this id."),
            query("request_id", "Of one request, by its `X-Request-Id`."),
            query("since", "At this moment or later.", MOMENT),
            query("until", "Before this moment.", MOMENT),
            CURSOR,
            LIMIT,
        ],
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """List ledger entries."""
        given = self.asked()
        cursors = Cursors(self.tenant_id, self.listed)
        size, place = page_size(given), cursors.read(given)
        with tenant_scope(self.tenant_id):
            rows = entries(
                tenant=self.tenant_id, type=choice(given, "type", sorted(BY_TYPE)),
                actor=given.get("actor"), target=given.get("target"),
                request_id=given.get("request_id"),
                since=moment(given, "since"), until=moment(given, "until"),
            )  # fmt: skip
            found = list((beyond(rows, place) if place else rows)[: size + 1])
            results = [shown(entry) for entry in found[:size]]
        following = None
        if len(found) > size:
            last = found[size - 1]
            following = cursors.write(Place(last.occurred_at, last.id))
        return Response({"results": results, "next": following})
