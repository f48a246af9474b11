"""What a key may do, in words: for the page after it was made, and for what a change changes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portal.core.templatetags.countersign import a, exact

LABELS: Final = {
    "name": "Name", "owner": "Owner", "environment": "Environment", "state": "State",
    "scopes": "Scopes", "limits": "Limits", "allowed_cidrs": "Addresses",
    "allowed_models": "Models", "purposes": "Purposes", "metadata": "Metadata",
    "expires_at": "Expires",
}  # fmt: skip
NONE: Final = {
    "scopes": "none", "limits": "no limits", "allowed_cidrs": "from anywhere",
    "allowed_models": "every model", "purposes": "no purpose", "metadata": "none",
}  # fmt: skip
"""What an empty list says."""


def limit_words(limit: Mapping[str, Any]) -> str:
    """`day: 200,000 requests a day, calendar, for this key`."""
    shared = "for this key" if limit["shared_by"] == "key" else "shared by the tenant's keys"
    burst = limit.get("burst")
    bucket = f", burst {burst:,}" if burst not in (None, limit["amount"]) else ""
    return (
        f"{limit['name']}: {limit['amount']:,} {limit['unit']} {a(limit['window'])},"
        f" {limit['algorithm']}{bucket}, {shared}"
    )


def words_of(member: str, value: Any, people: Mapping[str, str]) -> list[str]:
    """A member's value as the parts that a change adds or takes away.

    `people` are owners' names by membership.
    """
    if member == "owner":
        return [people.get(value, value)]
    if member == "expires_at":
        return [exact(value) if isinstance(value, dt.datetime) else "no expiry"]
    if member == "purposes" and value is None:
        return ["any of the tenant's"]
    if member == "limits":
        return [limit_words(limit) for limit in value] or [NONE[member]]
    if member == "metadata":
        return [f"{name}={text}" for name, text in sorted(value.items())] or [NONE[member]]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value) or [NONE[member]]
    return [str(value)]
