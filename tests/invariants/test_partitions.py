"""The decision log's days: midnight depends on nothing, and whole days go."""

import datetime as dt
import os
import threading
import time
from collections import Counter
from typing import Any

import psycopg
import pytest
import redis

from portal.core.names import name
from tests.cast import Cast
from tests.invariants.drains import Database, assert_empty, drain_all
from tests.invariants.traffic import Gate, clock_at
from tests.processes import CheckServer

MAKE = "SELECT decision_partitions_make(%s)"
DROP = "SELECT decision_partitions_drop(%s)"


@pytest.fixture
def app_db() -> Any:
    """The application's role, which may call both functions and owns nothing."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        yield connection


def day(ahead: int) -> dt.datetime:
    """The beginning of a day, UTC."""
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + dt.timedelta(days=ahead)


def partition(ahead: int) -> str:
    return f"keys_decision_{day(ahead):%Y%m%d}"


def placed(db: Database, tenant_id: str) -> Counter[tuple[str, str]]:
    """Of a tenant's decisions, in which partition they lie and on which day they were made."""
    rows = db.execute(
        "SELECT tableoid::regclass::text, to_char(at AT TIME ZONE 'UTC', 'YYYYMMDD')"
        " FROM keys_decision WHERE tenant_id = %s",
        [tenant_id],
    )
    return Counter(rows.fetchall())


def decide_at(acme: Cast, checker: CheckServer, moment: dt.datetime, seconds: float = 0) -> int:
    """Decisions from `moment` on; how many."""
    key, asked = acme.issue(), 0
    with Gate(checker, acme) as gate, clock_at(int(moment.timestamp() * 1000)):
        store = redis.Redis.from_url(os.environ["REDIS_URL"])
        until = int(moment.timestamp() * 1000 + seconds * 1000)
        while asked == 0 or int(store.get(name("clock")) or 0) <= until:  # type: ignore[arg-type]
            assert gate.check(key).body["code"] == "OK"
            asked += 1
        store.close()
    drain_all()
    return asked


def test_rows_on_both_sides_of_midnight_lie_in_their_days(
    acme: Cast, checker: CheckServer, owner_db: Database
) -> None:
    asked = decide_at(acme, checker, day(1) - dt.timedelta(milliseconds=50), 0.1)
    where = placed(owner_db, acme.tenant.id)
    assert set(where) == {(partition(n), f"{day(n):%Y%m%d}") for n in (0, 1)}
    assert sum(where.values()) == asked


def test_a_day_without_a_partition_is_kept_and_moved_when_it_has_one(
    acme: Cast, checker: CheckServer, owner_db: Database, app_db: Database, store: "redis.Redis"
) -> None:
    asked = decide_at(acme, checker, day(6) + dt.timedelta(hours=5))
    assert placed(owner_db, acme.tenant.id) == {("keys_decision_rest", f"{day(6):%Y%m%d}"): asked}
    assert_empty(store)
    assert app_db.execute(MAKE, [7]).fetchone() == (4,)
    assert placed(owner_db, acme.tenant.id) == {(partition(6), f"{day(6):%Y%m%d}"): asked}
    assert app_db.execute(MAKE, [7]).fetchone() == (0,)


def test_a_new_partition_is_as_closed_as_the_others(app_db: Database, owner_db: Database) -> None:
    app_db.execute(MAKE, [8])
    found = owner_db.execute(
        "SELECT relrowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)"
        " FROM pg_class c WHERE relname = %s", [partition(8)],
    )  # fmt: skip
    assert found.fetchone() == (True, 1)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app_db.execute(f"SELECT 1 FROM {partition(8)}".encode())


def test_making_never_fails_while_rows_arrive(
    acme: Cast, owner_db: Database, app_db: Database
) -> None:
    moment, ended = day(10) + dt.timedelta(hours=1), threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
            while not ended.is_set():
                connection.execute(
                    "INSERT INTO keys_decision VALUES (%s, %s, %s, 'k', 'k', 'g', 'OK', '{}', NULL,"
                    " '', '', '', '', '')",
                    [f"{written}", acme.tenant.id, moment],
                )
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    while not written and writer.is_alive():
        time.sleep(0.001)
    try:
        for ahead in (9, 10, 11):
            app_db.execute(MAKE, [ahead])
    finally:
        ended.set()
        writer.join()
    app_db.execute(MAKE, [11])
    assert placed(owner_db, acme.tenant.id) == {(partition(10), f"{day(10):%Y%m%d}"): written}


def test_two_at_once_make_each_day_once(owner_db: Database) -> None:
    made: list[int] = []

    def make() -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            made.append(connection.execute(MAKE, [14]).fetchall()[0][0])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert owner_db.execute("SELECT to_regclass(%s)", [partition(14)]).fetchone() != (None,)


def test_whole_days_that_are_over_go_and_no_other(
    acme: Cast, owner_db: Database, app_db: Database
) -> None:
    days = (-40, -31, -30, -1)
    owner_db.execute("DELETE FROM keys_decision_rest")  # other tests' past, in the way of the days
    for ago in days:
        owner_db.execute(
            f"CREATE TABLE {partition(ago)} PARTITION OF keys_decision FOR VALUES FROM"
            f" ('{day(ago)}') TO ('{day(ago + 1)}')".encode()
        )
        owner_db.execute(
            "INSERT INTO keys_decision VALUES ('x', %s, %s, 'k', 'k', 'g', 'OK', '{}', NULL,"
            " '', '', '', '', '')",
            [acme.tenant.id, day(ago) + dt.timedelta(hours=23)],
        )
    assert app_db.execute(DROP, [day(-30).date()]).fetchone() == (2,)
    assert {table for table, _ in placed(owner_db, acme.tenant.id)} == {
        partition(-30), partition(-1)
    }  # fmt: skip
    assert app_db.execute(DROP, [dt.date(9999, 12, 31)]).fetchone() == (2,)
    assert not placed(owner_db, acme.tenant.id)
    for ahead in range(3):
        present = owner_db.execute("SELECT to_regclass(%s)", [partition(ahead)])
        assert present.fetchone() != (None,)
