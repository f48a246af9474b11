"""Idempotency-Key: a POST that is repeated does nothing the second time.

The row commits in the verb's own transaction, so there is no moment in which the change is made and
the replay unknown, or the other way round. It holds an HMAC of the request and the object's id,
never a body: a secret was told once, and a replay has none to tell (DESIGN.md, section 8).
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db import connection
from django.utils.crypto import constant_time_compare, salted_hmac

from portal.core.clock import now
from portal.core.logs import TOKEN
from portal.core.refusals import Refusal
from portal.tenancy.change import Change, companion
from portal.tenancy.models import IdempotencyRecord
from portal.tenancy.scope import tenant_scope

KEPT: Final = dt.timedelta(hours=24)
SWEPT: Final = 100
"""Rows past their day that one new row takes with it."""
SHAPE: Final = re.compile(r"[\x21-\x7e]{1,255}")

T = TypeVar("T")


class _AlreadyDone(Exception):
    """The first request committed while this one was on its way."""

    def __init__(self, record: IdempotencyRecord) -> None:
        self.record = record


@dataclass
class Claim:
    """One use of an Idempotency-Key: by this credential, in this tenant, on this route."""

    key: str
    credential: str
    tenant_id: str
    route: str
    request_hmac: bytes
    object_id: str | None
    """What the route acts on; None when the request makes it."""
    done: bool = field(default=False)

    def found(self) -> IdempotencyRecord | None:
        """The row of the first request, not older than a day; refuses one of another request."""
        record = IdempotencyRecord.objects.filter(
            tenant_id=self.tenant_id,
            credential=self.credential,
            route=self.route,
            key=self.key,
            created_at__gt=now() - KEPT,
        ).first()
        if record and not constant_time_compare(bytes(record.request_hmac), self.request_hmac):
            raise Refusal("IDEMPOTENCY_MISMATCH")
        return record

    def lock(self) -> int:
        """The advisory lock's number: the same for the same use, whichever process asks."""
        text = json.dumps([self.credential, self.tenant_id, self.route, self.key])
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def begin(self) -> None:
        """In the verb's transaction: be alone, and be first."""
        if self.done:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [self.lock()])
            if not cursor.fetchone()[0]:
                raise Refusal("CONFLICT", "A request with this Idempotency-Key is under way.")
        if record := self.found():
            raise _AlreadyDone(record)

    def end(self, change: Change) -> None:
        """In the verb's transaction: keep what a replay needs, drop what is past its day."""
        if self.done:
            return
        self.done = True
        past = IdempotencyRecord.objects.filter(
            tenant_id=self.tenant_id, created_at__lte=now() - KEPT
        )
        same = past.filter(credential=self.credential, route=self.route, key=self.key)
        same.delete()
        IdempotencyRecord.objects.filter(
            pk__in=list(past.values_list("pk", flat=True)[:SWEPT])
        ).delete()
        made = self.object_id or change.made
        assert made, "a verb that makes something says so in change.made"
        IdempotencyRecord.objects.create(
            tenant_id=self.tenant_id,
            credential=self.credential,
            route=self.route,
            key=self.key,
            request_hmac=self.request_hmac,
            status=200 if self.object_id else 201,
            object_id=made,
        )


def claim(
    header: str | None,
    *,
    credential: str,
    tenant_id: str,
    route: str,
    object_id: str | None,
    body: dict[str, Any],
) -> Claim | None:
    """The claim that a request makes by its header; None without one.

    `body` is the parsed body: the same members in another order are the same request. Refuses a
    key that is not 1 to 255 visible ASCII characters.
    """
    if header is None:
        return None
    if not SHAPE.fullmatch(header) or TOKEN.search(header):
        detail = "1 to 255 visible ASCII characters are taken, and no credential."
        raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "Idempotency-Key"}])
    text = json.dumps([object_id, body], sort_keys=True)
    hmac = salted_hmac("portal.tenancy.idempotency", text, algorithm="sha256").digest()
    return Claim(header, credential, tenant_id, route, hmac, object_id)


@contextmanager
def _beside(claimed: Claim) -> Iterator[None]:
    token = companion.set(claimed)
    try:
        yield
    finally:
        companion.reset(token)


def once(claimed: Claim | None, *, act: Callable[[], T], replay: Callable[[str], T]) -> T:
    """`act()`, unless the claim's first request was made already: then `replay(object_id)`.

    Refuses with CONFLICT while the first is under way, and with IDEMPOTENCY_MISMATCH when it was
    another request. `act` calls one verb; the claim's row commits with that verb's change.
    """
    if claimed is None:
        return act()
    with tenant_scope(claimed.tenant_id):
        record = claimed.found()
    if record is not None:
        return replay(record.object_id)
    try:
        with _beside(claimed):
            return act()
    except _AlreadyDone as first:
        return replay(first.record.object_id)
