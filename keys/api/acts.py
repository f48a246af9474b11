"""Revoke, suspend, resume: the three acts on a key that need a reason and take no If-Match."""

from collections.abc import Callable
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from keys.access import access_key
from keys.definitions import parse_reason
from keys.governed import Changed
from keys.models import ApiKey
from keys.representation import represent_key
from keys.revocation import revoke_key
from keys.suspension import resume_key, suspend_key
from portal.core import versions
from portal.core.models import Outbox
from portal.core.outbox import Propagation
from portal.tenancy.described import IDEMPOTENCY_KEY, IDEMPOTENT, WRITING, described, object_id
from portal.tenancy.idempotency import once
from portal.tenancy.preconditions import etag
from portal.tenancy.rest import TenantView, replayed
from portal.tenancy.schema import ref
from portal.tenancy.scope import tenant_scope

Verb = Callable[..., Changed]


def described_act(operation_id: str, summary: str, description: str) -> Callable[[Any], Any]:
    """What the schema says of an act."""
    return described(
        operation_id,
        summary,
        tag="keys",
        needs="keys:write",
        description=description,
        body=ref("Reason"),
        answers={200: ("The key as it is now.", ref("ChangedKey"))},
        parameters=[object_id("key"), IDEMPOTENCY_KEY],
        problems=(*WRITING, *IDEMPOTENT),
        tagged=True,
    )


def propagation_of(key_id: str) -> Propagation:
    """Whether a committed change of the key still waits to be published."""
    left = Outbox.objects.filter(versions__has_key=versions.of_key(key_id))
    return "pending" if left.exists() else "complete"


class Act(TenantView):
    """`/v1/tenants/<tenant>/keys/<id>/<act>`."""

    actions: ClassVar[dict[str, str]] = {"POST": "keys:write"}
    listed = "keys"
    name: ClassVar[str]
    key: ApiKey

    def find(self, object_id: str) -> None:
        """The key, of this tenant."""
        self.key = access_key(self.actor, object_id)

    def act(self, verb: Verb) -> Response:
        """Call the verb once for each Idempotency-Key."""
        body = self.body()
        return once(
            self.claim(f"keys/{self.name}", body),
            act=lambda: self._done(verb, body),
            replay=self._done_before,
        )

    def _done(self, verb: Verb, body: dict[str, Any]) -> Response:
        changed = verb(actor=self.actor, key_id=self.key.id, reason=parse_reason(body))
        with tenant_scope(self.tenant_id):
            key = represent_key(changed.key)
        told = {"key": key, "propagation": changed.propagation}
        return Response(told, headers={"ETag": etag(changed.key.version)})

    def _done_before(self, key_id: str) -> Response:
        with tenant_scope(self.tenant_id):
            key = access_key(self.actor, key_id)
            told = {"key": represent_key(key), "propagation": propagation_of(key_id)}
        return replayed(told, {"ETag": etag(key.version)})


class Revoke(Act):
    """Ends a key for ever."""

    name = "revoke"

    @described_act(
        "keys_revoke", "Revoke a key", "For ever. The very next check is refused with KEY_REVOKED."
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Revoke a key."""
        return self.act(revoke_key)


class Suspend(Act):
    """Stops a key until it is resumed."""

    name = "suspend"

    @described_act(
        "keys_suspend", "Suspend a key", "Until it is resumed, checks answer KEY_SUSPENDED."
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Suspend a key."""
        return self.act(suspend_key)


class Resume(Act):
    """Lets a suspended key go on."""

    name = "resume"

    @described_act("keys_resume", "Resume a key", "A suspended key works again, as it was.")
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Resume a key."""
        return self.act(resume_key)
