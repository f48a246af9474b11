"""What the record keeps. Tenant, actor and object are text, so that no delete reaches history.

An entry never changes. What may have to be erased one day stands beside it, in the payload and in
the object's salt; the entry holds only digests keyed with those salts (DESIGN.md, section 10).
"""

from django.db import models
from django.db.models import F, Q


class Entry(models.Model):
    """One thing that happened. The columns repeat the envelope, for looking things up.

    `tenant_id` is None for what belongs to the platform: seen in the platform's scope only.
    """

    id = models.CharField(primary_key=True, max_length=36)
    tenant_id = models.CharField(max_length=128, null=True)
    occurred_at = models.DateTimeField()
    """PostgreSQL's clock when it was recorded, the same as the envelope's `t`."""
    type = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=128)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=128)
    object_version = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=128, null=True)
    envelope = models.TextField()
    """Canonical JSON (RFC 8785): its bytes are what is hashed."""
    envelope_digest = models.BinaryField()
    txid = models.BigIntegerField()
    """The transaction that made the change, for reconciliation."""

    class Meta:
        db_table = "ledger_entry"
        verbose_name_plural = "entries"
        indexes = [
            models.Index(F("occurred_at").desc(), F("id").desc(), name="entry_time"),
            *(
                models.Index(*columns, F("occurred_at").desc(), F("id").desc(), name=name)
                for name, columns in {
                    "entry_tenant": ["tenant_id"],
                    "entry_type": ["tenant_id", "type"],
                    "entry_actor": ["tenant_id", "actor_id"],
                    "entry_object": ["tenant_id", "object_id"],
                }.items()
            ),
            # The same over all tenants, for the platform's pages.
            *(
                models.Index(F(column), F("occurred_at").desc(), F("id").desc(), name=name)
                for name, column in {
                    "entry_any_type": "type",
                    "entry_any_actor": "actor_id",
                    "entry_any_object": "object_id",
                }.items()
            ),
            models.Index(
                F("occurred_at").desc(),
                F("id").desc(),
                name="entry_denied",
                condition=~Q(outcome="success"),
            ),
            models.Index(
                fields=["request_id"], name="entry_request", condition=Q(request_id__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["success", "denied", "error"]), name="entry_outcome"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Payload(models.Model):
    """An entry's personal part: labels, address, reason, differences. Erasable, once."""

    entry = models.OneToOneField(Entry, models.DO_NOTHING, primary_key=True)
    tenant_id = models.CharField(max_length=128, null=True)
    salt = models.BinaryField(null=True)
    body = models.TextField(null=True)
    retention_class = models.CharField(max_length=16)
    expires_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_payload"
        indexes = [
            models.Index(
                fields=["retention_class", "expires_at"],
                name="payload_due",
                condition=Q(erased_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"payload of {self.entry_id}"


class ObjectSalt(models.Model):
    """The key of one object's before and after digests. Without it they can't be guessed at.

    One for each tenant that sees the object's history, so that no digest joins two tenants.
    """

    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=128)
    tenant_id = models.CharField(max_length=128, null=True)
    salt = models.BinaryField(null=True)
    erased_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_object_salt"
        constraints = [
            models.UniqueConstraint(
                fields=["object_type", "object_id", "tenant_id"],
                nulls_distinct=False,
                name="object_salt_once",
            )
        ]

    def __str__(self) -> str:
        return f"salt of {self.object_type} {self.object_id}"
