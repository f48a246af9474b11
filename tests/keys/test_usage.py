"""What keys were used for."""

import datetime as dt
from typing import Any

import psycopg
import pytest

from keys.usage import usage_of
from portal.core.clock import UTC, now, rfc3339
from portal.core.refusals import Refusal
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast

HOUR = dt.timedelta(hours=1)
ROW = "INSERT INTO keys_hourlyusage VALUES (%s, %s, %s, %s, %s, %s::jsonb)"


def this_hour() -> dt.datetime:
    return now().replace(minute=0, second=0, microsecond=0)


def usage(cast: Cast, **asked: Any) -> list[dict[str, Any]]:
    with tenant_scope(cast.tenant.id):
        return usage_of(tenant_id=cast.tenant.id, **asked)


@pytest.fixture
def used(acme: Cast, globex: Cast, owner_db: psycopg.Connection[Any]) -> Cast:
    """Acme's keys a and b, used in this hour and the last one; Globex's c."""
    hour, tenant = this_hour(), acme.tenant.id
    for row in (
        (tenant, "a", hour, "OK", 3, '{"requests": 3, "tokens": 10}'),
        (tenant, "a", hour, "RATE_LIMITED", 2, "{}"),
        (tenant, "b", hour, "OK", 1, '{"requests": 1}'),
        (tenant, "a", hour - HOUR, "OK", 5, '{"requests": 5}'),
        (tenant, "a", hour - 30 * HOUR, "OK", 7, '{"requests": 7}'),
        (globex.tenant.id, "c", hour, "OK", 9, '{"requests": 9}'),
    ):
        owner_db.execute(ROW, row)
    return acme


def test_the_last_day_is_told_by_hour_key_and_code(used: Cast) -> None:
    hour = rfc3339(this_hour())
    before = rfc3339(this_hour() - HOUR)
    assert [tuple(row.values()) for row in usage(used)] == [
        (before, "a", "OK", 5, {"requests": 5}),
        (hour, "a", "OK", 3, {"requests": 3, "tokens": 10}),
        (hour, "a", "RATE_LIMITED", 2, {}),
        (hour, "b", "OK", 1, {"requests": 1}),
    ]


def test_it_can_be_summed_and_narrowed(used: Cast) -> None:
    assert usage(used, group=["code"]) == [
        {"code": "OK", "decisions": 9, "units": {"requests": 9, "tokens": 10}},
        {"code": "RATE_LIMITED", "decisions": 2, "units": {}},
    ]
    [row] = usage(used, group=["key"], key_id="a", since=this_hour() - 48 * HOUR, until=now())
    assert (row["decisions"], row["units"]["requests"]) == (17, 15)


@pytest.mark.parametrize(
    "asked",
    [
        {
            "since": dt.datetime(2026, 1, 1, tzinfo=UTC),
            "until": dt.datetime(2026, 2, 2, tzinfo=UTC),
        },
        {
            "since": dt.datetime(2026, 1, 2, tzinfo=UTC),
            "until": dt.datetime(2026, 1, 1, tzinfo=UTC),
        },
        {"group": []},
        {"group": ["key", "key"]},
        {"group": ["tenant_id"]},
    ],
)
def test_what_can_t_be_asked_is_refused(used: Cast, asked: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="REQUEST_INVALID"):
        usage(used, **asked)
