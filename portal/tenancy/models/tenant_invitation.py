"""A role in a tenant that is offered to a mail address, until someone accepts it."""

from functools import partial

from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.person import Membership
from portal.tenancy.models.tenant import Tenant


class TenantInvitation(models.Model):
    """Stands while it is open: accepted or withdrawn, its row is gone and the ledger tells of it.

    It holds an address and no person: whether anybody has that address is the platform's to know.
    """

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "jn"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Membership.Role)
    inviter = models.ForeignKey(Membership, on_delete=models.PROTECT, null=True)
    """Who answers for it: it is worth no more than they may give. Null: the platform's people."""
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "email"], name="one_tenant_invitation_an_address"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "developer", "privacy_officer", "viewer"]),
                name="tenant_invitation_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"
