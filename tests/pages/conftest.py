"""A browser without scripts: Sol is the security admin, Ira the auditor."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.test import Client

from portal.core.clock import now
from tests.cast import Cast
from tests.pages.browser import Browser, member, staff


@pytest.fixture
def sol() -> Browser:
    """The security admin, signed in with both factors."""
    return Browser(staff("Sol", "security_admin"))


@pytest.fixture
def ira() -> Browser:
    """The auditor, signed in with both factors."""
    return Browser(staff("Ira", "auditor"))


@pytest.fixture
def ada(acme: Cast) -> Browser:
    """Acme's owner, signed in."""
    return member(acme, "owner")


@pytest.fixture
def ben(acme: Cast) -> Browser:
    """Her developer."""
    return member(acme, "developer")


@pytest.fixture
def vera(acme: Cast) -> Browser:
    """Who looks on there."""
    return member(acme, "viewer")


@pytest.fixture
def spent(owner_db: "psycopg.Connection[Any]") -> Callable[..., None]:
    """`spent(key, count, code, hours_ago, **units)` is what the drain would have written."""

    def write(key: Any, count: int, code: str = "OK", hours_ago: int = 0, **units: int) -> None:
        hour = now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=hours_ago)
        owner_db.execute(
            "INSERT INTO keys_hourlyusage AS u VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT"
            " (tenant_id, key_id, hour, code)"
            " DO UPDATE SET decisions = u.decisions + excluded.decisions",
            [key.tenant_id, key.id, hour, code, count, json.dumps(units)],
        )

    return write


@pytest.fixture
def nobody() -> Client:
    """A browser that is not signed in."""
    return Client(raise_request_exception=False)


@pytest.fixture
def queries() -> Callable[[], object]:
    """`with queries() as told:` counts the queries of what is done inside."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)
