"""People and what they are in a tenant."""

from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.tenant import Tenant


class PeopleManager(BaseUserManager["Person"]):
    """Finds people by the address they sign in with."""

    def get_by_natural_key(self, username: str | None) -> "Person":
        return self.get(email=username)


class Person(AbstractBaseUser):  # type: ignore[django-manager-missing]  # django-otp's devices
    """Someone who signs in. A platform role is theirs; tenant roles are their memberships'."""

    class PlatformRole(models.TextChoices):
        NONE = ""
        SECURITY_ADMIN = "security_admin"
        AUDITOR = "auditor"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "per"))
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=128)
    platform_role = models.CharField(
        max_length=16, choices=PlatformRole, default=PlatformRole.NONE, blank=True
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_sign_in_at = models.DateTimeField(null=True)

    last_login = None  # Django would write it by a signal, unrecorded
    second_factor = False
    """Whether this browser proved one (portal.tenancy.signing_in.middleware). Not of the row."""
    bound_to = ""
    bound_by = ""
    """The tenant whose provider let this browser in, which reaches nothing else, and its issuer.
    Not of the row."""

    objects = PeopleManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name_plural = "people"
        indexes = [
            models.Index(fields=["name", "id"], name="person_by_name"),
            models.Index(fields=["created_at", "id"], name="person_by_age"),
        ]

    def __str__(self) -> str:
        return self.name

    def is_verified(self) -> bool:
        """What django-otp's admin site asks."""
        return self.second_factor

    @property
    def is_staff(self) -> bool:
        """Whether the admin is theirs to see; what they may do there, the verbs decide."""
        return bool(self.platform_role)

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Django's admin asks; it only ever shows rows (portal.admin_site)."""
        return self.is_active and self.is_staff and permission.partition(".")[2].startswith("view_")

    def has_module_perms(self, app_label: str) -> bool:
        """The same, for an app's list of models."""
        return self.is_active and self.is_staff


class Membership(models.Model):
    """A person's role in one tenant; what owns keys, so that a person's leaving is one row."""

    class Role(models.TextChoices):
        OWNER = "owner"
        DEVELOPER = "developer"
        PRIVACY_OFFICER = "privacy_officer"
        VIEWER = "viewer"

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "mem"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    person = models.ForeignKey(Person, on_delete=models.PROTECT)
    role = models.CharField(max_length=16, choices=Role)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "person"], name="one_membership_a_person"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "developer", "privacy_officer", "viewer"]),
                name="membership_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} ({self.role})"
