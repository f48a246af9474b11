"""Who acts in a browser's request, and how a browser becomes somebody's."""

import time
from collections.abc import Mapping, Sequence
from typing import Final, cast

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.crypto import constant_time_compare

from portal.core.client_address import client_address
from portal.tenancy.actors import Actor
from portal.tenancy.models import Person
from portal.tenancy.roles import PLATFORM_ACTIONS
from portal.tenancy.sessions import SessionStore
from portal.tenancy.signing_in.backend import person_by
from portal.tenancy.signing_in.middleware import FACTORS
from portal.tenancy.signing_in.surroundings import browser_in_words, network_in_words

AWAITED: Final = "signing_in"
AWAITED_FOR: Final = 300
"""Seconds between the password and the code."""


def address_of(request: HttpRequest) -> str | None:
    """The caller's address (portal.core.client_address)."""
    meta = request.META
    return client_address(meta.get("REMOTE_ADDR") or "", meta.get("HTTP_X_FORWARDED_FOR") or "")


class FactorNeeded(Exception):
    """What is asked for takes a second factor, and this browser's person proved none in it."""


def require_second_factor(request: HttpRequest) -> None:
    """Raise FactorNeeded unless the person of this browser proved a second factor in it."""
    if not request.user.is_verified():  # type: ignore[union-attr]  # it is somebody's
        raise FactorNeeded


def remember(
    request: HttpRequest, person: Person, factors: Sequence[str], *, proved: float | None = 0,
    held: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Make the browser this person's, who proved `factors`, so many seconds ago; None: unproved.

    A new session takes the place of any other: an older key may be known. `held` is in it too.
    """
    session = cast(SessionStore, request.session)
    session.flush()
    session.proved = proved
    session.browser = browser_in_words(request.META.get("HTTP_USER_AGENT", ""))
    session.network = network_in_words(address_of(request))
    session.update(dict(held or {}))
    _hold(session, person, factors)
    session.create()
    rotate_token(request)


def renew(request: HttpRequest, person: Person, factors: Sequence[str]) -> None:
    """Go on with this session under a new key, after what its person changed or proved.

    It began when it began and ends when it would have. Forms that are open elsewhere stay good.
    """
    session = cast(SessionStore, request.session)
    _hold(session, person, factors)
    session.cycle_key()


def _hold(session: SessionStore, person: Person, factors: Sequence[str]) -> None:
    session[SESSION_KEY] = person.pk
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session[FACTORS] = list(dict.fromkeys(factors))


def visitor_of(request: HttpRequest) -> Actor:
    """Someone who did not sign in, and may nothing."""
    return Actor(
        kind="user", id="unknown", label="someone who is not signed in",
        request_id=getattr(request, "request_id", None), address=address_of(request),
    )  # fmt: skip


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in person, with the platform role that they have at this moment."""
    person = cast(Person, request.user)
    return Actor(
        kind="user", id=person.id, label=person.name,
        auth=tuple(request.session.get(FACTORS, ())),
        request_id=getattr(request, "request_id", None), address=address_of(request),
        actions=PLATFORM_ACTIONS[person.platform_role],
    )  # fmt: skip


def await_second_factor(request: HttpRequest, person: Person, next: str) -> None:
    """Put a session of nobody's in place of any other: it says whose password was right."""
    request.session.flush()
    request.session[AWAITED] = {
        "person": person.pk, "proof": person.get_session_auth_hash(), "next": next,
        "until": time.time() + AWAITED_FOR,
    }  # fmt: skip
    request.session.set_expiry(AWAITED_FOR)


def awaited(request: HttpRequest) -> tuple[Person, str] | None:
    """Whose password was right in this browser, less than five minutes ago, and where they go."""
    held = request.session.get(AWAITED)
    if not isinstance(held, dict) or held["until"] < time.time():
        return None
    person = person_by(id=held["person"])
    if person is None or not person.is_active:
        return None
    same = constant_time_compare(held["proof"], person.get_session_auth_hash())
    return (person, held["next"]) if same else None


def signed_in(request: HttpRequest) -> Person | None:
    """Who is signed in, be it with a password alone."""
    return request.user if request.user.is_authenticated else None
