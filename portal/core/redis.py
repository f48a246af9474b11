"""Redis outside the check path: one client a process, no retries, short timeouts."""

from functools import cache

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import configuration

TIMEOUT = 1.0
"""Seconds. A verb waits this long to make a change hold before it answers `pending`."""


@cache
def client() -> redis.Redis:
    """The shared client. redis-py's default repeats a timed-out script and would act twice."""
    return redis.Redis.from_url(
        configuration.REDIS_URL(),
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
