"""A browser that a tenant's provider let in is that tenant's: it reaches no other, no page of the
platform, and nothing of how its person signs in elsewhere.

Without this, whoever runs one tenant's provider could become any of its people in every other
tenant that they are in (portal.tenancy.signing_in.middleware holds the platform's half).
"""

from collections.abc import Iterable

from django.http import HttpRequest
from django.urls import reverse

from portal.core.refusals import Refusal
from portal.tenancy.models import Person
from portal.tenancy.places import Place
from portal.tenancy.signing_in.browser import remember
from portal.tenancy.signing_in.middleware import BOUND, BOUND_BY
from portal.tenancy.sso.provider import Provider


class OtherDoor(Exception):
    """The tenant's pages are open to who came through its provider; `address` leads there."""

    def __init__(self, address: str) -> None:
        self.address = address


def become(
    request: HttpRequest, person: Person, provider: Provider, factors: tuple[str, ...]
) -> None:
    """Make the browser the person's, as far as the provider speaks for them."""
    request.session.flush()
    remember(request, person, factors)
    if provider.tenant_id is not None:
        request.session[BOUND] = provider.tenant_id
        request.session[BOUND_BY] = provider.issuer


def within_reach(person: Person, places: Iterable[Place]) -> list[Place]:
    """Those of a person's tenants that this browser of theirs reaches."""
    return [place for place in places if person.bound_to in ("", place.tenant_id)]


def require_door(person: Person, place: Place) -> None:
    """Refuse a place that this browser does not reach, as one that is not theirs.

    What a provider let in goes no further than the provider is in force.

    Raises OtherDoor where the tenant lets nobody in but through its provider.
    """
    if not within_reach(person, [place]):
        raise Refusal("NOT_FOUND")
    if person.bound_to:
        if not place.issuer or place.issuer != person.bound_by:
            raise Refusal("NOT_FOUND")  # turned off, or another: its word counts no more
    elif place.enforced:
        raise OtherDoor(reverse("sso-tenant", args=[place.slug]))
