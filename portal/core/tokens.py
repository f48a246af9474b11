"""The text of a credential: `csk_live_7Kq2mX9aB4cD_<43 of secret><6 of checksum>`.

One format for API keys (`csk`), gateways (`csg`), management tokens (`csm`) and what a directory
ends memberships with (`csd`). The checksum is the CRC32 of everything before it, so that a mistyped
or truncated credential is refused before any I/O and a secret scanner has no false positives. It is
no security: that is the 256-bit secret, of which only an HMAC-SHA256 under a pepper from outside
the database is kept (CONTRACT.md, Credentials).
"""

import hmac
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from portal.core import configuration
from portal.core.ids import ALPHABET, base62

if TYPE_CHECKING:
    from hashlib import _Hash

GATEWAY: Final = "csg"
MANAGEMENT: Final = "csm"
DEPROVISIONING: Final = "csd"
LONGEST: Final = 128  # characters; ours are 71, "opaque, up to 128" is what clients are told


class Shape(NamedTuple):
    """What a credential's text says of itself."""

    brand: str
    environment: str
    kid: str


class SecretText:
    """A credential's whole text. It shows itself only to who calls `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text, for the one response that issues it."""
        return self._text

    def __repr__(self) -> str:
        return f"<SecretText {self._text[:21]}…>" if parse(self._text) else "<SecretText>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True)
class Minted:
    """A new credential: its text, once, and what the database keeps of it."""

    secret: SecretText
    kid: str
    digest: bytes
    pepper_id: int


def checksum(text: str) -> str:
    """CRC32 (IEEE) of `text` in base62, padded with `0` to six characters."""
    number, out = crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        out = ALPHABET[digit] + out
    return out


_DIGIT: Final = {character: value for value, character in enumerate(ALPHABET)}


def _number(text: str) -> int:
    """What six base62 digits say."""
    a, b, c, d, e, f = map(_DIGIT.__getitem__, text)
    return ((((a * 62 + b) * 62 + c) * 62 + d) * 62 + e) * 62 + f


@cache
def _pattern() -> re.Pattern[str]:
    brands = f"{configuration.KEY_BRAND()}|{GATEWAY}|{MANAGEMENT}|{DEPROVISIONING}"
    return re.compile(
        rf"({brands})_(live|test)_([0-9A-Za-z]{{12}})_[0-9A-Za-z]{{43}}[0-4][0-9A-Za-z]{{5}}"
    )


def kid_in(text: str) -> str:
    """Where a well-formed credential has its public id. Nothing is checked: whoever finds something
    under it has to verify the whole text, which no other than a well-formed one passes."""
    return text[-62:-50]


def parse(text: str) -> Shape | None:
    """The shape of a well-formed credential with a right checksum, else None. No I/O."""
    match = _pattern().fullmatch(text)
    if match is None or crc32(text[:-6].encode()) != _number(text[-6:]):
        return None
    return Shape._make(match.groups())


BLOCK: Final = 64  # bytes of SHA-256's block


@cache
def _ring() -> dict[int, "tuple[_Hash, _Hash]"]:
    """Each pepper as HMAC's two hashes that have taken it in (RFC 2104, section 4).

    Starting from a copy costs a third of `hmac.digest`, which looks its algorithm up every time.
    """
    ring = {}
    for pepper_id, pepper in configuration.KEY_PEPPERS().items():
        key = (sha256(pepper).digest() if len(pepper) > BLOCK else pepper).ljust(BLOCK, b"\0")
        inner, outer = bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)
        ring[pepper_id] = (sha256(inner), sha256(outer))
    return ring


def digest(text: str, pepper_id: int) -> bytes:
    """HMAC-SHA256 of the whole text under one pepper; raises KeyError for one not in the ring."""
    started, finishing = _ring()[pepper_id]
    inner, outer = started.copy(), finishing.copy()
    inner.update(text.encode())
    outer.update(inner.digest())
    return outer.digest()


def newest_pepper() -> int:
    """The id of the pepper that signs new credentials."""
    return max(_ring())


def verify(text: str, expected: bytes, pepper_id: int) -> bool:
    """Whether `text` is the credential behind `expected`, in constant time.

    A pepper that left the ring verifies nothing, at the same cost.
    """
    known = pepper_id in _ring()
    computed = digest(text, pepper_id if known else newest_pepper())
    return hmac.compare_digest(computed, expected) and known


NOBODY: Final = bytes(32)
"""Compared with when the kid is unknown, so that an unknown key costs what a wrong one does."""


def mint(brand: str, environment: str) -> Minted:
    """Make a credential; its text is in `secret` and nowhere else."""
    kid = base62(12)
    body = f"{brand}_{environment}_{kid}_{base62(43)}"
    text = body + checksum(body)
    pepper_id = newest_pepper()
    return Minted(SecretText(text), kid, digest(text, pepper_id), pepper_id)
