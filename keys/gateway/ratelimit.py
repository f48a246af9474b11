"""RateLimit header fields, of one draft and in one place.

draft-ietf-httpapi-ratelimit-headers-11: lists of quoted policy names with parameters (RFC 9651).
Open changes to the draft rename parameters; only this module would change.
"""

from typing import Final

from keys.decision.outcome import LimitState

SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
"""A month has no length in seconds: its policy goes without `w`."""


def _name(text: str) -> str:
    shown = "".join(c if " " <= c <= "~" else "?" for c in text)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'


def policy(limits: list[LimitState]) -> str:
    """`RateLimit-Policy`: what is allowed in which window. Other units than requests are named."""
    parts = []
    for limit in limits:
        window = f";w={SECONDS[limit.window]}" if limit.window in SECONDS else ""
        unit = "" if limit.unit == "requests" else f';countersign-unit="{limit.unit}"'
        parts.append(f"{_name(limit.name)};q={limit.limit}{window}{unit}")
    return ", ".join(parts)


def remaining(limits: list[LimitState]) -> str:
    """`RateLimit`: what is left, and in how many seconds there is more."""
    return ", ".join(f"{_name(x.name)};r={x.remaining};t={x.resets_in}" for x in limits)
