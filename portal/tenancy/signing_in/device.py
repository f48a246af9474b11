"""The cookie by which a browser that signed in before is known again.

It proves nothing about who sits there and opens nothing: tries from it are counted apart, so that
guesses from elsewhere keep nobody out (OWASP, "device cookies"). It names one person and a random
device, signed by SECRET_KEY.
"""

from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from portal.core.ids import base62
from portal.tenancy.models import Person

SALT: Final = "portal.tenancy.signing_in.device"
KEPT: Final = 180 * 24 * 3600
"""Seconds."""


def cookie_name() -> str:
    """`__Host-` where HTTPS makes it possible, as the session's."""
    return f"{settings.SESSION_COOKIE_NAME}-device"


def device_in(request: HttpRequest) -> tuple[str, str] | None:
    """Who signed in on this browser last, and the device's name; None for a forged or no cookie."""
    try:
        person_id, device = signing.loads(
            request.COOKIES.get(cookie_name(), ""), salt=SALT, max_age=KEPT
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return str(person_id), str(device)


def know_again(request: HttpRequest, response: HttpResponse, person: Person) -> None:
    """Remember that this person signed in here; the device keeps its name if they did before."""
    known = device_in(request)
    device = known[1] if known is not None and known[0] == person.id else base62(22)
    response.set_cookie(
        cookie_name(), signing.dumps([person.id, device], salt=SALT), max_age=KEPT,
        secure=bool(settings.SESSION_COOKIE_SECURE), httponly=True, samesite="Lax",
    )  # fmt: skip
