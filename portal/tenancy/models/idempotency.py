"""What a POST with an Idempotency-Key did, so that its replay does nothing."""

from django.db import models

from portal.tenancy.models.tenant import Tenant


class IdempotencyRecord(models.Model):
    """Commits with the change. Holds an HMAC of the request and the object's id, never a body."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    credential = models.CharField(max_length=32)
    route = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    request_hmac = models.BinaryField()
    status = models.SmallIntegerField()
    object_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["credential", "tenant", "route", "key"],
                name="one_use_of_an_idempotency_key",
            )
        ]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
