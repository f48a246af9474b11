"""How tests of the API look at answers."""

from collections.abc import Callable
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core.problem_codes import PROBLEMS
from tests.cast import Cast
from tests.conftest import Answer

__all__ = [
    "Answer", "Api", "Database", "is_problem", "keys_of", "kid_of", "limits_of", "no_redis",
    "pointers", "usage_of",
]  # fmt: skip

Api = Callable[..., Answer]
Database = psycopg.Connection[Any]


def keys_of(cast: Cast) -> str:
    """The path of a tenant's keys."""
    return f"/v1/tenants/{cast.tenant.slug}/keys"


def limits_of(cast: Cast) -> str:
    """The path of a tenant's limits."""
    return f"/v1/tenants/{cast.tenant.slug}/limits"


def usage_of(cast: Cast) -> str:
    """The path of a tenant's usage."""
    return f"/v1/tenants/{cast.tenant.slug}/usage"


def kid_of(token: str) -> str:
    """The public id in a credential's text."""
    return token.split("_")[2]


def no_redis() -> redis.Redis:
    """A client of a Redis that is not there."""
    return redis.Redis(unix_socket_path="/nowhere/redis.sock", retry=Retry(NoBackoff(), 0))


def is_problem(answer: Answer, status: int, code: str) -> None:
    """The answer is exactly this problem, in its media type, and names its request in a header."""
    assert (answer.status, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    ), answer.content
    assert (answer.body["code"], answer.body["status"]) == (code, PROBLEMS[code].status)
    assert answer.body["title"] == PROBLEMS[code].title
    assert answer.headers["x-request-id"] not in answer.content.decode()
    assert answer.headers["cache-control"] == "no-store"


def pointers(answer: Answer) -> list[str]:
    """What the problem's errors point at."""
    return [error["pointer"] for error in answer.body["errors"]]
