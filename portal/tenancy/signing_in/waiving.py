"""Of whom no second factor is asked.

A tenant may waive it for its members. Whoever is also in a tenant that does not, or anything on the
platform, is asked all the same: one account has one way in.
"""

from portal.tenancy.models import Person, Tenant
from portal.tenancy.places import places_of


def may_waive(person: Person, joining: Tenant | None = None) -> bool:
    """Whether the person may do without: in tenants alone, and in none that requires one.

    `joining` is one that they are about to be in as well.
    """
    asked = [place.mfa_required for place in places_of(person.id)]
    asked += [joining.mfa_required] if joining is not None else []
    return bool(asked) and not any(asked) and not person.platform_role
