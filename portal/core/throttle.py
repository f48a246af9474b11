"""How many requests a credential may make. A courtesy among callers, not a quota.

With Redis away this limit lets through: it protects the machine, and must not be the reason that a
key can't be revoked (DESIGN.md, section 8). What decides about API keys is elsewhere and exact.
"""

import math
from pathlib import Path
from typing import Final, cast

from redis.exceptions import RedisError

from portal.core.names import name
from portal.core.redis import client

SCRIPT: Final = (Path(__file__).parent / "throttle.lua").read_text()


def seconds_to_wait(bucket: str, rate: int) -> int:
    """0 when the request may go on, else whole seconds until one may, rounded up.

    `rate` is requests a second for `bucket`, such as a token's id; twice that may come at once.
    """
    key = name("throttle", bucket)
    try:
        wait = cast(int, client().eval(SCRIPT, 1, key, str(rate), str(2 * rate)))
    except RedisError:
        return 0
    return math.ceil(wait / 1000)


def within(bucket: str, most: int, seconds: int) -> bool:
    """Whether this is one of the first `most` events of `bucket` in the present `seconds`.

    For what is only worth so much writing down. False with Redis away.
    """
    key = name("within", bucket)
    try:
        pipe = client().pipeline(transaction=True)
        pipe.set(key, 0, ex=seconds, nx=True)
        pipe.incr(key)
        return int(pipe.execute()[1]) <= most
    except RedisError:
        return False
