"""What a passkey signs: a challenge for one purpose in one browser, good for five minutes and once.

A challenge proves by itself that it is ours: 24 random bytes, its end, and a MAC over both and over
what it is for. So a page that is only looked at writes nothing, however often, and none of it is in
a session. One that led to something is remembered (`tenancy_usedform`) until long after its end.
"""

import hashlib
import secrets
from typing import Final

from django.db import connection
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.utils.crypto import constant_time_compare, salted_hmac

from portal.core.clock import now

LASTS: Final = 300
"""Seconds."""
RANDOM: Final = 24
END: Final = 8
SALT: Final = "portal.tenancy.signing_in.challenges"


def browser_of(request: HttpRequest) -> str:
    """What only this browser has, also before anyone signs in: the secret of its forms' token."""
    get_token(request)
    return str(request.META["CSRF_COOKIE"])


def new_challenge(about: str) -> bytes:
    """A challenge for what `about` says, and for nothing else."""
    end = int(now().timestamp()) + LASTS
    begun = secrets.token_bytes(RANDOM) + end.to_bytes(END, "big")
    return begun + _mac(begun, about)


def is_open(challenge: bytes, about: str) -> bool:
    """Whether it is one of ours for `about`, and has not ended."""
    begun, mac = challenge[: RANDOM + END], challenge[RANDOM + END :]
    if not constant_time_compare(mac, _mac(begun, about)):
        return False
    return int.from_bytes(begun[RANDOM:], "big") > now().timestamp()


def spend(challenge: bytes, made: str) -> bool:
    """Use it up for `made`, in the transaction that makes it; False if it was used before."""
    digest = hashlib.sha256(SALT.encode() + challenge).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tenancy_usedform (digest, made, used_at)"
            " VALUES (%s, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
            [digest, made],
        )
        return int(cursor.rowcount) == 1


def _mac(begun: bytes, about: str) -> bytes:
    return salted_hmac(SALT, begun.hex() + about, algorithm="sha256").digest()
