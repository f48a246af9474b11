"""Passkeys: the only door to django-otp-webauthn, and to py_webauthn underneath.

The package's helper carries both ceremonies out and its model is what is kept. Its views are not
served: they sign in by Django's login() with no word of it in the ledger, read and write outside of
any scope, keep challenges in sessions (which an anonymous visitor has none of here), and count no
tries. Ours call this module from verbs, inside their transactions.
"""

import json
from typing import Any, Final

from django.db import DatabaseError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnUserHandle
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
)
from webauthn.helpers.structs import PublicKeyCredentialUserEntity, ResidentKeyRequirement

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.models import Passkey, Person
from portal.tenancy.people import target_of
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.challenges import LASTS, is_open, new_challenge, spend
from portal.tenancy.signing_in.signing import Factor

WORDS: Final = "passkey"
LONGEST: Final = 16_384
"""Characters of an answer. With RSA keys and a long credential id it has four thousand."""
LONGEST_KEPT: Final = 1023
"""Bytes of a credential's id (WebAuthn Level 3, section 4) and of its public key."""
LATE: Final = "That took too long, or was begun on another page. Try again."
WRONG: Final = "That passkey does not work here. Try again, or prove yourself in another way."
FAULTY: Final = "The passkey could not be made. Begin again."
KNOWN: Final = "This passkey is known here already. Nothing was added."
PASSKEY: Final = Factor("hwk", WORDS, lambda _, __: False, WRONG, ("user",))
"""What a passkey proves, but for `amr` and `use`: those are of one answer (`second_factor`)."""


class Ceremony(WebAuthnHelper):  # type: ignore[misc]  # the package has no types
    """The package's ceremonies, about a challenge of ours and without a request."""

    def __init__(self, challenge: bytes, name: str = "") -> None:
        super().__init__(request=None)
        self.challenge, self.name = challenge, name

    def generate_challenge(self) -> bytes:
        """Ours (portal.tenancy.signing_in.challenges)."""
        return self.challenge

    def get_generate_authentication_options_kwargs(self, **asked: Any) -> dict[str, Any]:
        """The same here, where the package draws one by itself."""
        told = super().get_generate_authentication_options_kwargs(**asked)
        return {**told, "challenge": self.challenge, "timeout": LASTS * 1000}

    def get_discoverable_credentials_preference(self) -> ResidentKeyRequirement:
        """Preferred: a security key without room for one is a good second factor all the same."""
        return ResidentKeyRequirement.PREFERRED

    def get_user_entity(self, user: Person) -> PublicKeyCredentialUserEntity:
        """Who the authenticator says that it is for. The handle is random and of 64 bytes."""
        handle = WebAuthnUserHandle.get_handle_for_user(user)
        return PublicKeyCredentialUserEntity(id=handle, name=user.email, display_name=user.name)

    def create_credential(self, *told: Any) -> Passkey:
        """With the name that its person gave it; only if nobody has the same."""
        made: Passkey = super().create_credential(*told)
        if max(len(made.credential_id), len(made.public_key)) > LONGEST_KEPT:
            raise ValueError("longer than any")
        # The package reads the key when it is used: one that can't be read would never prove.
        decoded_public_key_to_cryptography(decode_credential_public_key(made.public_key))
        digest = made.get_credential_id_sha256(made.credential_id)
        if Passkey.objects.filter(credential_id_sha256=digest).exists():
            raise Refusal("CONFLICT", KNOWN)
        made.name = self.name
        return made

    def create_attestation(self, *told: Any) -> None:
        """None is kept, for none is asked."""


def creation_options(person: Person, about: str) -> dict[str, Any]:
    """What `navigator.credentials.create` is told. In a transaction: the handle is made."""
    options: dict[str, Any] = Ceremony(new_challenge(about)).register_begin(person)[0]
    return options


def request_options(person: Person | None, about: str) -> dict[str, Any]:
    """What `navigator.credentials.get` is told: of `person` their passkeys, of nobody none.

    A passkey that is to do without a password has to verify its person: by a PIN, a finger, a face.
    """
    asked = {"user": person, "require_user_verification": person is None}
    with platform_scope("who signs in is not known yet"):
        options: dict[str, Any] = Ceremony(new_challenge(about)).authenticate_begin(**asked)[0]
    return options


