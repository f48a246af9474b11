"""A tenant: whose keys, people, purposes and rules these are."""

from functools import partial

from django.db import models

from portal.core.ids import new_id


class Tenant(models.Model):
    """One customer of the platform. `slug` is what URLs and gateways call it."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "ten"))
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=128)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    epoch = models.BigIntegerField(default=1)
    """Raised when anything tenant-wide that decisions depend on changes."""
    consent_epoch = models.BigIntegerField(default=1)
    """The same for consent, apart: a new notice must not reload every key."""
    mfa_required = models.BooleanField(default=True, db_default=True)
    """Whether its pages are open only to members who proved a second factor."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["name", "id"], name="tenant_by_name"),
            models.Index(fields=["created_at", "id"], name="tenant_by_age"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "suspended"]), name="tenant_status"
            )
        ]

    def __str__(self) -> str:
        return self.slug
