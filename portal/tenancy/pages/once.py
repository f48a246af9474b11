"""Forms that make something are good once: a reload of the answer makes nothing.

The form carries a signed random token; the transaction that makes the thing also writes its digest
(portal.tenancy.change.companion), so that two sendings at once make one thing, and a sending that
failed may be repeated.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from django.core import signing
from django.db import connection
from django.http import HttpRequest

from portal.core.refusals import Refusal
from portal.tenancy.change import Change, companion

SALT: Final = "portal.tenancy.pages.once"
GOOD_FOR: Final = 24 * 3600
"""Seconds. Digests are kept longer (portal.tenancy.tasks)."""
FIELD: Final = "once"


class AlreadySent(Exception):
    """The form was sent before; `made` is the id of what it made then."""

    def __init__(self, made: str) -> None:
        self.made = made


def token(request: HttpRequest) -> str:
    """A new token for the form on this page, for this person alone."""
    held = [secrets.token_urlsafe(16), request.user.pk, request.path]
    return signing.dumps(held, salt=SALT)


@dataclass
class _Once:
    digest: bytes
    done: bool = False

    def begin(self) -> None:
        """In the verb's transaction, first: wait for who sends the same, then look."""
        with connection.cursor() as cursor:
            number = int.from_bytes(self.digest[:8], "big", signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            cursor.execute("SELECT made FROM tenancy_usedform WHERE digest = %s", [self.digest])
            row = cursor.fetchone()
        if row is not None and not self.done:
            raise AlreadySent(row[0])

    def end(self, change: Change) -> None:
        """In the verb's transaction, last."""
        if self.done:
            return
        assert change.made, "a verb that makes something says so in change.made"
        self.done = True
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO tenancy_usedform (digest, made, used_at)"
                " VALUES (%s, %s, clock_timestamp())",
                [self.digest, change.made],
            )


@contextmanager
def once_only(request: HttpRequest) -> Iterator[None]:
    """Around the verb's call: raises AlreadySent, and Refusal for a token that is not ours."""
    text = request.POST.get(FIELD, "")
    try:
        _, person, path = signing.loads(text, salt=SALT, max_age=GOOD_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        person, path = None, None
    if (person, path) != (request.user.pk, request.path):
        raise Refusal("CONFLICT", "This form is too old or not yours. Look it over and send again.")
    held = companion.set(_Once(hashlib.sha256(text.encode()).digest()))
    try:
        yield
    finally:
        companion.reset(held)
