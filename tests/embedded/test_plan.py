"""What `make run` runs, for each way in which the addresses can be given."""

import pytest

from portal.core.processes import StartRefused
from portal.plan import Options, plan

OWN = {"DATABASE_URL": "postgresql://app@db/countersign", "REDIS_URL": "redis://cache"}


def prepared(**environment: str) -> list[list[str]]:
    commands = plan(Options.read(environment)).prepare
    return [c.argv[c.argv.index("manage.py") + 1 :] for c in commands]


def test_the_embedded_database_is_migrated_and_seeded_in_one_process() -> None:
    [argv] = prepared(DATA_DIR="/data", PORT="8123")
    where = ["--demo-file", "/data/demo.json", "--base-url", "http://127.0.0.1:8123"]
    assert argv == ["prepare", *where]


def test_without_the_owner_s_address_nothing_is_migrated_or_seeded() -> None:
    assert prepared(**OWN) == [["migrate", "--check", "--database", "default"]]


def test_with_the_owner_s_address_it_migrates_and_does_not_seed() -> None:
    argv = prepared(**OWN, DATABASE_OWNER_URL="postgresql://owner@db/countersign")
    assert argv == [["migrate", "--database", "owner", "--noinput"]]


def test_the_demo_can_be_asked_for_on_one_s_own_database() -> None:
    assert [argv[0] for argv in prepared(**OWN, COUNTERSIGN_DEMO="1")] == ["migrate", "seed_demo"]


def test_an_address_in_a_file_is_an_address() -> None:
    options = Options.read({"DATABASE_URL_FILE": "/run/secrets/db", "REDIS_URL_FILE": "/r"})
    assert not options.embedded_database and not options.embedded_redis


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "８000"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(StartRefused):
        Options.read({"PORT": port})


def test_what_stays_is_never_told_the_owner_s_address() -> None:
    assert not any(command.owner for command in plan(Options.read({})).keep)
