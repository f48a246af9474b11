"""I1 and I2 when Redis comes back without its last writes: lost machine, failover, old file."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.core import embedded
from portal.core.names import name
from tests.invariants.stand import Acme, Key, Stand, ask, eventually
from tests.invariants.traffic import body
from tests.processes import CheckServer, drain_process

CHAT: dict[str, Any] = {"name": "k", "environment": "live", "scopes": ["chat:write"]}
DAY = {**CHAT, "limits": [body("day", 10, "day", "calendar")]}
BUCKET = {**CHAT, "limits": [body("slow", 5, "day", "smooth")]}
REVOKE = """
import sys, django
django.setup()
from keys.revocation import revoke_key
from tests.cast import OPERATOR
print(revoke_key(actor=OPERATOR, key_id=sys.argv[1], reason="x").propagation)
"""


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with embedded.throw_away() as running, Stand(running) as made:
        yield made


@pytest.fixture(scope="module")
def there(stand: Stand) -> Acme:
    return stand.acme(CHAT, CHAT, CHAT, DAY, BUCKET)


@pytest.fixture(scope="module")
def fleet(stand: Stand, there: Acme) -> Iterator[list[CheckServer]]:
    servers = [CheckServer(**stand.environment) for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


def files(stand: Stand) -> Path:
    with stand.store() as store:
        told: Any = store.config_get("dir")
    return Path(told["dir"])


def copied(stand: Stand, where: Path) -> None:
    """The append-only file as it is now."""
    for found in files(stand).glob("appendonly*"):
        (shutil.copytree if found.is_dir() else shutil.copyfile)(found, where / found.name)


@contextlib.contextmanager
def with_old_file(stand: Stand, where: Path) -> Iterator[None]:
    """Redis ends, and starts from what was copied."""
    folder = files(stand)
    with stand.stopped(stand.redis):
        for found in (path for path in where.rglob("*") if path.is_file()):
            # In place: the file goes on belonging to Redis' own user.
            (folder / found.relative_to(where)).write_bytes(found.read_bytes())
        yield


def codes(server: CheckServer, there: Acme, key: Key, times: int) -> list[str]:
    return [ask(server, there.gateway, key.text).code for _ in range(times)]


def drained(stand: Stand) -> None:
    with drain_process(**stand.environment), stand.store() as store:
        eventually(lambda: store.xlen(name("log")) == 0, 10)


def answering(server: CheckServer, there: Acme, key: Key) -> None:
    """It decides again."""
    eventually(lambda: ask(server, there.gateway, key.text).status == 200, 10)


def test_what_was_revoked_after_the_copy_is_never_allowed_again(
    stand: Stand, there: Acme, fleet: list[CheckServer], tmp_path: Path
) -> None:
    revoked, stays = there.keys[0], there.keys[1]
    for server in fleet:
        assert codes(server, there, revoked, 2) == ["OK", "OK"]
        assert codes(server, there, stays, 1) == ["OK"]
    copied(stand, tmp_path)
    assert stand.run("-c", REVOKE, revoked.id).splitlines()[-1] == "complete"
    with with_old_file(stand, tmp_path):
        pass
    seen: list[str] = []

    def says_revoked(server: CheckServer) -> bool:
        seen.extend(codes(server, there, revoked, 1))
        return seen[-1] == "KEY_REVOKED"

    for server in fleet:
        eventually(lambda server=server: says_revoked(server), 10)  # type: ignore[misc]
    assert set(seen) <= {"KEY_REVOKED", "STORE_UNAVAILABLE"}
    assert [codes(server, there, stays, 1) for server in fleet] == [["OK"], ["OK"]]


def test_what_was_drained_after_the_copy_is_not_granted_again(
    stand: Stand, there: Acme, fleet: list[CheckServer], tmp_path: Path
) -> None:
    _, _, other, day, bucket = there.keys
    assert codes(fleet[0], there, day, 3) + codes(fleet[0], there, bucket, 2) == ["OK"] * 5
    copied(stand, tmp_path)
    assert codes(fleet[0], there, day, 4) + codes(fleet[0], there, bucket, 2) == ["OK"] * 6
    drained(stand)
    with with_old_file(stand, tmp_path):
        pass
    answering(fleet[0], there, other)
    assert codes(fleet[0], there, day, 4) == ["OK"] * 3 + ["QUOTA_EXCEEDED"]
    assert codes(fleet[0], there, bucket, 1) == ["RATE_LIMITED"]
    drained(stand)


def test_a_redis_that_kept_everything_goes_on_where_it_was(
    stand: Stand, fleet: list[CheckServer]
) -> None:
    there = stand.acme(DAY, BUCKET, BUCKET, CHAT)
    day, bucket, fresh, other = there.keys
    assert codes(fleet[0], there, day, 3) + codes(fleet[0], there, bucket, 2) == ["OK"] * 5
    drained(stand)
    assert codes(fleet[0], there, day, 1) == ["OK"]
    with stand.stopped(stand.redis):
        pass
    answering(fleet[0], there, other)
    assert codes(fleet[0], there, day, 7) == ["OK"] * 6 + ["QUOTA_EXCEEDED"]
    assert codes(fleet[0], there, bucket, 4) == ["OK"] * 3 + ["RATE_LIMITED"]
    assert codes(fleet[0], there, fresh, 6) == ["OK"] * 5 + ["RATE_LIMITED"]
    with stand.database() as database:
        drained(stand)
        counted = database.execute("SELECT count(*) FROM keys_decision WHERE key_id = %s", [day.id])
        assert counted.fetchone() == (11,)
