"""Problems (RFC 9457): the closed set of codes, their bodies, and which exception is which.

A body holds nothing that differs from one request to the next; the request's id is a header. So a
foreign id and a random one get the same bytes (CONTRACT.md, POST /v1/keys/check). DRF is imported
when it is asked about: the check role answers problems too and does without it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from redis.exceptions import RedisError

from portal.core.logs import redact
from portal.core.refusals import Refusal


class Problem(NamedTuple):
    """What one code means: its status, its name for people, and what to tell unless told more."""

    status: int
    title: str
    detail: str


CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER: Final = "1"
"""Seconds, with a 503: what was lost is usually back, or replaced, that soon."""
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


def problem_response(
    code: str,
    detail: str = "",
    errors: Errors = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The whole answer, with `Retry-After` wherever trying again may help."""
    text = json.dumps(body(code, detail, errors), ensure_ascii=False)
    response = HttpResponse(
        text.encode("utf-8", "replace"),
        status=PROBLEMS[code].status,
        content_type=CONTENT_TYPE,
        headers=dict(headers or {}),
    )
    if response.status_code == 503:
        response.setdefault("Retry-After", RETRY_AFTER)
    response.setdefault("Cache-Control", "no-store")
    return response


def handle(exc: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's exception handler: every expected refusal a problem, anything else a bug (None)."""
    if isinstance(exc, Refusal):
        return problem_response(str(exc.code), exc.detail or "", exc.errors or ())
    code = _code_of(exc) or _code_of_framework(exc)
    if code is None:
        return None
    response = problem_response(code, headers=_headers_of(exc))
    if code == "METHOD_NOT_ALLOWED":
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def _code_of(exc: Exception) -> str | None:
    """Django's, PostgreSQL's and Redis' exceptions."""
    if isinstance(exc, OperationalError | InterfaceError | RedisError):
        return "STORE_UNAVAILABLE"
    if isinstance(exc, RequestDataTooBig):
        return "BODY_TOO_LARGE"
    if isinstance(exc, SuspiciousOperation):
        return "REQUEST_INVALID"
    if isinstance(exc, Http404):
        return "NOT_FOUND"
    return "FORBIDDEN" if isinstance(exc, PermissionDenied) else None


def _code_of_framework(exc: Exception) -> str | None:
    """DRF's exceptions, by their status."""
    from rest_framework.exceptions import APIException

    if not isinstance(exc, APIException):
        return None
    by_status = {
        400: "REQUEST_INVALID",
        401: "CREDENTIAL_INVALID",
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        405: "METHOD_NOT_ALLOWED",
        415: "MEDIA_TYPE",
        429: "TOO_MANY_REQUESTS",
    }
    return by_status.get(exc.status_code)


def _headers_of(exc: Exception) -> dict[str, str]:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(wait)
    return headers
