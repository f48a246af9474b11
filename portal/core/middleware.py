"""What every response of the portal carries: a request id and the strict headers."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from portal.core.ids import uuid7

Respond = Callable[[HttpRequest], HttpResponse]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""On every page, errors too (DESIGN.md, section 8)."""


class RequestId:
    """Names the request. The id is ours: a client's own would be its to choose and to repeat."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid7()  # type: ignore[attr-defined]  # ours, read by the API's actor
        with structlog.contextvars.bound_contextvars(request_id=request.request_id):  # type: ignore[attr-defined]
            response = self.respond(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class Headers:
    """The Content-Security-Policy and no framing; `no-store` unless a view said otherwise."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.respond(request)
        response["Content-Security-Policy"] = CSP
        response.setdefault("Cache-Control", "no-store")
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response
