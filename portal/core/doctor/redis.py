"""Redis: its version, that it forgets nothing on its own and keeps what it was told."""

from collections.abc import Iterator
from typing import Any, Final, cast

from redis.exceptions import RedisError

from portal.core.configuration import ConfigurationError
from portal.core.doctor.finding import Finding, fail, ok
from portal.core.redis import client

OLDEST: Final = (6, 2)


def _version(info: dict[str, Any]) -> Finding:
    text = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return fail("Redis", f"version {text}", "6.2 or newer is needed, or Valkey")
    return ok("Redis", f"version {text}")


def _policy(info: dict[str, Any]) -> Finding:
    policy = info.get("maxmemory_policy", "unknown")
    if policy != "noeviction":
        hint = "Evicted counters grant quota twice: set maxmemory-policy noeviction"
        return fail("Redis maxmemory-policy", str(policy), hint)
    return ok("Redis maxmemory-policy", "noeviction")


def _journal(info: dict[str, Any]) -> Finding:
    if not info.get("aof_enabled"):
        hint = "A restart would forget decisions: set appendonly yes, appendfsync everysec"
        return fail("Redis appendonly", "off", hint)
    return ok("Redis appendonly", "on")


def examine_redis() -> Iterator[Finding]:
    """What INFO tells; managed services often refuse CONFIG, never INFO."""
    try:
        info = cast(dict[str, Any], client().info())
    except ConfigurationError:
        return
    except (RedisError, ValueError) as error:
        yield fail("REDIS_URL", f"can't be reached ({type(error).__name__})", "Is it running?")
        return
    yield _version(info)
    yield _policy(info)
    yield _journal(info)
