"""Problems as answers: which exception is which code, for Django and DRF.

DRF is imported when it is asked about: pages answer problems too and do without it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from redis.exceptions import RedisError

from portal.core.problem_codes import CONTENT_TYPE, PROBLEMS, Errors, body
from portal.core.refusals import Refusal

RETRY_AFTER: Final = "1"
"""Seconds, with a 503: what was lost is usually back, or replaced, that soon."""


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
