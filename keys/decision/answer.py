"""A decision as the body of POST /v1/keys/check."""

from typing import Any

import msgspec

from keys.codes import Code
from keys.decision.outcome import Decision, LimitState

_NULL = msgspec.Raw(b"null")


class Failure(msgspec.Struct):
    """One part of a dry run that would fail."""

    code: str
    detail: str


class Body(msgspec.Struct, gc=False, omit_defaults=False):
    """The answer's members, in the contract's order."""

    allowed: bool
    code: str
    decision_id: str | None
    key: msgspec.Raw
    limits: list[LimitState]
    consent: None
    obligations: dict[str, Any]
    retry_after: int | None
    failures: list[Failure] | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode


def render(decision: Decision) -> bytes:
    """The JSON text of a decision."""
    failures: list[Failure] | msgspec.UnsetType = msgspec.UNSET
    if decision.failures is not None:
        failures = [Failure(reason.code.name, reason.detail) for reason in decision.failures]
    return _encode(
        Body(
            allowed=decision.code is Code.OK,
            code=decision.code.name,
            decision_id=decision.id,
            key=msgspec.Raw(decision.key.rendered) if decision.key else _NULL,
            limits=decision.limits,
            consent=None,
            obligations={},
            retry_after=decision.retry_after,
            failures=failures,
        )
    )