def register(person: Person, about: str, name: str, text: str) -> Passkey:
    """Keep the passkey that the browser's answer `text` is about. In a transaction."""
    told, challenge = _read(text, about)
    state = {"challenge": bytes_to_base64url(challenge), "require_user_verification": False}
    try:
        made: Passkey = Ceremony(challenge, name).register_complete(person, state, told)
    except (DatabaseError, Refusal):
        raise
    except Exception:  # what is beneath the package raises whatever strange bytes lead to
        raise refused(FAULTY) from None
    if not spend(challenge, made.id):
        raise refused(LATE)
    return made


def authenticate(person: Person, about: str, text: str, *, alone: bool) -> Passkey:
    """The person's passkey that signed `text`; used `alone`, it verified who holds it.

    In a transaction in which the person is locked: two at once would pass by the same counter.
    Refuses with CREDENTIAL_INVALID.
    """
    told, challenge = _read(text, about)
    state = {"challenge": bytes_to_base64url(challenge), "require_user_verification": alone}
    try:
        used: Passkey = Ceremony(challenge).authenticate_complete(person, state, told)
        same = _is_handle_of(person, told, needed=alone)
    except DatabaseError:
        raise
    except Exception:  # as above
        raise refused(WRONG) from None
    if not same:
        raise refused(WRONG)
    if not spend(challenge, used.id):
        raise refused(LATE)
    return used


def passkey_in(text: str) -> Passkey | None:
    """The passkey that an answer says to be of, which it did not prove yet; with its person."""
    try:
        digest = _digest(_dict(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    with platform_scope("who signs in is not known yet"):
        rows = Passkey.objects.filter(credential_id_sha256=digest).select_related("user")
        said: Passkey | None = rows.first()
    return said


def has_passkeys(person: Person) -> bool:
    """Whether the person has any. Outside of any scope."""
    with platform_scope("a person's own sign-in"):
        return bool(Passkey.objects.filter(user=person).exists())


def second_factor(browser: str, text: str) -> Factor:
    """The passkey of an answer, for verbs that take a factor; its text is the answer again."""
    said = passkey_in(text)

    def use(person_id: str, answer: str) -> bool:
        authenticate(Person(id=person_id), about("second", person_id, browser), answer, alone=False)
        return True

    return PASSKEY._replace(amr=said.amr if said is not None else PASSKEY.amr, use=use)


def drop_passkeys(actor: Actor, person: Person) -> None:
    """Leave the person with none, each recorded. In a transaction."""
    for passkey in Passkey.objects.filter(user=person).order_by("created_at"):
        passkey.delete()
        record_passkey(Event.PASSKEY_REMOVED, actor, person, passkey.name)


def record_passkey(event: Event, actor: Actor, person: Person, name: str, **more: Any) -> None:
    """Write down what happened to a passkey, as something of its person's."""
    record(
        event, actor=actor, tenant=None, target=target_of(person), payload={"passkey": name}, **more
    )


def about(purpose: str, person_id: str, browser: str) -> str:
    """What a challenge is for. Nothing in it holds the character between."""
    return f"{purpose}:{person_id}:{browser}"


def refused(words: str) -> Refusal:
    """The answer to whatever is wrong with a passkey. It points at no field: none is seen."""
    return Refusal("CREDENTIAL_INVALID", errors=[{"detail": words, "pointer": ""}])


def _dict(text: str) -> dict[str, Any]:
    told = json.loads(text) if len(text) <= LONGEST else None
    if not isinstance(told, dict):
        raise ValueError("no answer of a browser's")
    return told


def _digest(told: dict[str, Any]) -> str:
    digest: str = Passkey.get_credential_id_sha256(base64url_to_bytes(told["rawId"]))
    return digest


def _read(text: str, about: str) -> tuple[dict[str, Any], bytes]:
    """The browser's answer, and the challenge in it if it is an open one."""
    try:
        told = _dict(text)
        client = json.loads(base64url_to_bytes(told["response"]["clientDataJSON"]))
        challenge = base64url_to_bytes(client["challenge"])
        framed = bool(client.get("crossOrigin"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise refused(WRONG) from None
    if framed:  # no page of ours is in somebody else's frame
        raise refused(WRONG)
    if not is_open(challenge, about):
        raise refused(LATE)
    return told, challenge


def _is_handle_of(person: Person, told: dict[str, Any], *, needed: bool) -> bool:
    """Whether the authenticator holds the passkey for this person (WebAuthn, section 7.2)."""
    said = told["response"].get("userHandle")
    if said is None:
        return not needed
    kept = WebAuthnUserHandle.objects.filter(
        user_id=person.id, handle_hex=base64url_to_bytes(said).hex()
    )
    return bool(kept.exists())
