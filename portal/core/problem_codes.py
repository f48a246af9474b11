"""The closed set of problem codes and what a problem's body is (RFC 9457). Free of Django.

A body holds nothing that differs from one request to the next; the request's id is a header. So a
foreign id and a random one get the same bytes (CONTRACT.md, POST /v1/keys/check).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from portal.core.logs import redact


class Problem(NamedTuple):
    """What one code means: its status, its name for people, and what to tell unless told more."""

    status: int
    title: str
    detail: str


CONTENT_TYPE: Final = "application/problem+json"
LONGEST_POINTER: Final = 200

PROBLEMS: Final[dict[str, Problem]] = {
    "REQUEST_INVALID": Problem(
        400,
        "The request is not valid",
        "Nothing was changed. `errors`, where there are any, say what to mend.",
    ),
    "CREDENTIAL_INVALID": Problem(
        401,
        "A valid credential is needed",
        "Send `Authorization: Bearer <token>`. The token is missing, unknown or no longer valid.",
    ),
    "FORBIDDEN": Problem(
        403, "Not allowed", "This credential's scopes, or its creator's role, do not allow this."
    ),
    "APPROVAL_REQUIRED": Problem(
        403, "A second person has to approve this", "A scope of high risk is never given by one."
    ),
    "NOT_FOUND": Problem(404, "Not found", "There is no such thing, or it is not yours to see."),
    "METHOD_NOT_ALLOWED": Problem(
        405, "Method not allowed", "The header `Allow` names the methods that this address takes."
    ),
    "REQUEST_TIMEOUT": Problem(408, "Too slow", "The request did not arrive in time."),
    "CONFLICT": Problem(409, "Conflict", "The present state does not allow this."),
    "PRECONDITION_FAILED": Problem(
        412, "Changed meanwhile", "Read it again; send its present `ETag` as `If-Match`."
    ),
    "BODY_TOO_LARGE": Problem(413, "Body too large", "The body is larger than this address takes."),
    "MEDIA_TYPE": Problem(
        415, "Media type not taken", "The schema names the media types that this address takes."
    ),
    "IDEMPOTENCY_MISMATCH": Problem(
        422,
        "Another request had this Idempotency-Key",
        "Repeat exactly the first request, or choose a new key.",
    ),
    "PRECONDITION_REQUIRED": Problem(
        428, "If-Match is needed", "Send the `ETag` that you read as `If-Match`."
    ),
    "TOO_MANY_REQUESTS": Problem(
        429, "Too many requests", "Wait as many seconds as the header `Retry-After` says."
    ),
    "HEADERS_TOO_LARGE": Problem(431, "Headers too large", "All headers together may have 32 KiB."),
    "INTERNAL": Problem(
        500, "Something broke on our side", "It was logged under the header `X-Request-Id`."
    ),
    "STORE_UNAVAILABLE": Problem(
        503, "A store does not answer", "Nothing is allowed by it. Try again after `Retry-After`."
    ),
    "AUDIT_STALLED": Problem(
        503, "The audit log stands still", "Until it moves, only taking away is possible."
    ),
}
"""INTERNAL is a bug of ours; all others are the contract's."""

Errors = Sequence[Mapping[str, str]]


def body(code: str, detail: str = "", errors: Errors = ()) -> dict[str, Any]:
    """The problem as a JSON object. What looks like a credential in it is cut out."""
    problem = PROBLEMS[code]
    found: dict[str, Any] = {
        "type": f"/v1/docs#{code}",
        "title": problem.title,
        "status": problem.status,
        "code": code,
        "detail": redact(detail or problem.detail),
    }
    if errors:
        found["errors"] = [
            {
                "detail": redact(error["detail"]),
                "pointer": redact(error["pointer"])[:LONGEST_POINTER],
            }
            for error in errors
        ]
    return found
