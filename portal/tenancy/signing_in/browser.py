"""Who acts in a browser's request."""

from collections.abc import Sequence
from typing import cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from portal.core.client_address import client_address
from portal.tenancy.actors import Actor
from portal.tenancy.models import Person
from portal.tenancy.roles import PLATFORM_ACTIONS
from portal.tenancy.signing_in.middleware import FACTORS


def address_of(request: HttpRequest) -> str | None:
    """The caller's address (portal.core.client_address)."""
    meta = request.META
    return client_address(meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "")


def remember(request: HttpRequest, person: Person, factors: Sequence[str]) -> None:
    """Make the browser's session this person's. Its key is a new one: an older may be known."""
    request.session.cycle_key()
    request.session[SESSION_KEY] = person.pk
    request.session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    request.session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    request.session[FACTORS] = list(factors)
    rotate_token(request)


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person, with the platform role that they have at this moment."""
    person = cast(Person, request.user)
    return Actor(
        kind="user", id=person.id, label=person.name,
        auth=tuple(request.session.get(FACTORS, ())),
        request_id=getattr(request, "request_id", None), address=address_of(request),
        actions=PLATFORM_ACTIONS[person.platform_role],
    )  # fmt: skip
