"""Of whom no second factor is asked.

A tenant may waive it for its members. Whoever is also in a tenant that does not, or anything on the
platform, is asked all the same: one account has one way in.
"""

from portal.tenancy.models import Person
from portal.tenancy.places import places_of


def may_waive(person: Person) -> bool:
    """Whether the person may do without: in tenants alone, and in none that requires one."""
    places = places_of(person.id)
    waived = bool(places) and not any(place.mfa_required for place in places)
    return waived and not person.platform_role
