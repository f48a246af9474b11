"""What sign-in keeps. Of everything that a person holds, only digests and sealed seeds.

No tenant's rows: they are read and written inside the platform's scope, and before anyone is known
through the functions of migration 0005.
"""

from functools import partial

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django_otp.models import Device

from portal.core.ids import new_id
from portal.tenancy.models.person import Person


class Session(models.Model):
    """A browser that is signed in, or on its way to be. The cookie's value is only digested."""

    digest = models.CharField(primary_key=True, max_length=64)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True)
    data = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    """For good: using it puts nothing off."""
    ref = models.UUIDField(db_default=RandomUUID(), unique=True, editable=False)
    """What pages call it."""
    last_seen_at = models.DateTimeField(db_default=Now())
    """To the minute: without a request for `SESSION_IDLE_MINUTES` the session has ended."""
    proved_at = models.DateTimeField(null=True)
    """When its person last proved a factor in it (portal.tenancy.signing_in.proof)."""
    browser = models.CharField(max_length=64, db_default="")
    """In words of ours (portal.tenancy.signing_in.surroundings)."""
    network = models.CharField(max_length=64, db_default="")

    def __str__(self) -> str:
        return f"a session of {self.person_id}"


class Totp(Device):  # type: ignore[misc]  # django-otp has no types
    """An authenticator app (RFC 6238): its seed, sealed, and the last time step that was used."""

    sealed_seed = models.TextField()
    last_step = models.BigIntegerField(default=0)
    """A code of this step or an earlier one is not taken again (RFC 6238, section 5.2)."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "authenticator app"


class RecoveryCode(models.Model):
    """A code that stands in for the second factor, once."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    digest = models.BinaryField()
    pepper_id = models.SmallIntegerField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"a recovery code of {self.person_id}"


class Invitation(models.Model):
    """A link with which someone sets up their sign-in, once. `person` null: the first of all."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "inv"))
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True)
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"],
                condition=models.Q(used_at__isnull=True),
                nulls_distinct=False,
                name="one_open_invitation",
            )
        ]

    def __str__(self) -> str:
        return self.id


class PasswordReset(models.Model):
    """A link with which someone who forgot their password chooses another, once."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "rst"))
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    digest = models.BinaryField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.id


class UsedForm(models.Model):
    """A form whose sending made something: sent again, it makes nothing."""

    digest = models.BinaryField(primary_key=True)
    made = models.CharField(max_length=32)
    used_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"the form that made {self.made}"


class Tries(models.Model):
    """How often someone tried to sign in (portal.tenancy.signing_in.throttling)."""

    bucket = models.BinaryField(primary_key=True)
    full_at = models.DateTimeField(db_index=True)
    """When all its tries are there again."""

    def __str__(self) -> str:
        return f"tries until {self.full_at}"
