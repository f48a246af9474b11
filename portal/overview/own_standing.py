"""How one tenant's keys stand at this moment, for its own overview."""

import datetime as dt
import json
from collections import Counter
from typing import Any, Final, NamedTuple

from django.db import connection

NAMED: Final = 3
"""Keys that a sentence names; the rest are counted."""

STANDING: Final = """
WITH used AS (
    SELECT key_id, max(last_used_at) AS last FROM keys_secretuse WHERE tenant_id = %(tenant)s
    GROUP BY 1
), answering AS MATERIALIZED (
    SELECT m.id FROM tenancy_membership m JOIN tenancy_person p ON p.id = m.person_id
    WHERE m.tenant_id = %(tenant)s AND m.is_active AND p.is_active
), asking AS MATERIALIZED (
    SELECT g.api_id, e.environment FROM tenancy_gatewaytenant b
    JOIN tenancy_gateway g ON g.id = b.gateway_id, unnest(g.environments) AS e(environment)
    WHERE b.tenant_id = %(tenant)s AND g.disabled_at IS NULL
), next AS MATERIALIZED (
    SELECT id, name FROM keys_apikey WHERE tenant_id = %(tenant)s AND state = 'active'
    AND expires_at > now() AND expires_at < now() + interval '7 days'
    ORDER BY expires_at, id LIMIT %(named)s
), active AS (
    SELECT k.created_at, k.expires_at, used.last,
        k.owner_id IN (SELECT id FROM answering) AS answered,
        (k.api_id, k.environment) IN (SELECT api_id, environment FROM asking) AS asked
    FROM keys_apikey k LEFT JOIN used ON used.key_id = k.id
    WHERE k.tenant_id = %(tenant)s AND k.state = 'active'
    AND (k.expires_at IS NULL OR k.expires_at > now())
)
SELECT (SELECT jsonb_object_agg(state, n)::text FROM (
        SELECT state, count(*) AS n FROM keys_apikey WHERE tenant_id = %(tenant)s GROUP BY 1) held),
    count(*), count(*) FILTER (WHERE expires_at < now() + interval '7 days'),
    count(*) FILTER (WHERE expires_at < now() + interval '1 day'),
    count(*) FILTER (WHERE last IS NULL),
    count(*) FILTER (WHERE last < now() - interval '30 days'
        AND created_at < now() - interval '30 days'),
    count(*) FILTER (WHERE NOT asked), count(*) FILTER (WHERE NOT answered), max(last),
    EXISTS (SELECT FROM keys_secretuse WHERE tenant_id = %(tenant)s),
    (SELECT count(*) FROM tenancy_api a WHERE a.tenant_id = %(tenant)s
        OR EXISTS (SELECT FROM tenancy_apigrant g
            WHERE g.tenant_id = %(tenant)s AND g.api_id = a.id AND g.withdrawn_at IS NULL)),
    (SELECT count(*) FROM (SELECT FROM ledger_entry WHERE tenant_id = %(tenant)s
        AND occurred_at >= now() - interval '24 hours' LIMIT 10001) recent),
    ARRAY(SELECT id FROM next), ARRAY(SELECT name FROM next)
FROM active
"""
"""All in one question: the page has others to ask."""


class Own(NamedTuple):
    """Counts of what there is. Keys are active and have not ended unless said otherwise."""

    states: Counter[str]
    """All keys by state; an ended one is still called active."""
    active: int
    expiring: int
    """Within 7 days."""
    today: int
    """Of those, within 24 hours."""
    never: int
    """Never used."""
    idle: int
    """Used, but not for 30 days."""
    unasked: int
    """That no enabled gateway asks about, of their Api and environment."""
    unanswered: int
    """Whose owner is disabled."""
    last_used: dt.datetime | None
    ever: bool
    """Whether any key was ever used."""
    apis: int
    """That it may use."""
    recorded: int
    """Ledger entries of 24 hours, counted to 10 001."""
    soon: list[str]
    """The next to expire, by id."""
    soon_names: list[str]

    @property
    def keys(self) -> int:
        """All of them, revoked ones too."""
        return self.states.total()

    @property
    def ended(self) -> int:
        """Still called active, and refused with KEY_EXPIRED."""
        return self.states["active"] - self.active


def own(tenant_id: str) -> Own:
    """The tenant's standing. Inside its scope."""
    asked: dict[str, Any] = {"tenant": tenant_id, "named": NAMED}
    with connection.cursor() as cursor:
        cursor.execute(STANDING, asked)
        states, *rest = cursor.fetchone()
    return Own(Counter(json.loads(states or "{}")), *rest)
