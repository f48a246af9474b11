"""What is allowed (ApiKey) and what proves it (Secret)."""

from functools import partial

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models import Api, Membership, Tenant


class ApiKey(models.Model):
    """What is allowed, for one Api. Its id outlives every secret; so do its quota and history."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PENDING = "pending"
        SUSPENDED = "suspended"
        REVOKED = "revoked"
        LEAKED = "leaked"

    class Environment(models.TextChoices):
        LIVE = "live"
        TEST = "test"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "key"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    api = models.ForeignKey(Api, on_delete=models.PROTECT)
    owner = models.ForeignKey(Membership, on_delete=models.PROTECT)
    name = models.CharField(max_length=128)
    environment = models.CharField(max_length=4, choices=Environment)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    allowed_cidrs = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    allowed_models = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    purposes = ArrayField(models.CharField(max_length=64), null=True, blank=True)
    """Purposes that the key may claim; null: any of its tenant's."""
    metadata = models.JSONField(default=dict, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    version = models.BigIntegerField(default=1)
    """Raised by every change; what check processes compare and what the ETag is made of."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="key_list"),
            models.Index(fields=["owner"], name="key_owner"),
            models.Index(fields=["tenant", "state"], name="key_by_state"),
            models.Index(fields=["created_at", "id"], name="key_by_age"),
            models.Index(fields=["name", "id"], name="key_by_name"),
            models.Index(fields=["expires_at", "id"], name="key_by_end"),
            models.Index(
                fields=["expires_at"], condition=models.Q(state="active"), name="key_expiry"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["active", "pending", "suspended", "revoked", "leaked"]
                ),
                name="key_state",
            ),
            models.CheckConstraint(
                condition=models.Q(environment__in=["live", "test"]), name="key_environment"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """What proves an ApiKey: an HMAC of the token's text, under a pepper from outside."""

    kid = models.CharField(primary_key=True, max_length=12)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="secrets")
    digest = models.BinaryField()
    pepper_id = models.SmallIntegerField()
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.kid
