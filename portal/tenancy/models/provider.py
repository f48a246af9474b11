"""Single sign-on: a tenant's OpenID provider, its mail domains, and who came from where."""

from functools import partial

from django.contrib.postgres.fields import ArrayField
from django.db import models

from portal.core.ids import new_id
from portal.tenancy.models.credential import Credential
from portal.tenancy.models.person import Membership, Person
from portal.tenancy.models.tenant import Tenant


class IdentityProvider(models.Model):
    """Whom a tenant lets say who its people are. The platform's own is in the settings."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "idp"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    name = models.CharField(max_length=128)
    issuer = models.CharField(max_length=512)
    client_id = models.CharField(max_length=256)
    sealed_secret = models.TextField(blank=True)
    """Empty: a public client, which proves itself by PKCE alone."""
    scopes = ArrayField(models.CharField(max_length=128), default=list)
    role_claim = models.CharField(max_length=256, blank=True)
    role_map = models.JSONField(default=list)
    """`[[value, role], …]`: the first value that the claim has decides."""
    default_role = models.CharField(max_length=16, choices=Membership.Role, blank=True)
    """For who has none of those values; empty: they may not come in."""
    mfa_acr = ArrayField(models.CharField(max_length=256), default=list, blank=True)
    mfa_amr = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    trusts_email = models.BooleanField(default=False)
    """Whether an address holds without `email_verified`: only its own people sign in there."""
    enforced = models.BooleanField(default=False)
    """Whether the tenant's pages are open only to who came through it."""
    is_active = models.BooleanField(default=False)
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="one_provider_a_tenant"),
            models.CheckConstraint(
                condition=models.Q(default_role__in=["", *Membership.Role.values]),
                name="provider_default_role",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProviderDomain(models.Model):
    """A mail domain whose people a provider may bring, once it is shown to be the tenant's."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "dom"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(max_length=253)
    challenge = models.CharField(max_length=64)
    """What its DNS has to say. Public: it proves nothing without that."""
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "domain"], name="one_claim_on_a_domain"),
            models.UniqueConstraint(
                fields=["domain"], condition=models.Q(verified_at__isnull=False),
                name="one_owner_of_a_domain",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.domain


class ExternalIdentity(models.Model):
    """Who someone is at a provider: its issuer and their subject there, never a mail address."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "xid"))
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    issuer = models.CharField(max_length=512)
    subject = models.CharField(max_length=255)
    """OpenID Connect Core, section 2: at most 255 ASCII characters, never given to another."""
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "external identities"
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_person_an_identity")
        ]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class LinkInvitation(models.Model):
    """A person who is here already may tie their account to a provider's; accepted signed in."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "lnk"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, null=True)
    """Whose provider; null: the platform's."""
    person = models.ForeignKey(Person, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "person"], condition=models.Q(used_at__isnull=True),
                nulls_distinct=False, name="one_open_link_invitation",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.id


class DeprovisioningToken(Credential):
    """With it a tenant's directory ends memberships by REST. It gives nobody anything."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "dpt"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT)
    name = models.CharField(max_length=128)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
