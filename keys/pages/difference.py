"""What a change would change, before it is saved: now, after, and whether that is more or less."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from keys.definitions import LimitDefinition
from keys.pages.words import LABELS, words_of
from portal.tenancy.pages.difference import Line, Part

IDENTITY: Final = ("shared_by", "name", "unit", "window", "algorithm")
OPEN_WHEN_EMPTY: Final = ("allowed_cidrs", "allowed_models")


def difference(
    before: Mapping[str, Any], after: Mapping[str, Any], people: Mapping[str, str]
) -> list[Line]:
    """The members in which two governed shapes of a key differ (keys.governed.governed)."""
    return [
        _line(member, before[member], after[member], people)
        for member in LABELS
        if member in before and member in after and before[member] != after[member]
    ]


def _line(member: str, old: Any, new: Any, people: Mapping[str, str]) -> Line:
    now, then = words_of(member, old, people), words_of(member, new, people)
    parts = [Part("" if words in then else "del", words) for words in now]
    parts += [Part("ins", words) for words in then if words not in now]
    narrows, widens = _effect(member, old, new)
    return Line(LABELS[member], now, parts, narrows, widens)


def _effect(member: str, old: Any, new: Any) -> tuple[bool, bool]:
    """Whether the key may do less, and whether it may do more."""
    if member == "scopes":
        return _sets(set(old), set(new))
    if member in OPEN_WHEN_EMPTY:
        return _sets(set(old) or None, set(new) or None)
    if member == "purposes":
        return _sets(None if old is None else set(old), None if new is None else set(new))
    if member == "expires_at":
        later = old is not None and (new is None or new > old)
        return not later, later
    if member == "limits":
        return _limits(old, new)
    return False, False


def _sets(old: Collection[str] | None, new: Collection[str] | None) -> tuple[bool, bool]:
    """None is everything."""
    if old is None or new is None:
        return old is None, new is None
    return bool(set(old) - set(new)), bool(set(new) - set(old))


def _limits(old: Any, new: Any) -> tuple[bool, bool]:
    """A limit that comes narrows, one that goes widens; of one that stays, the amount tells."""
    held = {tuple(limit[name] for name in IDENTITY): limit for limit in old}
    comes = {tuple(limit[name] for name in IDENTITY): limit for limit in new}
    narrows, widens = bool(comes.keys() - held.keys()), bool(held.keys() - comes.keys())
    for counter in held.keys() & comes.keys():
        for size in ("amount", "burst"):
            was, now = held[counter].get(size) or 0, comes[counter].get(size) or 0
            narrows, widens = narrows or now < was, widens or now > was
    return narrows, widens


def shape_of(limit: LimitDefinition) -> dict[str, Any]:
    """A limit that was asked for, as `governed` shows the rows."""
    shape: dict[str, Any] = {
        "name": limit.name, "unit": limit.unit, "amount": limit.amount, "window": limit.window,
        "algorithm": limit.algorithm, "shared_by": limit.shared_by,
    }  # fmt: skip
    if limit.burst is not None:
        shape["burst"] = limit.burst
    return shape
