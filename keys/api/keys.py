"""Keys: list, create, read, change."""

from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from keys.access import access_key
from keys.changing import change_key
from keys.definitions import parse_key_patch, parse_new_key
from keys.issuing import issue_key
from keys.models import ApiKey
from keys.representation import represent_key, represent_keys
from portal.tenancy.described import (
    ALWAYS,
    CONDITIONAL,
    CURSOR,
    IDEMPOTENCY_KEY,
    IDEMPOTENT,
    IF_MATCH,
    LIMIT,
    PATCHES,
    WRITING,
    described,
    object_id,
    query,
)
from portal.tenancy.idempotency import once
from portal.tenancy.listing import Cursors, choice, page
from portal.tenancy.preconditions import etag
from portal.tenancy.rest import PATCH_PARSERS, TenantView, replayed
from portal.tenancy.schema import ref
from portal.tenancy.scope import tenant_scope


def chosen(tenant_id: str, given: dict[str, str]) -> QuerySet[ApiKey]:
    """The tenant's keys that the filters leave."""
    rows = ApiKey.objects.filter(tenant_id=tenant_id)
    if state := choice(given, "state", ApiKey.State.values):
        rows = rows.filter(state=state)
    if environment := choice(given, "environment", ApiKey.Environment.values):
        rows = rows.filter(environment=environment)
    if "owner" in given:
        rows = rows.filter(owner_id=given["owner"])
    if text := given.get("q"):
        rows = rows.filter(Q(name__icontains=text) | Q(id=text) | Q(secrets__kid=text)).distinct()
    return rows


class Keys(TenantView):
    """`/v1/tenants/<tenant>/keys`."""

    actions: ClassVar[dict[str, str]] = {"GET": "keys:read", "POST": "keys:write"}
    parameters = frozenset({"state", "environment", "owner", "q", "cursor", "limit"})
    listed = "keys"

    @described(
        "keys_list",
        "List keys",
        tag="keys",
        needs="keys:read",
        description="The newest first.",
        answers={200: ("A page of keys.", ref("KeyPage"))},
        parameters=[
            query("state", "Keys in this state.", {"type": "string", "enum": ApiKey.State.values}),
            query(
                "environment",
                "Keys of this environment.",
                {"type": "string", "enum": ApiKey.Environment.values},
            ),
            query("owner", "Keys of this membership, `mem_…`."),
            query(
                "q",
                "Part of a name, or an id or a secret's public id.",
                {"type": "string", "maxLength": 256},
            ),
            CURSOR,
            LIMIT,
        ],
        problems=ALWAYS,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """List keys."""
        given = self.asked()
        with tenant_scope(self.tenant_id):
            keys, following = page(
                chosen(self.tenant_id, given), given, Cursors(self.tenant_id, self.listed)
            )
            results = represent_keys(keys)
        return Response({"results": results, "next": following})

    @described(
        "keys_create",
        "Issue a key",
        tag="keys",
        needs="keys:write",
        description=(
            "The secret is in this answer and never again. A scope of high risk is refused with"
            " `APPROVAL_REQUIRED`."
        ),
        body=ref("NewKey"),
        answers={
            201: ("The key and, this once, its secret.", ref("IssuedKey")),
            200: ("A replay: the key as it is now, no secret.", ref("IssuedKey")),
        },
        parameters=[IDEMPOTENCY_KEY],
        problems=(*WRITING, *IDEMPOTENT, "APPROVAL_REQUIRED"),
        tagged=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Issue a key."""
        body = self.body()
        return once(
            self.claim("keys", body), act=lambda: self._issue(body), replay=self._issued_before
        )

    def _issue(self, body: dict[str, Any]) -> Response:
        issued = issue_key(
            actor=self.actor, tenant_id=self.tenant_id, definition=parse_new_key(body)
        )
        with tenant_scope(self.tenant_id):
            key = represent_key(issued.key)
        headers = {
            "ETag": etag(issued.key.version),
            "Location": f"{self.request.path}/{issued.key.id}",
        }
        return Response({"key": key, "secret": issued.secret.reveal()}, 201, headers=headers)

    def _issued_before(self, key_id: str) -> Response:
        with tenant_scope(self.tenant_id):
            key = access_key(self.actor, key_id)
            body = {"key": represent_key(key), "secret": None}
        return replayed(body, {"ETag": etag(key.version)})


class OneKey(TenantView):
    """`/v1/tenants/<tenant>/keys/<id>`."""

    actions: ClassVar[dict[str, str]] = {"GET": "keys:read", "PATCH": "keys:write"}
    listed = "keys"
    parser_classes = PATCH_PARSERS
    key: ApiKey

    def find(self, object_id: str) -> None:
        """The key, of this tenant."""
        self.key = access_key(self.actor, object_id)

    @described(
        "keys_read",
        "Read a key",
        tag="keys",
        needs="keys:read",
        answers={200: ("The key.", ref("Key"))},
        parameters=[object_id("key")],
        tagged=True,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        """Read a key."""
        self.asked()
        with tenant_scope(self.tenant_id):
            body = represent_key(self.key)
        return Response(body, headers={"ETag": etag(self.key.version)})

    @described(
        "keys_change",
        "Change a key",
        tag="keys",
        needs="keys:write",
        description=(
            "A merge patch (RFC 7396): members that are not given stay, lists and `limits` are"
            " replaced whole."
        ),
        body=ref("KeyPatch"),
        media=PATCHES,
        answers={200: ("The key as it is now.", ref("ChangedKey"))},
        parameters=[object_id("key"), IF_MATCH],
        problems=(*WRITING, *CONDITIONAL, "CONFLICT", "APPROVAL_REQUIRED"),
        tagged=True,
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        """Change a key."""
        expected = self.expected(self.key.version)
        changed = change_key(
            actor=self.actor,
            key_id=self.key.id,
            expected_version=expected,
            patch=parse_key_patch(self.body()),
        )
        with tenant_scope(self.tenant_id):
            key = represent_key(changed.key)
        body = {"key": key, "propagation": changed.propagation}
        return Response(body, headers={"ETag": etag(changed.key.version)})
