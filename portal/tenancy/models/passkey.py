"""Passkeys: what the browser's authenticator holds the private half of.

The package's own table for them stays empty: this one is called as ours are, and has no attestation
beside it. Nothing in a row is secret: a public key proves, it opens nothing.
"""

from functools import partial

from django.db import models
from django_otp_webauthn.models import AbstractWebAuthnCredential

from portal.core.ids import new_id


class Passkey(AbstractWebAuthnCredential):  # type: ignore[misc]  # the package has no types
    """A credential record (WebAuthn Level 3, section 4), with the name that its person gave it."""

    id = models.CharField(primary_key=True, max_length=32, default=partial(new_id, "pky"))
    sign_count = models.PositiveBigIntegerField(default=0)
    """A counter has 32 bits (WebAuthn, section 6.1); the package's own field has 31."""

    class Meta:
        verbose_name = "passkey"

    @property
    def amr(self) -> str:
        """What it proves (RFC 8176): the possession of a key in hardware, or of one in software.

        A key that may be copied to other devices is in software. It is the authenticator's word:
        nobody attests it.
        """
        return "swk" if self.backup_eligible else "hwk"
