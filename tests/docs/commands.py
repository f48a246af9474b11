"""Every command of README, docs and the gateways' README, and who executes it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT = Path(__file__).parents[2]
FENCE: Final = re.compile(r"^ *```(sh|sql|nginx)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHOWN: Final = re.compile(r"`((?:SELECT |redis-cli |nginx -|tar -|python manage\.py )[^`]*)`")
"""Commands within a sentence."""


class Line(NamedTuple):
    """One command: the file it stands in, what it is written in, and its text on one line."""

    file: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text[:60]}"


def _commands(text: str) -> Iterator[str]:
    """A shell block's commands, comments left out; one that goes on is one."""
    begun = ""
    for line in text.splitlines():
        begun += line
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:  # an open quote
            begun += "\n"
            continue
        if words:
            yield begun.strip()
        begun = ""
    assert not begun, begun


def _statements(text: str) -> Iterator[str]:
    yield from (statement.strip() for statement in text.split(";") if statement.strip())


def _lines(text: str) -> Iterator[str]:
    yield from (line.strip() for line in text.splitlines() if line.strip())


SPLIT: Final = {"sh": _commands, "sql": _statements, "nginx": _lines}


def lines() -> list[Line]:
    """Every command, in order."""
    files = [
        ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "deploy").rglob("*.md")),
    ]  # fmt: skip
    found = []
    for file in files:
        name, text = str(file.relative_to(ROOT)), file.read_text()
        for language, block in FENCE.findall(text):
            found += [Line(name, language, command) for command in SPLIT[language](block)]
        prose = FENCE.sub("", text)
        found += [Line(name, "prose", " ".join(each.split())) for each in SHOWN.findall(prose)]
    return found


PREPARED: Final = "test_a_database_of_ones_own_is_prepared_as_it_is_written"
SERVING: Final = "test_each_process_starts_and_stops_as_it_is_written"
FIRST: Final = "test_the_first_gateway_and_key_are_made_by_command"
KEYS: Final = "test_a_key_is_issued_and_revoked_as_it_is_written"
CHECK: Final = "test_a_check_is_allowed_as_it_is_written"
GENERATED: Final = "test_what_is_generated_is_written_as_it_stands"
BACKUP: Final = "test_the_embedded_servers_come_back_from_their_backup"
DUMP: Final = "test_an_older_dump_brings_back_what_was_revoked_since"
ACME: Final = "curl -s http://127.0.0.1:8000/v1/tenants/acme"
PYTHON: Final = ".venv/bin/python"

TESTED: Final = {
    "demo() {": CHECK,
    "curl -s http://127.0.0.1:8000/v1/keys/check": CHECK,
    f"{ACME}/keys ": KEYS,
    f"{ACME}/keys/key_…/revoke": KEYS,
    f"DJANGO_SETTINGS_MODULE=tests.static_settings {PYTHON} manage.py openapi": GENERATED,
    "python manage.py openapi": GENERATED,
    "python manage.py configuration_doc": GENERATED,
    "CREATE ROLE countersign_": PREPARED,
    "CREATE DATABASE countersign ": PREPARED,
    "REVOKE ALL ON DATABASE countersign ": PREPARED,
    "GRANT CONNECT ON DATABASE countersign ": PREPARED,
    "export ": PREPARED,
    "DATABASE_OWNER_URL='": PREPARED,
    f"{PYTHON} manage.py doctor": PREPARED,
    "python manage.py doctor": PREPARED,
    f"{PYTHON} -m portal.serve": SERVING,
    f"{PYTHON} -m keys.draining": SERVING,
    f"REMAP_SIGTERM=SIGQUIT {PYTHON} -m celery": SERVING,
    f"{PYTHON} manage.py setup_link": "test_a_link_for_the_first_administrator_is_printed",
    f"{PYTHON} manage.py create_gateway": FIRST,
    "python manage.py create_gateway": FIRST,
    f"{PYTHON} manage.py issue_key": FIRST,
    "tar --numeric-owner -czf": BACKUP,
    "tar -xzp --numeric-owner -C /": BACKUP,
    "pg_dump": DUMP,
    "pg_restore": DUMP,
    "redis-cli FLUSHDB": DUMP,
    "SELECT ": "test_what_the_owner_may_ask_is_answered",
}
"""Beginnings of commands, each with the test that is given them to execute."""
ELSEWHERE: Final = {
    "make test": "it is this gate",
    "make run": "tests/embedded starts its supervisor; the acceptance of a release runs it whole",
    "make .venv/run.stamp": "the gate stands on it: its first step made it",
    "apt-get install": "the gate's own first step does it (Makefile, system-packages)",
    'map ""': "tests/gateways gives nginx the same two lines, and compares them with these",
    "nginx -t && nginx -s reload": "tests/gateways starts nginx on the file, and has -t refuse",
}
"""Beginnings of commands that a test of commands can't run, each with who does."""


def beginning(line: Line) -> str:
    """What of TESTED or ELSEWHERE the command begins with, the longest; "" for nothing."""
    known = [each for each in (*TESTED, *ELSEWHERE) if line.text.startswith(each)]
    return max(known, key=len, default="")


def lines_of(test: str) -> list[Line]:
    """What this test is given to execute."""
    return [line for line in lines() if TESTED.get(beginning(line)) == test]
