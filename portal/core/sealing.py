"""What must be kept and read again, encrypted: seeds of second factors, mails that wait.

AES-256-GCM (NIST SP 800-38D) under a ring of keys from outside the database, `ENCRYPTION_KEYS`.
Every purpose has a key of its own (HKDF, RFC 5869), so that what was sealed for one is noise to
another. What can be checked without being read again is digested instead (portal.core.tokens).
"""

import base64
import binascii
import os
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.core import configuration

NONCE: Final = 12


class SealBroken(Exception):
    """What was to be opened is not ours, was sealed for something else, or lost its key."""


@cache
def _cipher(key_id: int, purpose: str) -> AESGCM:
    key = configuration.ENCRYPTION_KEYS()[key_id]
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=f"countersign:{purpose}".encode()).derive(key))


def seal(content: bytes, purpose: str, about: str = "") -> str:
    """`content` as text that only `open_sealed` with the same `purpose` and `about` reads.

    `about` binds it to a row, such as a person's id: moved to another one it does not open.
    """
    key_id, nonce = max(configuration.ENCRYPTION_KEYS()), os.urandom(NONCE)
    sealed = nonce + _cipher(key_id, purpose).encrypt(nonce, content, about.encode())
    return f"{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def open_sealed(text: str, purpose: str, about: str = "") -> bytes:
    """What `seal` was given; raises SealBroken."""
    key_id, _, encoded = text.partition(".")
    try:
        sealed = base64.b64decode(encoded, altchars=b"-_", validate=True)
        cipher = _cipher(int(key_id), purpose)
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], about.encode())
    except (ValueError, KeyError, binascii.Error, InvalidTag):
        raise SealBroken from None
