"""How much: limits of one key or shared by a tenant's keys."""

from functools import partial

from django.db import models

from keys.models.key import ApiKey
from portal.core.ids import new_id
from portal.tenancy.models import Tenant


class Limit(models.Model):
    """An amount of a unit in a window. `key` is null for one that the tenant's keys share.

    A counter's identity is (key or tenant, name, unit, window, algorithm): a shared limit is
    defined once, an equal definition joins it, and a key whose limits are replaced by equal ones
    goes on counting where it was.
    """

    class Window(models.TextChoices):
        SECOND = "second"
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"
        MONTH = "month"

    class Algorithm(models.TextChoices):
        CALENDAR = "calendar"
        SMOOTH = "smooth"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "lim"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    key = models.ForeignKey(
        ApiKey, null=True, blank=True, on_delete=models.PROTECT, related_name="own_limits"
    )
    name = models.CharField(max_length=64)
    unit = models.CharField(max_length=32)
    amount = models.BigIntegerField()
    window = models.CharField(max_length=6, choices=Window)
    algorithm = models.CharField(max_length=8, choices=Algorithm)
    burst = models.BigIntegerField(null=True, blank=True)
    """`smooth` only: the bucket's size; equal to the amount when none was given."""
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "key", "name", "unit", "window", "algorithm"],
                name="one_counter_a_definition",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="limit_amount"),
            models.CheckConstraint(
                condition=models.Q(burst__isnull=False, burst__gte=0, algorithm="smooth")
                | models.Q(burst__isnull=True, algorithm="calendar"),
                name="limit_burst",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class KeyLimit(models.Model):
    """A key is under a limit, its own or a shared one; `position` is the order it was given in."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="key_limits")
    limit = models.ForeignKey(Limit, on_delete=models.PROTECT, related_name="key_limits")
    position = models.SmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["key", "limit"], name="a_limit_once_a_key")]

    def __str__(self) -> str:
        return f"{self.key} under {self.limit}"
