"""What a key and a limit are asked to be: checked values, and how they are read from JSON.

REST, pages and commands read their input here, so that all of them take and refuse the same. What
needs the database (whether the Api has a scope, whose membership this is) is the verbs' to check.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from keys import fields
from keys.models import ApiKey, Limit
from portal.core.refusals import Faults, step
from portal.tenancy.texts import checked_reason

MOST_LIMITS: Final = 8
EXACT: Final = 2**53
"""Redis scripts count in doubles: beyond it a smooth limit could not be exact."""
MILLISECONDS: Final = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
UNIT: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
USE_CALENDAR: Final = "Too much for a smooth limit to be exact: use calendar."

CHANGEABLE: Final = (
    "name", "owner", "scopes", "limits", "allowed_cidrs", "allowed_models", "purposes",
    "metadata", "expires_at",
)  # fmt: skip
GIVEN_ONCE: Final = ("environment", "api")
READ_ONLY: Final = (
    "id", "tenant", "state", "created_at", "last_used_at", "secrets", "version",
)  # fmt: skip
LIMIT_MEMBERS: Final = ("name", "unit", "amount", "window", "algorithm", "shared_by")

RESETS: Final[Mapping[str, Any]] = {
    "limits": (), "allowed_cidrs": (), "allowed_models": (), "purposes": None, "metadata": None,
    "expires_at": None,
}  # fmt: skip
"""What null means in a patch (RFC 7396): the member as it is when none is given."""


class Counter(NamedTuple):
    """What a limit counts on; a limit that keeps it keeps counting (DESIGN.md, section 5)."""

    shared_by: str
    name: str
    unit: str
    window: str
    algorithm: str


@dataclass(frozen=True)
class LimitDefinition:
    """An amount of a unit in a window. `burst` is the smooth bucket's size, else None."""

    name: str
    unit: str
    amount: int
    window: str
    algorithm: str
    shared_by: str
    burst: int | None = None

    @property
    def counter(self) -> Counter:
        """Its counter's identity, within the key or the tenant."""
        return Counter(self.shared_by, self.name, self.unit, self.window, self.algorithm)


@dataclass(frozen=True)
class KeyDefinition:
    """A key to be issued. `api` is a slug, `owner` a membership's id; None: the only, one's own."""

    name: str
    environment: str
    scopes: tuple[str, ...]
    api: str | None = None
    owner: str | None = None
    expires_at: dt.datetime | None = None
    limits: tuple[LimitDefinition, ...] = ()
    allowed_cidrs: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    purposes: tuple[str, ...] | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyPatch:
    """The members of a key to change. `metadata` is itself a merge patch; None empties it."""

    members: Mapping[str, Any]


@dataclass(frozen=True)
class LimitPatch:
    """A shared limit's new amount and burst; None: as it was."""

    amount: int | None = None
    burst: int | None = None


def parse_new_key(body: dict[str, Any]) -> KeyDefinition:
    """Read the body of POST keys (CONTRACT.md); raises Refusal with a pointer for every fault."""
    faults = Faults()
    fields.closed(faults, body, (*CHANGEABLE, *GIVEN_ONCE), READ_ONLY)
    fields.required(faults, body, ("name", "environment", "scopes"))
    members: dict[str, Any] = {
        name: _member(faults, name, body[name]) for name in CHANGEABLE if name in body
    }
    if "environment" in body:
        members["environment"] = fields.choice(
            faults, body["environment"], "/environment", ApiKey.Environment.values
        )
    if "api" in body:
        members["api"] = fields.text(faults, body["api"], "/api", 63)
    faults.settle()
    return KeyDefinition(**members)


def parse_key_patch(body: dict[str, Any]) -> KeyPatch:
    """Read a key's merge patch (RFC 7396): `limits` whole, null for what a key has by itself."""
    faults = Faults()
    fields.closed(faults, body, CHANGEABLE, (*READ_ONLY, *GIVEN_ONCE))
    members: dict[str, Any] = {}
    for name in CHANGEABLE:
        if name not in body:
            continue
        if body[name] is None and name in RESETS:
            members[name] = RESETS[name]
        else:
            members[name] = _member(faults, name, body[name], patch=True)
    faults.settle()
    return KeyPatch(members)


def parse_limit_patch(body: dict[str, Any]) -> LimitPatch:
    """Read a shared limit's merge patch: `amount`, `burst` or both."""
    faults = Faults()
    read_only = (*LIMIT_MEMBERS, "id", "version", "created_at", "keys")
    fields.closed(faults, body, ("amount", "burst"), read_only)
    values = {
        name: fields.integer(faults, body[name], f"/{name}")
        for name in ("amount", "burst")
        if name in body
    }
    faults.settle()
    return LimitPatch(**values)


