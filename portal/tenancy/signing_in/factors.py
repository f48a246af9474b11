"""What a person proves themselves with beside the password: codes of an app, or recovery codes.

One-time codes are RFC 6238's as every authenticator app makes them: SHA-1, six digits, 30 seconds.
The present step and the one before are taken (section 5.2: for typing and a slow clock), and no
step at or before one that was used. The seed is sealed; recovery codes are digested under a pepper.
"""

import base64
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import segno
from django.conf import settings
from django.db.models.functions import Now
from django_otp.oath import hotp

from portal.core import tokens
from portal.core.clock import now
from portal.core.sealing import SealBroken, open_sealed, seal
from portal.tenancy.models import Passkey, RecoveryCode, Totp

SEED_BYTES: Final = 20
"""RFC 4226, section 4, R6."""
STEP: Final = 30
ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32: nothing in it is mistaken for something else."""
MISREAD: Final = str.maketrans("oil", "011", " -")
RECOVERY_CODES: Final = 8
SEED: Final = "seed of a second factor"
ENROLMENT: Final = "second factor that is being set up"


@dataclass(frozen=True)
class Enrolment:
    """A second factor that is being set up: not stored before its first code was right."""

    seed: bytes = field(repr=False)
    codes: tuple[str, ...] = field(repr=False)

    @classmethod
    def new(cls) -> "Enrolment":
        """160 bits of seed and eight recovery codes, from the system's generator."""
        return cls(secrets.token_bytes(SEED_BYTES), new_recovery_codes())

    def sealed(self, about: str) -> str:
        """For the form that shows it: nobody reads or changes it meanwhile."""
        told = {"seed": base64.b32encode(self.seed).decode(), "codes": self.codes}
        return seal(json.dumps(told).encode(), ENROLMENT, about)

    @classmethod
    def opened(cls, text: str, about: str) -> "Enrolment | None":
        """What `sealed` told the form; None for anything else."""
        try:
            told = json.loads(open_sealed(text, ENROLMENT, about))
        except SealBroken:
            return None
        return cls(base64.b32decode(told["seed"]), tuple(told["codes"]))

    @property
    def key(self) -> str:
        """The seed as it is typed into an app, in fours."""
        text = base64.b32encode(self.seed).decode()
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

    def qr(self, account: str) -> "Qr":
        """The picture that an app scans (the Key Uri Format that they all read)."""
        issuer = settings.OTP_TOTP_ISSUER
        secret = self.key.replace(" ", "")
        label = quote(f"{issuer}:{account}", safe=":@")
        return Qr.of(f"otpauth://totp/{label}?secret={secret}&issuer={quote(issuer)}")


@dataclass(frozen=True)
class Qr:
    """A QR code as one path of strokes in a square of `size`."""

    size: str
    path: str

    @classmethod
    def of(cls, text: str) -> "Qr":
        """The code that says `text`."""
        rows = segno.make(text, error="m", micro=False).matrix
        strokes = (
            f"M{run.start()} {y}.5h{run.end() - run.start()}"
            for y, row in enumerate(rows)
            for run in re.finditer(b"\x01+", bytes(row))
        )
        return cls(str(len(rows)), "".join(strokes))


def six_digits(text: str) -> str | None:
    """A code as it was typed, without its spaces; None for what is not six ASCII digits."""
    text = text.replace(" ", "")
    return text if re.fullmatch(r"[0-9]{6}", text, re.ASCII) else None


def step_of(seed: bytes, code: str) -> int | None:
    """The time step that `code` is right for: the present one or the one before."""
    present = int(now().timestamp()) // STEP
    for step in (present, present - 1):
        if hmac.compare_digest(f"{hotp(seed, step):06d}", code):
            return step
    return None


def use_code(person_id: str, text: str) -> bool:
    """Whether `text` is the person's code now, which it then is no more. In a transaction."""
    code = six_digits(text)
    app = Totp.objects.filter(user_id=person_id, confirmed=True).first()
    if code is None or app is None:
        return False
    try:
        step = step_of(open_sealed(app.sealed_seed, SEED, person_id), code)
    except SealBroken:  # its key left the ring: a recovery code or a new invitation helps
        return False
    unused = Totp.objects.filter(pk=app.pk, last_step__lt=step) if step is not None else None
    return unused is not None and unused.update(last_step=step) == 1


def has_second_factor(person_id: str) -> bool:
    """Whether a password alone never signs this person in. Inside the platform's scope."""
    apps = Totp.objects.filter(user_id=person_id, confirmed=True)
    return bool(apps.exists() or Passkey.objects.filter(user_id=person_id).exists())


def drop_second_factors(person_id: str) -> None:
    """Leave the person with no app and no codes. In a transaction."""
    Totp.objects.filter(user_id=person_id).delete()
    RecoveryCode.objects.filter(person_id=person_id).delete()


def set_app(person_id: str, seed: bytes, step: int) -> None:
    """Make this the person's authenticator app, in place of any other. In a transaction."""
    Totp.objects.filter(user_id=person_id).delete()
    Totp.objects.create(
        user_id=person_id, name="authenticator app", last_step=step,
        sealed_seed=seal(seed, SEED, person_id),
    )  # fmt: skip


def new_recovery_codes() -> tuple[str, ...]:
    """Eight codes of 60 bits each: `8kq2-v7wd-x3mn`."""
    return tuple(
        "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))
        for _ in range(RECOVERY_CODES)
    )


def _digest(person_id: str, code: str, pepper_id: int) -> bytes:
    return tokens.digest(f"recovery code:{person_id}:{code}", pepper_id)


def set_recovery_codes(person_id: str, codes: Sequence[str]) -> None:
    """Make these the person's recovery codes: older ones work no more. In a transaction."""
    RecoveryCode.objects.filter(person_id=person_id).delete()
    pepper_id = tokens.newest_pepper()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(
            person_id=person_id, pepper_id=pepper_id,
            digest=_digest(person_id, code.replace("-", ""), pepper_id),
        )
        for code in codes
    )  # fmt: skip


def use_recovery_code(person_id: str, text: str) -> bool:
    """Whether `text` is one of the person's codes, which it then is no more. In a transaction."""
    code = text.lower().translate(MISREAD)
    if not re.fullmatch(f"[{ALPHABET}]{{12}}", code):
        return False
    unused = RecoveryCode.objects.filter(person_id=person_id, used_at__isnull=True)
    for pepper_id in unused.values_list("pepper_id", flat=True).distinct():
        try:
            digest = _digest(person_id, code, pepper_id)
        except KeyError:  # a pepper that left the ring verifies nothing
            continue
        if unused.filter(pepper_id=pepper_id, digest=digest).update(used_at=Now()):
            return True
    return False


def recovery_codes_left(person_id: str) -> int:
    """How many a person has not used yet. Inside the platform's scope."""
    return RecoveryCode.objects.filter(person_id=person_id, used_at__isnull=True).count()
