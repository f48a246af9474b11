"""The outbox of versions to publish. Its table is made by SQL in the first migration."""

from django.db import models


class Outbox(models.Model):
    """Versions that a committed change has raised and that Redis may not know yet."""

    versions = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "core_outbox"
