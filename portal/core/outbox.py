"""How a committed change reaches every check process.

A verb writes the new versions into the outbox within its transaction, commits, and then publishes
them to Redis, where the check script compares them with what a process believes. A verb that dies
in between is repaired by the check processes, which poll the outbox (DESIGN.md, section 6).
"""

from contextlib import suppress
from typing import Literal

import msgspec
import structlog
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from portal.core.names import prefix
from portal.core.redis import client
from portal.core.versions import BUMP_SCRIPT, Versions, packed

Propagation = Literal["complete", "pending"]
log = structlog.get_logger()


def enqueue(versions: Versions) -> int:
    """Write the outbox row, inside the change's own transaction; returns its id."""
    assert connection.in_atomic_block, "an outbox row belongs to the change's transaction"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_outbox (versions, created_at) VALUES (%s, clock_timestamp())"
            " RETURNING id",
            [msgspec.json.encode(versions).decode()],
        )
        return int(cursor.fetchone()[0])


def publish(versions: Versions, outbox_id: int) -> Propagation:
    """Make committed versions hold on every check process; `pending` if Redis can't be reached."""
    try:
        client().eval(BUMP_SCRIPT, 1, prefix(), packed(versions))
    except RedisError as error:
        log.warning("bump.pending", error=type(error).__name__, versions=sorted(versions))
        return "pending"
    # It holds now. A row that could not be removed is published again by the poll, harmlessly.
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_outbox WHERE id = %s", [outbox_id])
    return "complete"
