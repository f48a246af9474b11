"""The envelope, version 1: what an entry's digest covers, and nothing personal. Pure functions.

Format: reference/audit.md, section 2.3, as corrected by DESIGN.md, section 10: addresses, labels
and differences are in the payload, which `pdig` commits to; `before` and `after` are keyed with the
object's own salt. Both keys can be erased, after which the digests tell nothing and still verify.
"""

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final, Literal

from audit.ledger.target import Target
from audit.ledger.values import RecordingError, canonical, code, identifier
from audit.ledger.who import Who

VERSION: Final = 1
LARGEST: Final = 32 * 1024  # bytes; a tile's entry bundle counts lengths in 16 bits
SALT: Final = 32  # bytes

Outcome = Literal["success", "denied", "error"]


def moment(at: dt.datetime) -> str:
    """`2026-11-23T03:28:05.000001Z`: always six digits, so that one moment has one spelling."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def keyed(salt: bytes, content: bytes) -> str:
    """HMAC-SHA256 in hex: a commitment to `content` that can't be guessed at without `salt`."""
    return hmac.new(salt, content, hashlib.sha256).hexdigest()


def row_digest(salt: bytes | None, columns: dict[str, Any] | None) -> str | None:
    """The digest of an object's governed columns; None once its salt is erased.

    Over the values as they stand in the row, so that reconciliation can compute it from there.
    """
    return None if salt is None or columns is None else keyed(salt, canonical(columns))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an envelope is made of."""

    id: str
    at: dt.datetime
    type: str
    tenant: str | None
    actor: Who
    target: Target
    version: int | None
    outcome: Outcome
    code: str | None
    before: str | None
    after: str | None
    pdig: str


def envelope(facts: Facts) -> bytes:
    """The canonical bytes. This literal is the list of members that an envelope may have.

    Raises RecordingError if an id or a code is none, or if they are larger than 32 KiB together.
    """
    actor, target, request = facts.actor, facts.target, facts.actor.request_id
    content = canonical(
        {
            "v": VERSION,
            "id": facts.id,
            "t": moment(facts.at),
            "tenant": facts.tenant and identifier(facts.tenant, "the tenant"),
            "type": code(facts.type, "the type"),
            "actor": {
                "kind": code(actor.kind, "the actor's kind"),
                "id": identifier(actor.id, "the actor"),
                "auth": [code(means, "the actor's proof") for means in actor.auth],
            },
            "src": {"req": request and identifier(request, "the request id")},
            "object": {
                "type": code(target.type, "the target's type"),
                "id": identifier(target.id, "the target"),
                "ver": facts.version,
            },
            "outcome": facts.outcome,
            "reason": facts.code and code(facts.code, "the reason's code"),
            "before": facts.before,
            "after": facts.after,
            "pdig": facts.pdig,
        }
    )
    if len(content) > LARGEST:
        raise RecordingError(f"an envelope of more than {LARGEST} bytes")
    return content


def digest(content: bytes) -> bytes:
    """SHA-256 of an envelope's bytes: the `edig` of its leaf."""
    return hashlib.sha256(content).digest()
