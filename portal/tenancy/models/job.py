"""Work that takes longer than a page may: how far it is, and the file that comes of it."""

from functools import partial

from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.tenant import Tenant


class Job(models.Model):
    """What somebody asked for; seen by who asked alone. It goes with its file after seven days."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "job"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True)
    """None: of the platform's people, over all tenants."""
    kind = models.CharField(max_length=32)
    """A name in portal.tenancy.jobs.KINDS."""
    asked = models.JSONField(default=dict)
    """What exactly; each kind has its own members."""
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=128)
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    total = models.BigIntegerField(null=True)
    """How much there is to do; None before it was looked at."""
    done = models.BigIntegerField(default=0)
    place = models.CharField(max_length=256, default="", blank=True)
    """Where the next step begins. It commits with the step: whoever takes over repeats nothing."""
    parts = models.IntegerField(default=0)
    """Pieces of the file that are there."""
    file_name = models.CharField(max_length=128, default="", blank=True)
    content_type = models.CharField(max_length=128, default="", blank=True)
    failure = models.CharField(max_length=512, default="", blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True)
    """When a step of it last committed."""
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["actor_id", "-asked_at"], name="job_of"),
            models.Index(
                fields=["asked_at"],
                name="job_open",
                condition=models.Q(state__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def open(self) -> bool:
        """Whether there is still something to do."""
        return self.state in (self.State.WAITING, self.State.RUNNING)


class JobPart(models.Model):
    """A piece of a job's file, in order."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True)
    number = models.IntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="job_part_once")]

    def __str__(self) -> str:
        return f"{self.job_id}, part {self.number}"
