"""How often one may try to sign in.

The count is PostgreSQL's, not Redis': sign-in can't do without PostgreSQL anyway, so there is no
state of the machine in which guesses are free, and none in which a lost Redis keeps people out who
have to take a key away (DESIGN.md, sections 8 and 11). It is one small upsert before a password is
hashed, which costs a thousand times as much.

Failures of strangers count for their network and for the account. A browser that signed in before
has a count of its own (OWASP, "device cookies"): whoever guesses at an account from anywhere does
not keep its person out of it, and nobody waits for ever: a try comes back each `every`.
"""

import math
from typing import Final, NamedTuple

from django.db import connection
from django.utils.crypto import salted_hmac

from portal.core.refusals import Refusal


class Rate(NamedTuple):
    """`burst` tries at once, then one each `every` seconds."""

    every: float
    burst: int


NETWORK: Final = Rate(10, 30)
ACCOUNT: Final = Rate(60, 10)
DEVICE: Final = Rate(60, 10)
CODE: Final = Rate(600, 5)
"""Codes after a right password: at two in a million for each try, 10 % in a year of trying."""


class Bucket(NamedTuple):
    """What tries are counted for."""

    rate: Rate
    name: str


class Wait(Refusal):
    """Too many tries: `seconds` until the next is taken."""

    def __init__(self, seconds: int) -> None:
        super().__init__("TOO_MANY_REQUESTS", f"Too many tries. Wait {seconds} seconds.")
        self.seconds = seconds


def _digest(bucket: Bucket) -> bytes:
    """Names hold addresses of people and of machines: the table does not."""
    return salted_hmac("portal.tenancy.tries", bucket.name, algorithm="sha256").digest()


def seconds_to_wait(bucket: Bucket) -> int:
    """Take one try: 0 when it may be made, else whole seconds until one may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenancy_try(%s, make_interval(secs => %s), %s)", [_digest(bucket), *bucket.rate]
        )
        wait: float = cursor.fetchone()[0]
        return math.ceil(wait)


def take(buckets: list[Bucket]) -> None:
    """Take one try of each, in this order; raises Wait at the first that has none."""
    for bucket in buckets:
        if seconds := seconds_to_wait(bucket):
            raise Wait(seconds)


def give_back(buckets: list[Bucket]) -> None:
    """The try succeeded: it was no guess."""
    for bucket in buckets:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tenancy_try_back(%s, make_interval(secs => %s))",
                [_digest(bucket), bucket.rate.every],
            )
