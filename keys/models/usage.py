"""What happened: decisions, usage and quota as the drain wrote them. The application only reads.

The tables are made by SQL in the migration (partitions, functions); these models read them.
"""

from django.db import models


class Decision(models.Model):
    """One decision on a verified key. Partitioned by day; always queried with a time bound."""

    id = models.CharField(primary_key=True, max_length=36)
    tenant_id = models.CharField(max_length=32)
    at = models.DateTimeField()
    key_id = models.CharField(max_length=32)
    kid = models.CharField(max_length=12)
    gateway_id = models.CharField(max_length=32)
    code = models.CharField(max_length=32)
    units = models.JSONField()
    address = models.GenericIPAddressField(null=True)
    method = models.CharField(max_length=16)
    route = models.CharField(max_length=512)
    """The pattern that matched, not the path: a path may hold personal data."""
    model = models.CharField(max_length=128)
    subject_ref = models.CharField(max_length=64)
    purpose = models.CharField(max_length=64)

    class Meta:
        managed = False
        db_table = "keys_decision"


class HourlyUsage(models.Model):
    """Decisions of one key in one hour by code, with the units that were granted."""

    pk = models.CompositePrimaryKey("tenant_id", "key_id", "hour", "code")
    tenant_id = models.CharField(max_length=32)
    key_id = models.CharField(max_length=32)
    hour = models.DateTimeField()
    code = models.CharField(max_length=32)
    decisions = models.BigIntegerField()
    units = models.JSONField()

    class Meta:
        managed = False
        db_table = "keys_hourlyusage"


class TenantUsage(models.Model):
    """Decisions of one tenant with one Api in one hour by code; a trigger sums HourlyUsage."""

    pk = models.CompositePrimaryKey("hour", "tenant_id", "api_id", "code")
    hour = models.DateTimeField()
    tenant_id = models.CharField(max_length=32)
    api_id = models.CharField(max_length=32)
    code = models.CharField(max_length=32)
    decisions = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "keys_tenantusage"


class QuotaWindow(models.Model):
    """Units granted by one calendar counter in one window: what survives Redis."""

    pk = models.CompositePrimaryKey("counter", "window_start")
    tenant_id = models.CharField(max_length=32)
    counter = models.CharField(max_length=64)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    used = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "keys_quotawindow"


class SecretUse(models.Model):
    """When a secret was last used, and from where; off the governed row and off the request."""

    kid = models.CharField(primary_key=True, max_length=12)
    tenant_id = models.CharField(max_length=32)
    key_id = models.CharField(max_length=32)
    last_used_at = models.DateTimeField()
    last_address = models.GenericIPAddressField(null=True)

    class Meta:
        managed = False
        db_table = "keys_secretuse"


class Seen(models.Model):
    """A scope, model or address that a key was used with."""

    pk = models.CompositePrimaryKey("key_id", "kind", "value")
    tenant_id = models.CharField(max_length=32)
    key_id = models.CharField(max_length=32)
    kind = models.CharField(max_length=8)
    value = models.CharField(max_length=128)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "keys_seen"


class UnknownKeys(models.Model):
    """Unknown and malformed keys that a gateway asked about, by address prefix and minute."""

    pk = models.CompositePrimaryKey("gateway_id", "prefix", "minute", "code")
    gateway_id = models.CharField(max_length=32)
    prefix = models.CharField(max_length=49)
    minute = models.DateTimeField()
    code = models.CharField(max_length=16)
    checks = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "keys_unknownkeys"


class DrainPosition(models.Model):
    """How far a shard's stream has been read: what makes draining exactly once."""

    shard = models.SmallIntegerField(primary_key=True)
    era = models.CharField(max_length=64)
    position = models.CharField(max_length=32)
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "keys_drainposition"
