"""The outbox and the bump: what a verb committed reaches Redis once, and never goes back."""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import outbox, versions
from portal.core.ids import base62
from portal.core.names import name, prefix
from portal.core.versions import NEGATIVES
from tests.processes import CheckServer

Database = psycopg.Connection[Any]


@pytest.fixture
def version() -> str:
    """A version that nothing else has."""
    return versions.of_key(base62(12))


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process can't reach Redis."""
    away = redis.Redis(unix_socket_path="/nowhere", retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(outbox, "client", lambda: away)
    yield
    away.close()


def held(store: "redis.Redis", version: str) -> Any:
    return store.get(name("v", version))


def bump(changed: versions.Versions) -> outbox.Propagation:
    with transaction.atomic():
        row = outbox.enqueue(changed)
    return outbox.publish(changed, row)


def rows(database: Database, version: str) -> int:
    found = database.execute("SELECT count(*) FROM core_outbox WHERE versions ? %s", [version])
    return int(found.fetchall()[0][0])


def test_a_row_belongs_to_a_transaction_and_goes_with_it(owner_db: Database, version: str) -> None:
    with pytest.raises(AssertionError, match="transaction"):
        outbox.enqueue({version: 1})
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.enqueue({version: 1 // 0})
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        outbox.enqueue({version: 1})
        raise ZeroDivisionError
    assert rows(owner_db, version) == 0


def test_what_is_published_leaves_the_outbox(
    owner_db: Database, store: "redis.Redis", version: str
) -> None:
    store.set(name("v", version), 1)
    assert bump({version: 2}) == "complete"
    assert (held(store, version), rows(owner_db, version)) == ("2", 0)


@pytest.mark.usefixtures("nowhere")
def test_what_can_not_be_published_stays(owner_db: Database, version: str) -> None:
    assert bump({version: 2}) == "pending"
    assert rows(owner_db, version) == 1


def test_a_version_only_rises(store: "redis.Redis", version: str) -> None:
    store.set(name("v", version), 5)
    for later, now in ((4, "5"), (6, "6"), (6, "6"), (2, "6"), (2**53 - 1, str(2**53 - 1))):
        bump({version: later})
        assert held(store, version) == now


def test_it_is_forgotten_when_it_would_have_been(store: "redis.Redis", version: str) -> None:
    store.set(name("v", version), 1, ex=100)
    bump({version: 2})
    left: Any = store.ttl(name("v", version))
    assert 90 < left <= 100


def test_one_that_is_not_held_is_not_made_up(store: "redis.Redis", version: str) -> None:
    bump({version: 2})
    assert held(store, version) is None


def test_every_bump_ends_every_lease_and_some_the_memory_of_what_is_unknown(
    store: "redis.Redis", version: str
) -> None:
    def moments() -> list[int]:
        read: Any = store.mget(name("generation"), name("negatives"))
        return [int(n or 0) for n in read]

    # A check process may publish what other tests left behind meanwhile: more is possible.
    before = moments()
    bump({version: 2})
    between = moments()
    assert (between[0] > before[0], between[1]) == (True, before[1])
    bump({NEGATIVES: 0})
    after = moments()
    assert (after[0] > between[0], after[1] > between[1]) == (True, True)
    assert held(store, NEGATIVES) is None


def test_it_touches_its_own_shard_only(store: "redis.Redis", version: str) -> None:
    before = set(store.scan_iter())
    bump({version: 1, NEGATIVES: 0})
    new = set(store.scan_iter()) - before
    assert all(key.startswith(prefix()) for key in new)


def claimed(connection: Database, age: str = "0 seconds") -> list[tuple[int, dict[str, int]]]:
    rows = connection.execute("SELECT id, versions FROM outbox_claim(%s::interval, 100)", [age])
    return rows.fetchall()


@pytest.mark.usefixtures("nowhere")
def test_two_pollers_never_hold_the_same_row(check_db: Database, version: str) -> None:
    bump({version: 2})
    with psycopg.connect(os.environ["DATABASE_CHECK_URL"]) as other:
        with check_db.transaction():
            first = {row for row, changed in claimed(check_db) if version in changed}
            second = {row for row, changed in claimed(other) if version in changed}
        other.rollback()
        assert (len(first), second) == (1, set())
        # The first let go without being done: the row is there for the other.
        assert {row for row, changed in claimed(other) if version in changed} == first
        other.execute("SELECT outbox_done(%s)", [list(first)])


@pytest.mark.usefixtures("nowhere")
def test_a_row_of_a_living_writer_is_left_alone(check_db: Database, version: str) -> None:
    bump({version: 2})
    with check_db.transaction():
        assert not [row for row, changed in claimed(check_db, "10 seconds") if version in changed]
        assert [row for row, changed in claimed(check_db) if version in changed]


@pytest.mark.usefixtures("nowhere")
def test_check_processes_publish_what_was_left_behind(
    checker: CheckServer, owner_db: Database, store: "redis.Redis", version: str
) -> None:
    store.set(name("v", version), 1)
    generation = int(str(store.get(name("generation")) or 0))
    began = time.monotonic()
    assert bump({version: 2}) == "pending"
    while rows(owner_db, version) and time.monotonic() - began < 5:
        time.sleep(0.005)
    took = time.monotonic() - began
    print(f"published after {1000 * took:.0f} ms")
    assert (held(store, version), rows(owner_db, version)) == ("2", 0)
    assert int(str(store.get(name("generation")))) > generation
    assert 0.25 < took < 1.5


def test_many_at_once_are_all_published(
    owner_db: Database, store: "redis.Redis", version: str
) -> None:
    store.set(name("v", version), 0)

    def work(first: int) -> None:
        from django.db import connection

        for number in range(first, 80, 8):
            assert bump({version: number}) == "complete"
        connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (held(store, version), rows(owner_db, version)) == ("79", 0)


def test_the_check_role_reaches_it_by_its_two_functions_only(check_db: Database) -> None:
    for statement in (
        b"SELECT 1 FROM core_outbox", b"DELETE FROM core_outbox",
        b"INSERT INTO core_outbox (versions, created_at) VALUES ('{}', now())",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            check_db.execute(statement)
