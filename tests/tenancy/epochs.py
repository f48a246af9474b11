"""The epochs that decisions compare."""

from portal.tenancy.models import Tenant
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast


def epoch_of(cast: Cast) -> int:
    """A tenant's epoch now."""
    with tenant_scope(cast.tenant.id):
        return Tenant.objects.get(id=cast.tenant.id).epoch
