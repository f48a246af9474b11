"""Which of a tenant's quotas are nearest their end, by the live counters."""

from typing import Any, Final, NamedTuple

from keys.burning import Burn, burn
from keys.models import Limit
from keys.remaining import remaining_of_limits
from portal.core.charts import left

LOOKED_AT: Final = 256
"""Limits at most whose counters are read: shared ones, then those of keys used last."""
CANDIDATES: Final = """
SELECT l.*, coalesce(k.name, '') AS key_name
FROM keys_limit l LEFT JOIN keys_apikey k ON k.id = l.key_id
LEFT JOIN (SELECT key_id, max(last_used_at) AS last FROM keys_secretuse
    WHERE tenant_id = %(tenant)s GROUP BY 1) u ON u.key_id = l.key_id
WHERE l.tenant_id = %(tenant)s AND l.algorithm = 'calendar'
    AND l."window" IN ('hour', 'day', 'month') AND (l.key_id IS NULL OR k.state = 'active')
ORDER BY l.key_id IS NULL DESC, u.last DESC NULLS LAST, l.id LIMIT %(most)s
"""


class Quota(NamedTuple):
    """A calendar limit, and what is left of it."""

    id: str
    name: str
    key_id: str
    """Empty for one that keys share."""
    key_name: str
    percent: int
    css: str
    burn: Burn

    @property
    def up(self) -> str:
        """When it is used up at this pace; empty if that is not in this window."""
        return self.burn.when(self.burn.up) if self.burn.up else ""


def nearest(tenant_id: str) -> list[Quota] | None:
    """Quotas, the one with the least share left first; None when nobody knows. Inside its scope."""
    asked: dict[str, Any] = {"tenant": tenant_id, "most": LOOKED_AT}
    limits: list[Any] = list(Limit.objects.raw(CANDIDATES, asked))
    known = remaining_of_limits(limits)
    if known is None:
        return None
    found = [
        Quota(
            limit.id, limit.name, limit.key_id or "", limit.key_name,
            *left(known[limit.id].remaining, known[limit.id].full), burn(known[limit.id]),
        )
        for limit in limits
    ]  # fmt: skip
    return sorted(found, key=_nearness)


def _nearness(quota: Quota) -> Any:
    """The less is left, the nearer; of two, the one that is used up sooner."""
    up = quota.burn.up
    return (quota.percent, up.timestamp() if up else float("inf"), quota.name, quota.id)
