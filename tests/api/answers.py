"""How tests of the API look at answers."""

from typing import Any

from portal.core.problems import PROBLEMS


def keys_of(cast: Any) -> str:
    """The path of a tenant's keys."""
    return f"/v1/tenants/{cast.tenant.slug}/keys"


def limits_of(cast: Any) -> str:
    """The path of a tenant's limits."""
    return f"/v1/tenants/{cast.tenant.slug}/limits"


def usage_of(cast: Any) -> str:
    """The path of a tenant's usage."""
    return f"/v1/tenants/{cast.tenant.slug}/usage"


def is_problem(answer: Any, status: int, code: str) -> None:
    """The answer is exactly this problem, in its media type, and names its request in a header."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), (
        answer.content
    )
    assert (answer.body["code"], answer.body["status"]) == (code, PROBLEMS[code].status)
    assert answer.body["title"] == PROBLEMS[code].title
    assert answer.headers["x-request-id"] not in answer.content.decode()
    assert answer.headers["cache-control"] == "no-store"


def pointers(answer: Any) -> list[str]:
    """What the problem's errors point at."""
    return [error["pointer"] for error in answer.body["errors"]]
