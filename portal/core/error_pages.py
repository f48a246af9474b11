"""Django's error handlers: problems for programs, a page in our look for people.

The page is rendered without the database, so that it also tells of the database's loss, and never
asks for the host's name: a malformed one is what some of these are about.
"""

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from portal.core.problem_codes import PROBLEMS
from portal.core.problems import RETRY_AFTER, problem_response
from portal.core.refusals import Refusal

TRIED_AGAIN: Final = (429, 500, 503)
FOR_PROGRAMS: Final = ("/v1/", "/healthz", "/readyz", "/metrics", "/.well-known/")


class Words(NamedTuple):
    """What an error page says: what happened, and what to do about it."""

    title: str
    sentence: str


HOMES: Final = ("/admin/", "/t/")
QUERY_CANCELED: Final = "57014"
TOO_MUCH: Final = "That was too much to look through. Nothing was changed"
ASK_LESS: Final = "The database was asked for twenty seconds. Choose less time, or filter more."

WORDS: Final = {
    "REQUEST_INVALID": Words(
        "The request can't be read",
        "Its address or headers are not what a browser of ours would send. Nothing was changed.",
    ),
    "FORBIDDEN": Words(
        "Your role may not do this",
        "Nothing was changed. Ask a security admin, or an owner of the tenant.",
    ),
    "CONFLICT": Words(
        "This can't be done as things stand",
        "Nothing was changed. Go back and look at how it stands now.",
    ),
    "BODY_TOO_LARGE": Words(
        "That was too much at once", "Nothing was changed. A form takes 1 MiB at most."
    ),
    "TOO_MANY_REQUESTS": Words("Too many tries", "Nothing was changed. Wait a little."),
    "NOT_FOUND": Words(
        "There is no such page, or it is not yours to see",
        "The address may be mistyped, or belong to another tenant. Both look the same on purpose.",
    ),
    "METHOD_NOT_ALLOWED": Words(
        "This address is not used that way", "Nothing was changed. Go back and use the page's form."
    ),
    "STORE_UNAVAILABLE": Words(
        "The database does not answer. Nothing was changed",
        "Gateways still decide for keys that they already hold; all others are refused."
        " Try again in a few seconds.",
    ),
    "INTERNAL": Words(
        "Something broke on our side. Nothing was changed",
        "The error was recorded with the request id below. If it happens again, send us that id.",
    ),
}


def error_response(
    request: HttpRequest, code: str, sentence: str = "", title: str = ""
) -> HttpResponse:
    """The answer for `code`, one of WORDS, as this address' callers can read it.

    `title` and `sentence`, if given, stand for the usual words.
    """
    if request.path.startswith(FOR_PROGRAMS) or request.path == "/v1":
        return problem_response(code)
    status = PROBLEMS[code].status
    words = WORDS[code]
    context = {
        "code": code,
        "status": status,
        "words": Words(title or words.title, sentence or words.sentence),
        "home": next((home for home in HOMES if request.path.startswith(home)), "/"),
        "again": _again(request, status),
        "request_id": getattr(request, "request_id", ""),
    }
    response = HttpResponse(render_to_string("error.html", context), status=status)
    if status == 503:
        response["Retry-After"] = RETRY_AFTER
    return response


def not_allowed(request: HttpRequest, allowed: Sequence[str]) -> HttpResponse:
    """METHOD_NOT_ALLOWED, with the header that says what is (RFC 9110, section 15.5.6)."""
    response = error_response(request, "METHOD_NOT_ALLOWED")
    response["Allow"] = ", ".join(allowed)
    return response


def _again(request: HttpRequest, status: int) -> str:
    """Where "Try again" leads: only where that may help, and never to another host (`//host`)."""
    helps = status in TRIED_AGAIN and request.method == "GET"
    address = request.get_full_path()
    return address if helps and not address.startswith("//") else ""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400, of which a body that is too large is one."""
    large = isinstance(exception, RequestDataTooBig)
    return error_response(request, "BODY_TOO_LARGE" if large else "REQUEST_INVALID")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return error_response(request, "FORBIDDEN")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return error_response(request, "NOT_FOUND")


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form that did not come from one of our pages, or came too late."""
    return error_response(
        request,
        "FORBIDDEN",
        "Nothing was changed. You may have signed in or out in another window since, or this"
        " browser keeps no cookies. Go back, reload the page and send the form again.",
        "This form is not from a page that is open here",
    )


def refusal_page(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """A page's answer where a verb or the matrix refused."""
    code = refusal.code if refusal.code in WORDS else "REQUEST_INVALID"
    details = [refusal.detail, *(error["detail"] for error in refusal.errors)]
    told = " ".join(detail for detail in details if detail)
    return error_response(request, code, f"{told} Nothing was changed." if told else "")


def broken(request: HttpRequest) -> HttpResponse:
    """handler500: a bug, the database away, or a question that it gave up (portal.asgi)."""
    error = sys.exc_info()[1]
    if getattr(getattr(error, "__cause__", None), "sqlstate", "") == QUERY_CANCELED:
        return error_response(request, "STORE_UNAVAILABLE", ASK_LESS, TOO_MUCH)
    lost = isinstance(error, OperationalError | InterfaceError)
    return error_response(request, "STORE_UNAVAILABLE" if lost else "INTERNAL")