def parse_reason(body: dict[str, Any]) -> str:
    """Read `{"reason"}`: 1 to 512 characters."""
    faults = Faults()
    fields.closed(faults, body, ("reason",), ())
    fields.required(faults, body, ("reason",))
    faults.settle()
    return checked_reason(body["reason"])


def _member(faults: Faults, name: str, value: Any, *, patch: bool = False) -> Any:
    """One member of a key, by its name."""
    at = f"/{name}"
    if name == "name":
        return fields.text(faults, value, at, 128)
    if name == "owner":
        return fields.text(faults, value, at, 64)
    if name == "limits":
        return _limits(faults, value, at)
    if name == "allowed_cidrs":
        return fields.networks(faults, value, at)
    if name == "metadata":
        return fields.metadata(faults, value, at, patch=patch)
    if name == "expires_at":
        return fields.end(faults, value, at)
    if name == "purposes" and value is None:
        return None
    return fields.lines(faults, value, at, 128 if name == "allowed_models" else 64)


def _limits(faults: Faults, value: Any, at: str) -> tuple[LimitDefinition, ...]:
    if not isinstance(value, list) or len(value) > MOST_LIMITS:
        faults.add(at, f"A list of at most {MOST_LIMITS} is needed.")
        return ()
    found, names = [], set()
    for place, item in enumerate(value):
        limit = _limit(faults, item, step(at, place))
        if limit is None:
            continue
        if limit.name in names:
            faults.add(f"{at}/{place}/name", "Another limit of the key has this name.")
        names.add(limit.name)
        found.append(limit)
    return tuple(found)


def _limit(faults: Faults, value: Any, at: str) -> LimitDefinition | None:
    if not isinstance(value, dict):
        faults.add(at, "An object is needed.")
        return None
    before = len(faults.errors)
    fields.closed(faults, value, (*LIMIT_MEMBERS, "burst"), (), at)
    fields.required(faults, value, LIMIT_MEMBERS, at)
    if len(faults.errors) > before:
        return None
    limit = LimitDefinition(
        name=fields.text(faults, value["name"], f"{at}/name", 64),
        unit=_unit(faults, value["unit"], f"{at}/unit"),
        amount=fields.integer(faults, value["amount"], f"{at}/amount"),
        window=fields.choice(faults, value["window"], f"{at}/window", Limit.Window.values),
        algorithm=fields.choice(
            faults, value["algorithm"], f"{at}/algorithm", Limit.Algorithm.values
        ),
        shared_by=fields.choice(faults, value["shared_by"], f"{at}/shared_by", ("key", "tenant")),
        burst=_burst(faults, value, f"{at}/burst"),
    )
    if len(faults.errors) > before:
        return None
    check_exact(faults, limit.window, limit.algorithm, limit.amount, limit.burst, at)
    return limit


def _unit(faults: Faults, value: Any, at: str) -> str:
    if not isinstance(value, str) or not UNIT.fullmatch(value):
        faults.add(at, "`requests`, `tokens` or a name of a-z, 0-9 and _ is needed.")
    elif value == "concurrency":
        faults.add(at, "`concurrency` is not counted yet.")
    return str(value)


def _burst(faults: Faults, value: dict[str, Any], at: str) -> int | None:
    """The bucket's size: of a smooth limit the amount unless given, of a calendar one none."""
    smooth, given = value["algorithm"] == Limit.Algorithm.SMOOTH, value.get("burst")
    if given is not None and not smooth:
        faults.add(at, "Only a smooth limit has a burst.")
        return None
    if given is not None:
        return fields.integer(faults, given, at)
    return value["amount"] if smooth else None


def check_exact(
    faults: Faults, window: str, algorithm: str, amount: int, burst: int | None, at: str
) -> None:
    """Note a smooth limit that could not be exact (DESIGN.md, section 6)."""
    if algorithm != Limit.Algorithm.SMOOTH:
        return
    if window not in MILLISECONDS:
        faults.add(f"{at}/window", "A smooth limit's window is a day at most: use calendar.")
    elif amount * MILLISECONDS[window] >= EXACT:
        faults.add(f"{at}/amount", USE_CALENDAR)
    elif (burst or 0) * MILLISECONDS[window] >= EXACT:
        faults.add(f"{at}/burst", USE_CALENDAR)
