"""The one way into the ledger: `record`, within the change's own transaction."""

import datetime as dt
import os
from typing import Any, Final, NamedTuple

import msgspec
from django.db import connection, transaction

from audit.ledger.envelope import SALT, Facts, Outcome, digest, envelope, keyed, row_digest
from audit.ledger.events import Event
from audit.ledger.models import Entry, Payload
from audit.ledger.target import Target
from audit.ledger.values import (
    RecordingError,
    canonical,
    clipped,
    identifier,
    legible,
    plain,
    refuse_secrets,
)
from audit.ledger.values import code as word
from audit.ledger.who import Who
from portal.core.ids import uuid7

LABEL: Final = 256  # characters; what is longer is cut, for a label is only a copy
REASON: Final = 2_000
BODY: Final = 1024 * 1024  # bytes; a key at all its caps, before and after, is far below

# The clock and the transaction's number, with the object's salt on the same way.
MOMENT: Final = """
SELECT clock_timestamp(), pg_current_xact_id()::text::bigint, s.id IS NOT NULL, s.salt
FROM (VALUES (1)) AS now LEFT JOIN ledger_object_salt s
    ON s.object_type = %(type)s AND s.object_id = %(id)s
    AND (s.tenant_id = %(tenant)s OR (s.tenant_id IS NULL AND %(tenant)s::text IS NULL))
"""
NEW_SALT: Final = """
INSERT INTO ledger_object_salt (object_type, object_id, tenant_id, salt)
VALUES (%(type)s, %(id)s, %(tenant)s, %(salt)s) ON CONFLICT DO NOTHING RETURNING salt
"""

Columns = dict[str, Any]


class Moment(NamedTuple):
    """When, in which transaction, and whether the object has a salt (None: it was erased)."""

    at: dt.datetime
    txid: int
    salted: bool
    salt: bytes | None


def record(
    event: Event,
    *,
    actor: Who,
    tenant: str | None,
    target: Target,
    outcome: Outcome = "success",
    reason: str | None = None,
    code: str | None = None,
    before: Columns | None = None,
    after: Columns | None = None,
    payload: dict[str, Any] | None = None,
    version: int | None = None,
) -> Entry:
    """Write one entry, in the transaction of the change that it tells of: both or neither.

    `tenant` is an id, None for what belongs to the platform. `before` and `after` are the object's
    governed columns. `reason` is what a person wrote, at most 2 000 characters of it; `code` a
    machine's word such as `FORBIDDEN`. `payload` is the event's own data. Row security must let the
    caller write the tenant's rows.

    Raises RecordingError outside a transaction and for what can't be recorded, SecretRefused if a
    credential of ours stands anywhere in it. The transaction is then lost, even if that is caught.
    """
    if not connection.in_atomic_block:
        raise RecordingError("recording needs the change's transaction")
    try:
        before, after, version = plain(before), plain(after), plain(version)
        body = _body(event, actor, target, reason, before, after, payload)
        return _write(event, body, actor, tenant, target, outcome, code, before, after, version)
    except RecordingError:
        transaction.set_rollback(True)
        raise


def _body(
    event: Event, actor: Who, target: Target, reason: str | None,
    before: Columns | None, after: Columns | None, payload: dict[str, Any] | None,
) -> bytes:  # fmt: skip
    """The payload's canonical bytes: everything personal, and the event's own data."""
    # Also what is cut or only digested: nothing of a credential was ours to be handed.
    refuse_secrets(actor.label, target.label, reason, actor.address, before, after)
    old, new = _differences(before, after)
    members = {
        "actor": clipped(actor.label, LABEL),
        "address": actor.address and clipped(actor.address, LABEL),
        "target": clipped(target.label, LABEL),
        "reason": reason and clipped(reason, REASON),
        "before": legible(old),
        "after": legible(new),
        "data": legible(_data(event, payload)),
    }
    refuse_secrets(members)
    body = canonical({name: value for name, value in members.items() if value})
    if len(body) > BODY:
        raise RecordingError(f"a payload of more than {BODY} bytes")
    return body


def _differences(
    before: Columns | None, after: Columns | None
) -> tuple[Columns | None, Columns | None]:
    """The columns that differ; all of them if there was, or is, no other side."""
    if before is None or after is None:
        return before, after
    nothing = object()
    return tuple(
        {name: value for name, value in one.items() if other.get(name, nothing) != value}
        for one, other in ((before, after), (after, before))
    )  # type: ignore[return-value]  # a pair


def _data(event: Event, payload: Columns | None) -> Columns | None:
    """The event's own data, of its declared type if it has one."""
    payload = plain(payload)
    if event.data is None:
        return payload
    try:
        msgspec.convert(payload, event.data)
    except msgspec.ValidationError as error:
        raise RecordingError(f"{event}: {error}") from None
    return payload


def _write(
    event: Event, body: bytes, actor: Who, tenant: str | None, target: Target, outcome: Outcome,
    code: str | None, before: Columns | None, after: Columns | None, version: int | None,
) -> Entry:  # fmt: skip
    digested = before is not None or after is not None
    now = _moment(tenant, target, salted=digested)
    salt = os.urandom(SALT)
    facts = Facts(
        id=uuid7(), at=now.at, type=event.type, tenant=tenant, actor=actor, target=target,
        version=version, outcome=outcome, code=code, pdig=keyed(salt, body),
        before=row_digest(now.salt, before), after=row_digest(now.salt, after),
    )  # fmt: skip
    content = envelope(facts)
    refuse_secrets(content.decode())
    entry = Entry.objects.create(
        id=facts.id, tenant_id=tenant, occurred_at=now.at, type=event.type, outcome=outcome,
        actor_kind=actor.kind, actor_id=actor.id,
        object_type=target.type, object_id=target.id, object_version=version,
        request_id=actor.request_id or None, txid=now.txid,
        envelope=content.decode(), envelope_digest=digest(content),
    )  # fmt: skip
    Payload.objects.create(
        entry=entry, tenant_id=tenant, salt=salt, body=body.decode(),
        retention_class=event.retention,
    )  # fmt: skip
    return entry


def _moment(tenant: str | None, target: Target, *, salted: bool) -> Moment:
    """PostgreSQL's clock and transaction; if `salted`, the object's salt, made if it has none."""
    # Checked before PostgreSQL sees them: a NUL there would be its error, not ours.
    names = {
        "type": word(target.type, "the target's type"),
        "id": identifier(target.id, "the target"),
        "tenant": tenant and identifier(tenant, "the tenant"),
    }
    with connection.cursor() as cursor:
        cursor.execute(MOMENT, names)
        now = Moment(*cursor.fetchone())
        if salted and not now.salted:
            cursor.execute(NEW_SALT, {**names, "salt": os.urandom(SALT)})
            made = cursor.fetchone()
            if made is not None:
                return now._replace(salt=made[0])
            # Another transaction made it meanwhile, and committed: NEW_SALT waited for that.
            cursor.execute(MOMENT, names)
            now = Moment(*cursor.fetchone())
        return now
