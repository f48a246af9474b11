"""Public identifiers: short random ones for objects, UUIDv7 for what is ordered by time."""

import os
import secrets
import time

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(length: int) -> str:
    """`length` characters from the system's generator, each one of 62, without modulo bias."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_id(prefix: str) -> str:
    """A public id such as `key_7Kq2mX9aB4cD`: 71 random bits; never a secret."""
    return f"{prefix}_{base62(12)}"


def uuid7(low12: int | None = None) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) as text.

    `low12`, 0 to 4095, takes the place of `rand_a`: a decision's id carries its shard there.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    rand_a = (random >> 64) & 0xFFF if low12 is None else low12
    rand_b = random & ((1 << 62) - 1)
    number = (milliseconds << 80) | (7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
