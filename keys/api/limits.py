"""Limits: list and read all of a tenant's, change those that its keys share."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from keys.access import access_limit
from keys.definitions import parse_limit_patch
from keys.limits import change_shared_limit
from keys.models import Limit
from keys.representation import represent_limit
from portal.tenancy.described import (
    CONDITIONAL,
    CURSOR,
    IF_MATCH,
    LIMIT,
    PATCHES,
    WRITING,
    described,
    object_id,
    query,
)
from portal.tenancy.listing import Cursors, choice, page
from portal.tenancy.preconditions import etag
from portal.tenancy.rest import PATCH_PARSERS, TenantView
from portal.tenancy.schema import ref
from portal.tenancy.scope import tenant_scope

SHARED_BY = ("key", "tenant")


class Limits(TenantView):
    """`/v1/tenants/<tenant>/limits`."""

    actions: ClassVar[dict[str, str]] = {"GET": "limits:read"}
    parameters = frozenset({"shared_by", "key", "cursor", "limit"})
    listed = "limits"

    @described(
        "limits_list",
        "List limits",
        tag="limits",
        needs="limits:read",
        description="Keys' own and shared ones, the newest first.",
        answers={200: ("A page of limits.", ref("LimitPage"))},
        parameters=[
            query(
                "shared_by",
                "`tenant`: those that keys share; `key`: those of one key.",
                {"type": "string", "enum": list(SHARED_BY)},
            ),
            query("key", "Those of this key alone, `key_…`."),
            CURSOR,
            LIMIT,
        ],
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """List limits."""
        given = self.asked()
        rows = Limit.objects.filter(tenant_id=self.tenant_id)
        if shared_by := choice(given, "shared_by", SHARED_BY):
            rows = rows.filter(key__isnull=shared_by == "tenant")
        if "key" in given:
            rows = rows.filter(key_id=given["key"])
        with tenant_scope(self.tenant_id):
            limits, following = page(rows, given, Cursors(self.tenant_id, self.listed))
        results = [represent_limit(limit) for limit in limits]
        return Response({"results": results, "next": following})


class OneLimit(TenantView):
    """`/v1/tenants/<tenant>/limits/<id>`."""

    actions: ClassVar[dict[str, str]] = {"GET": "limits:read", "PATCH": "limits:write"}
    listed = "limits"
    parser_classes = PATCH_PARSERS
    limit: Limit

    def find(self, object_id: str) -> None:
        """The limit, of this tenant."""
        self.limit = access_limit(self.actor, object_id)

    @described(
        "limits_read",
        "Read a limit",
        tag="limits",
        needs="limits:read",
        answers={200: ("The limit.", ref("LimitRow"))},
        parameters=[object_id("limit")],
        tagged=True,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """Read a limit."""
        self.asked()
        return Response(represent_limit(self.limit), headers={"ETag": etag(self.limit.version)})

    @described(
        "limits_change",
        "Change a shared limit",
        tag="limits",
        needs="limits:write",
        description=(
            "For every key that shares it; what was counted stays counted. One key's own limit is"
            " changed with its key: here it is `CONFLICT`."
        ),
        body=ref("LimitPatch"),
        media=PATCHES,
        answers={200: ("The limit as it is now.", ref("ChangedLimit"))},
        parameters=[object_id("limit"), IF_MATCH],
        problems=(*WRITING, *CONDITIONAL, "CONFLICT"),
        tagged=True,
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """Change a shared limit."""
        expected = self.expected(self.limit.version)
        changed = change_shared_limit(
            actor=self.actor,
            limit_id=self.limit.id,
            expected_version=expected,
            patch=parse_limit_patch(self.body()),
        )
        body = {"limit": represent_limit(changed.limit), "propagation": changed.propagation}
        return Response(body, headers={"ETag": etag(changed.limit.version)})
