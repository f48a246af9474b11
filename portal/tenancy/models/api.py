"""What is protected: Apis, their scopes and the routes that need them."""

from functools import partial

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.tenant import Tenant


class Api(models.Model):
    """One protected API. Without a tenant it is the platform's and granted to tenants."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "api"))
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT)
    slug = models.SlugField(max_length=63)
    name = models.CharField(max_length=128)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "slug"], name="api_slug", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.slug


class ApiGrant(models.Model):
    """A tenant may use a platform Api, or might once: the keys it has for it keep its name."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    api = models.ForeignKey(Api, on_delete=models.PROTECT)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "api"], name="one_grant")]

    def __str__(self) -> str:
        return f"{self.tenant} may use {self.api}"


class Scope(models.Model):
    """A right on an Api, such as `chat:write`; one of high risk needs approval."""

    class Risk(models.TextChoices):
        LOW = "low"
        HIGH = "high"

    api = models.ForeignKey(Api, on_delete=models.CASCADE, related_name="scopes")
    name = models.CharField(max_length=64)
    risk = models.CharField(max_length=4, choices=Risk, default=Risk.LOW)
    description = models.CharField(max_length=256, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api", "name"], name="scope_name"),
            models.CheckConstraint(condition=models.Q(risk__in=["low", "high"]), name="scope_risk"),
        ]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """A method and a path pattern of an Api, and the scopes that a request to it needs.

    In a pattern `*` stands for one path segment and a final `**` for any rest; everything else is
    literal. Method `*` is any. The most literal pattern wins.
    """

    api = models.ForeignKey(Api, on_delete=models.CASCADE, related_name="routes")
    method = models.CharField(max_length=16)
    pattern = models.CharField(max_length=512)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    default_purpose = models.CharField(max_length=64, blank=True)
    consent_required = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api", "method", "pattern"], name="route_pattern")
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"
