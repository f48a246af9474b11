"""The outboxes: of versions to publish, whose table is made by SQL, and of mails."""

from functools import partial

from django.db import models
from django.db.models.functions import Now

from portal.core.ids import new_id


class Outbox(models.Model):
    """Versions that a committed change has raised and that Redis may not know yet."""

    versions = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "core_outbox"


class Mail(models.Model):
    """A mail that was written. Of no tenant: seen inside the platform's scope only."""

    class State(models.TextChoices):
        STANDING = "standing"
        """Written while no SMTP server was configured: somebody hands it over."""
        WAITING = "waiting"
        SENT = "sent"
        FAILED = "failed"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "mai"))
    subject = models.CharField(max_length=128)
    """Names nobody: it is not sealed."""
    about = models.CharField(max_length=64)
    sealed = models.TextField()
    """Recipient and text (portal.core.mail)."""
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    tries = models.SmallIntegerField(default=0)
    fault = models.CharField(max_length=128, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(db_default=Now())
    """When a waiting one is tried next."""
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="mail_list"),
            models.Index(fields=["due_at"], name="mail_due", condition=models.Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return self.id
