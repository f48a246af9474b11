"""What gateways saw of credentials where others could read them, until it is in the ledger."""

from django.db import models


class Exposed(models.Model):
    """A credential that was sent in a query string or over plain HTTP."""

    pk = models.CompositePrimaryKey("kid", "way")
    kid = models.CharField(max_length=12)
    way = models.CharField(max_length=16)
    """`query` or `plain`."""
    kind = models.CharField(max_length=16)
    """`key` or `gateway`."""
    object_id = models.CharField(max_length=32)
    tenant_id = models.CharField(max_length=32, null=True)
    """None for a gateway's: it is the platform's."""
    network = models.CharField(max_length=64)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}, {self.way}"
