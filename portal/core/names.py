"""The one place that spells a key in Redis.

Every key carries its shard's hash tag (`{s00}`), so that a cluster keeps a shard's keys in one slot
and one script may touch them all. There is one shard; more come with the cluster.
"""

from typing import Final

SHARD: Final = 0


def prefix(shard: int = SHARD) -> str:
    """What every key of `shard` begins with."""
    return f"cs:{{s{shard:02d}}}:"


def name(kind: str, *parts: str, shard: int = SHARD) -> str:
    """The key of one value: a kind such as `v` (version) and what it is of."""
    return prefix(shard) + ":".join((kind, *parts))
