"""Says of the signed-in person whether they proved a second factor, for OTPAdminSite and pages."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

FACTORS = "auth"
"""Session: how its person proved themselves (`amr`, RFC 8176): `["pwd", "otp"]`."""
SECOND = frozenset({"otp", "recovery", "mfa"})
BOUND = "tenant"
BOUND_BY = "issuer"
"""Session: the id of the tenant whose provider let its person in, for that tenant alone; and that
provider's issuer."""


class SecondFactor:
    """As django-otp's middleware, but it trusts the session, which ends when a factor changes.

    Its own asks for the device's row on each request, outside of any scope of ours.
    """

    def __init__(self, respond: Callable[[HttpRequest], HttpResponse]) -> None:
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(partial(_told, request, request.user))  # type: ignore[assignment]
        return self.respond(request)


def _told(request: HttpRequest, user: Any) -> Any:
    if user.is_authenticated:
        user.second_factor = not SECOND.isdisjoint(request.session.get(FACTORS, ()))
        user.bound_to = request.session.get(BOUND, "")
        user.bound_by = request.session.get(BOUND_BY, "")
        if user.bound_to:
            user.platform_role = ""  # a tenant's provider makes nobody anything on the platform
    return user
