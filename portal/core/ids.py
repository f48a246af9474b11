"""Public identifiers: short random ones for objects, UUIDv7 for what is ordered by time."""

import os
import secrets
import struct
import time
from collections import deque
from typing import Final

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(length: int) -> str:
    """`length` characters from the system's generator, each one of 62, without modulo bias."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(prefix: str) -> str:
    """A public id such as `key_7Kq2mX9aB4cD`: 71 random bits; never a secret."""
    return f"{prefix}_{base62(12)}"


_DRAWN: Final = 512
_random: deque[int] = deque()
# A forked child would otherwise go on with its parent's numbers.
os.register_at_fork(after_in_child=_random.clear)


def _random62() -> int:
    """62 random bits; the system's generator is asked once for many, it costs a system call."""
    if not _random:
        _random.extend(n >> 2 for (n,) in struct.iter_unpack(">Q", os.urandom(8 * _DRAWN)))
    return _random.popleft()


def uuid7(rand_a: int | None = None) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) as text.

    `rand_a`, 0 to 4095, takes the place of twelve random bits: a decision's id carries its shard
    there.
    """
    milliseconds = time.time_ns() // 1_000_000
    low = _random62()
    third = 0x7000 | (_random62() & 0xFFF if rand_a is None else rand_a)
    return "%08x-%04x-%04x-%04x-%012x" % (  # noqa: UP031 - half the cost of an f-string's five
        milliseconds >> 16, milliseconds & 0xFFFF, third, low >> 48 | 0x8000, low & 0xFFFFFFFFFFFF,
    )  # fmt: skip
