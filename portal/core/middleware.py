"""What every response of the portal carries: a request id and the strict headers."""

from collections.abc import Callable
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

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
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        return response


COMPRESSED: Final = ("text/html", "text/css", "text/javascript", "image/svg+xml")


class Compressed(GZipMiddleware):
    """Pages and their files, gzipped: a list of fifty keys is 130 KB of much the same markup.

    Only answers to GET: a secret that is shown once stands in the answer to a POST, and the length
    of what is compressed together tells of it (BREACH; Django pads it besides).
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        kind = response.get("Content-Type", "")
        if request.method != "GET" or not kind.startswith(COMPRESSED):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed
