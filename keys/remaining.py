"""What is left of keys' limits at this moment, from the live counters."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from keys.asking import NOT_STATED, Asked, CountersAway, ask, row_of
from keys.decision.snapshots import packed
from keys.models import ApiKey, KeyLimit, Limit


@dataclass(frozen=True)
class LimitLeft:
    """One limit and what is left of it."""

    id: str
    name: str
    unit: str
    window: str
    amount: int
    remaining: int
    resets_in: int
    """Seconds, rounded up: to the window's end, or until a smooth limit is full again."""
    shared_by: str
    """`key`, or `tenant` for one that all its keys count on."""
    algorithm: str
    burst: int | None = None

    @property
    def full(self) -> int:
        """The most that can be left: a smooth limit holds its burst."""
        return self.amount if self.burst is None else self.burst


def remaining_of(keys: Sequence[ApiKey]) -> dict[str, list[LimitLeft]] | None:
    """What is left of each key's limits, in their order, by key id; None when nobody knows.

    Exactly what a check at this moment would answer; nothing is spent. Inside a scope that sees
    the keys. One query, and one call for 128 keys.
    """
    held: dict[str, list[Limit]] = defaultdict(list)
    links = KeyLimit.objects.filter(key_id__in=[key.id for key in keys]).select_related("limit")
    for link in links.order_by("key_id", "position"):
        held[link.key_id].append(link.limit)
    lefts = _lefts(list(held.values()))
    if lefts is None:
        return None
    return {key.id: [] for key in keys} | dict(zip(held, lefts, strict=True))


def remaining_of_limits(limits: Sequence[Limit]) -> dict[str, LimitLeft] | None:
    """What is left of each of these limits, by its id; None when nobody knows. No query."""
    lefts = _lefts([[limit] for limit in limits])
    return None if lefts is None else {left.id: left for (left,) in lefts}


def _lefts(groups: Sequence[Sequence[Limit]]) -> list[list[LimitLeft]] | None:
    asked = [
        Asked(packed([row_of(limit) for limit in limits]), [NOT_STATED] * len(limits))
        for limits in groups
    ]
    try:
        answers = ask(asked)
    except CountersAway:
        return None
    return [
        [left_of(limit, shown[2 * n], shown[2 * n + 1]) for n, limit in enumerate(limits)]
        for limits, (_, _, shown, *_) in zip(groups, answers, strict=True)
    ]


def left_of(limit: Limit, remaining: int, milliseconds: int) -> LimitLeft:
    """A limit with what the script said of it."""
    return LimitLeft(
        id=limit.id, name=limit.name, unit=limit.unit, window=limit.window, amount=limit.amount,
        remaining=remaining, resets_in=-(-milliseconds // 1000),
        shared_by="key" if limit.key_id else "tenant", algorithm=limit.algorithm,
        burst=limit.burst,
    )  # fmt: skip
