"""How a key stands, as one chip, and what to do about it."""

import datetime as dt
from collections.abc import Iterable
from typing import Final, NamedTuple

from keys.models import ApiKey, Secret
from keys.pages.day import Day
from portal.core.clock import now
from portal.core.templatetags.countersign import apart, exact

State = ApiKey.State
SOON: Final = dt.timedelta(days=7)
DAY: Final = dt.timedelta(days=1)
IDLE: Final = dt.timedelta(days=30)
REFUSED: Final = 5.0
"""Per cent of the last 24 hours' requests from which refusals are worth a look."""
FEW: Final = 20
"""Requests below which a share says nothing."""
LOW: Final = 15
"""Per cent left of a limit, below which it is amber (portal.core.charts.left)."""


class Standing(NamedTuple):
    """One chip: its words, its class, and what to do, for its title."""

    words: str
    css: str
    todo: str


FINAL: Final = {
    State.LEAKED: Standing(
        "Leaked", "bad", "Found in public and stopped for good. Issue another key in its place."
    ),
    State.REVOKED: Standing("Revoked", "", "Refused with KEY_REVOKED, for ever. Nothing to do."),
    State.SUSPENDED: Standing(
        "Suspended", "", "Refused with KEY_SUSPENDED. Resume it when its reason is gone."
    ),
    State.PENDING: Standing("Pending", "half", "Waits for a second signature."),
}


def alive(secrets: Iterable[Secret]) -> list[Secret]:
    """The secrets that prove the key at this moment, the newest last."""
    moment = now()
    living = [
        secret for secret in secrets
        if secret.revoked_at is None and (secret.expires_at is None or secret.expires_at > moment)
    ]  # fmt: skip
    return sorted(living, key=lambda secret: (secret.issued_at, secret.kid))


def standing(
    key: ApiKey, *, secrets: Iterable[Secret], used: dt.datetime | None, day: Day, left: int | None
) -> Standing:
    """The one thing most worth saying of a key.

    `key` comes with its tenant, owner and owner's person. `used` is its last use; `left` the per
    cent left of its scarcest limit, None if it has none or nobody knows.
    """
    if key.state in FINAL:
        return FINAL[State(key.state)]
    return (
        _withheld(key)
        or _ending(key)
        or _strained(day, left)
        or _rotating(alive(secrets))
        or _unused(key, used)
        or Standing("Operational", "ok", "Nothing to do.")
    )


def _withheld(key: ApiKey) -> Standing | None:
    """What refuses an active key without being of it."""
    if key.tenant.status != "active":
        todo = "Refused with TENANT_SUSPENDED until the tenant is resumed."
        return Standing("Tenant suspended", "", todo)
    if not (key.owner.is_active and key.owner.person.is_active):
        todo = "Refused with OWNER_DISABLED. Give the key another owner."
        return Standing("Owner disabled", "bad", todo)
    return None


def _ending(key: ApiKey) -> Standing | None:
    if key.expires_at is None:
        return None
    left = key.expires_at - now()
    if left <= dt.timedelta(0):
        todo = f"Refused with KEY_EXPIRED since {exact(key.expires_at)}. Extend or revoke it."
        return Standing("Expired", "bad", todo)
    if left < SOON:
        todo = f"Refused from {exact(key.expires_at)}. Extend it now."
        return Standing("Expires soon", "bad" if left < DAY else "warn", todo)
    return None


def _strained(day: Day, left: int | None) -> Standing | None:
    if left is not None and left < LOW:
        todo = f"{left} % left of its scarcest limit. Raise the limit, or slow the caller."
        return Standing("Low quota", "bad" if left < 5 else "warn", todo)
    if day.allowed + day.denied >= FEW and day.refused_percent > REFUSED:
        todo = (
            f"{day.refused_percent:.1f} % refused in the last 24 hours, most with"
            f" {day.most_denied}. Look at its decisions."
        )
        return Standing("Rejections", "warn", todo)
    return None


def _rotating(living: list[Secret]) -> Standing | None:
    if len(living) < 2:
        return None
    ends = living[0].expires_at
    until = f"until {exact(ends)}" if ends else "until it is ended"
    return Standing("Rotating", "half", f"The old secret works {until}. Move callers to the new.")


def _unused(key: ApiKey, used: dt.datetime | None) -> Standing | None:
    if used is None:
        age = apart(int((now() - key.created_at).total_seconds()))
        return Standing("Never used", "info", f"Made {age} ago. Hand it over, or revoke it.")
    if now() - used > IDLE:
        days = (now() - used).days
        return Standing("Idle", "info", f"Unused for {days} days. Narrow it, or revoke it.")
    return None
