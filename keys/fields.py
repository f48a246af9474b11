"""Readers of single members of a request: each notes what is wrong and answers a value of its type.

What a reader answers after a fault is never used: `Faults.settle` raises first.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from portal.core.cidrs import parse_cidr
from portal.core.clock import UTC, now
from portal.core.refusals import Faults, step
from portal.tenancy.texts import fault_of_text

MOST: Final = 64
"""Scopes, CIDRs, models and purposes of one key."""
METADATA: Final = 2_048  # bytes of its JSON
AMOUNT: Final = 10**12
MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def closed(
    faults: Faults,
    body: dict[str, Any],
    known: Iterable[str],
    read_only: Iterable[str],
    at: str = "",
) -> None:
    """Note every member that can't be given."""
    for name in body:
        if name not in known:
            fault = "There is no such member."
            faults.add(
                step(at, name), "This member is read-only here." if name in read_only else fault
            )


def required(faults: Faults, body: dict[str, Any], names: Iterable[str], at: str = "") -> None:
    """Note every member that is missing."""
    for name in names:
        if name not in body:
            faults.add(step(at, name), "This member is required.")


def text(faults: Faults, value: Any, at: str, most: int) -> str:
    """A line of 1 to `most` characters."""
    fault = fault_of_text(value, most)
    faults.add(at, fault)
    return "" if fault else value


def choice(faults: Faults, value: Any, at: str, choices: Iterable[str]) -> str:
    """One of `choices`."""
    if isinstance(value, str) and value in choices:
        return value
    faults.add(at, f"One of {', '.join(choices)} is needed.")
    return ""


def integer(faults: Faults, value: Any, at: str) -> int:
    """A whole number from 0 to 10^12."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= AMOUNT:
        return value
    faults.add(at, "A whole number from 0 to 1000000000000 is needed.")
    return 0


def listed(
    faults: Faults, value: Any, at: str, read: Callable[[Faults, Any, str], str]
) -> tuple[str, ...]:
    """At most 64 of what `read` reads, each once, in the order given."""
    if not isinstance(value, list):
        faults.add(at, "A list is needed.")
        return ()
    if len(value) > MOST:
        faults.add(at, f"At most {MOST} are taken.")
        return ()
    return tuple(dict.fromkeys(read(faults, item, step(at, i)) for i, item in enumerate(value)))


def lines(faults: Faults, value: Any, at: str, most: int) -> tuple[str, ...]:
    """A list of lines of at most `most` characters."""
    return listed(faults, value, at, lambda faults, item, at: text(faults, item, at, most))


def networks(faults: Faults, value: Any, at: str) -> tuple[str, ...]:
    """A list of CIDRs."""
    return listed(faults, value, at, _network)


def _network(faults: Faults, value: Any, at: str) -> str:
    if not isinstance(value, str):
        faults.add(at, "A text is needed.")
        return ""
    try:
        return parse_cidr(value)
    except ValueError as error:
        faults.add(at, str(error))
        return ""


def end(faults: Faults, value: Any, at: str) -> dt.datetime | None:
    """A moment to come (RFC 3339, section 5.6), in UTC; null for none."""
    if value is None:
        return None
    moment = _moment(value)
    if moment is None:
        faults.add(at, "A moment such as 2030-01-31T12:00:00Z, with its time zone, is needed.")
    elif moment <= now():
        faults.add(at, "This moment is past.")
    return moment


def _moment(value: Any) -> dt.datetime | None:
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        return None
    try:
        return dt.datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def metadata(faults: Faults, value: Any, at: str, *, patch: bool = False) -> dict[str, Any]:
    """Flat texts of at most 2 KiB in all; in a patch, null removes a member."""
    if not isinstance(value, dict):
        faults.add(at, "An object of texts is needed.")
        return {}
    for name, item in value.items():
        faults.add(step(at, name), fault_of_text(name, 128))
        if item != "" and not (patch and item is None):  # "" is a value
            faults.add(step(at, name), fault_of_text(item, METADATA))
    faults.add(at, fault_of_size(value))
    return value


def fault_of_size(value: dict[str, Any]) -> str | None:
    """Whether metadata is too large."""
    size = len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return f"At most {METADATA} bytes are taken." if size > METADATA else None
