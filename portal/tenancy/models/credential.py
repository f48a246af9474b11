"""Who asks: gateways and management tokens, with what the database keeps of their credentials."""

from functools import partial

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.api import Api
from portal.tenancy.models.person import Membership
from portal.tenancy.models.tenant import Tenant


class Credential(models.Model):
    """What is kept of a token: its public id and an HMAC of its text, never the text."""

    kid = models.CharField(max_length=12, unique=True)
    digest = models.BinaryField()
    pepper_id = models.SmallIntegerField()

    class Meta:
        abstract = True


class Gateway(Credential):
    """A caller of the check API, for exactly one Api, bound to tenants, environments, addresses."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "gw"))
    name = models.CharField(max_length=128)
    api = models.ForeignKey(Api, on_delete=models.PROTECT)
    environments = ArrayField(models.CharField(max_length=4), default=list)
    allowed_cidrs = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    """The gateway's own addresses; empty: any."""
    declared_headers = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    """`X-Countersign-*` headers that it sets; any other may be the client's and is ignored."""
    version = models.BigIntegerField(default=1)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class GatewayTenant(models.Model):
    """A gateway may ask about this tenant's keys."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    gateway = models.ForeignKey(Gateway, on_delete=models.CASCADE, related_name="bindings")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "gateway"], name="one_binding")]

    def __str__(self) -> str:
        return f"{self.gateway} asks for {self.tenant}"


class ManagementToken(Credential):
    """REST automation of one tenant, never more than its creator's present role allows."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "mt"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    creator = models.ForeignKey(Membership, on_delete=models.PROTECT)
    name = models.CharField(max_length=128)
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
