"""Every command of README and docs does what is said, on a copy of the product."""

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from portal.core import postgresql
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.memberships import add_member
from portal.tenancy.people import create_person
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR
from tests.docs.commands import CHECK, ROOT, Line, lines_of
from tests.docs.reader import Reader, shell
from tests.embedded.conftest import strangers
from tests.plugin import at, copy_template
from tests.processes import free_port

SERVED = re.compile(r"portal\.serve|keys\.draining|celery")
PASSWORD = "initechs-own"


def helper() -> str:
    """The README's `demo()`, which its commands use."""
    return next(line.text for line in lines_of(CHECK) if line.text.startswith("demo()"))


def test_a_check_is_allowed_as_it_is_written(copy: Reader, told: list[Line]) -> None:
    checks = [line for line in told if line.text != helper()]
    assert len(checks) == len(told) - 1 >= 2
    for line in checks:
        assert json.loads(shell(copy.fill(f"{helper()}\n{line.text}")))["allowed"] is True


def test_a_key_is_issued_and_revoked_as_it_is_written(copy: Reader, told: list[Line]) -> None:
    issue, revoke = told
    issued = json.loads(shell(copy.fill(f"{helper()}\n{issue.text}")))
    assert issued["secret"].startswith("csk_live_")
    text = copy.fill(f"{helper()}\n{revoke.text}").replace("key_…", issued["key"]["id"])
    assert json.loads(shell(text))["propagation"] == "complete"


def test_what_is_generated_is_written_as_it_stands(told: list[Line]) -> None:
    files = [ROOT / "docs" / "openapi.json", ROOT / "docs" / "configuration.md"]
    before = [file.read_bytes() for file in files]
    for text in sorted({line.text for line in told}):
        shell(text)
    assert [file.read_bytes() for file in files] == before


def initechs(copy: Reader, text: str) -> str:
    """A command about a database of one's own, as Initech fills it in on the copy's servers."""
    known = json.loads((copy.data / "secrets.json").read_text())
    sockets = copy.home / "sockets"
    text = text.replace("countersign", "initech").replace("'…'", f"'{PASSWORD}'")
    text = re.sub(
        r":…@db\.example/initech(\?sslmode=verify-full)?",
        f":{PASSWORD}@/initech?host={sockets}", text,
    )  # fmt: skip
    redis = f"unix://:{known['redis']}@{sockets / 'redis.sock'}?db=1"
    return text.replace("redis://:…@redis.example:6379/0", redis)


def test_a_database_of_ones_own_is_prepared_as_it_is_written(
    copy: Reader, told: list[Line]
) -> None:
    """By the roles, the database and the variables of the docs, and nothing else."""
    with copy.database(postgresql.SUPERUSER) as superuser:
        for line in told:
            if line.language == "sql":
                superuser.execute(initechs(copy, line.text))
    commands = [initechs(copy, line.text) for line in told if line.language != "sql"]
    exports = [text for text in commands if text.startswith("export ")]
    others = [text for text in commands if text not in exports]
    others.sort(key=lambda text: "manage.py migrate" not in text)
    assert ["doctor" in text for text in others] == [False] + [True] * (len(others) - 1)
    assert len(others) > 1
    assert not [text for text in commands if "…" in text or "example" in text]
    behind = "export SECURE=1 BASE_URL=https://portal.example ALLOWED_HOSTS=portal.example"
    said = shell("\n".join([*exports, behind, *others]), strangers())
    assert "FAIL" not in said
    with copy.database(postgresql.SUPERUSER) as superuser:
        owners = "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
        found = superuser.execute(f"{owners} WHERE rolname = 'initech_owner'").fetchall()
    assert found == [("initech",)]


def test_a_link_for_the_first_administrator_is_printed(told: list[Line]) -> None:
    copy_template("docs_nobody")
    nobody = at(os.environ["DATABASE_URL"], "docs_nobody")
    for line in told:
        assert "/setup/once-" in shell(line.text, DATABASE_URL=nobody)


def test_each_process_starts_and_stops_as_it_is_written(tmp_path: Path, told: list[Line]) -> None:
    commands = [line.text for line in told]
    assert len([text for text in commands if SERVED.search(text)]) == len(commands) >= 4
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda text: shell(started(text), BEAT=str(tmp_path)), commands))


def started(line: str) -> str:
    """A server's command line, ended after a while: 124 says that it was still running by then."""
    line = line.replace("0.0.0.0", "127.0.0.1").replace("/var/lib/countersign-beat", "$BEAT")
    line = re.sub(r"--port \d+", f"--port {free_port()}", line)
    variables, _, command = line.partition(".venv/bin/python")
    return f"{variables} timeout 5 .venv/bin/python {command} || test $? -eq 124"


def test_the_first_gateway_and_key_are_made_by_command(told: list[Line]) -> None:
    tenant = create_tenant(actor=OPERATOR, slug="initech", name="Initech")
    dana = create_person(actor=OPERATOR, email="dana@initech.example", name="Dana")
    owner = add_member(actor=OPERATOR, tenant_id=tenant.id, person_id=dana.id, role="owner")
    api = create_api(
        actor=OPERATOR, slug="search", name="Search", scopes=[ScopeDefinition("search:read")]
    )
    grant_api(actor=OPERATOR, tenant_id=tenant.id, api_id=api.id)
    abridged = "create_gateway …", "create_gateway --name rear --api search --tenant initech"
    for line in told:
        made = shell(line.text.replace("mem_…", owner.id).replace(*abridged))
        assert ("csk_live_" if "issue_key" in line.text else "csg_live_") in made


def test_what_the_owner_may_ask_is_answered(copy: Reader, told: list[Line]) -> None:
    """Of the demo's secrets, gateways and tokens, and of the drain's last write."""
    with copy.database() as owner:
        found = [owner.execute(line.text).fetchall() for line in told]
    peppers = [[row[0] for row in rows] for rows in found if rows and len(rows[0]) == 2]
    assert peppers == [[1]] * 3, "keys, gateways and tokens: the demo has no directory's token"
    assert len(found[-1]) == 1


def allowed(copy: Reader, demo: dict[str, Any]) -> bool:
    """Whether the demo's key is."""
    text = json.dumps({"key": demo["key"], "request": {"method": "GET", "path": "/v1/models"}})
    asked = (
        f"curl -s http://127.0.0.1:{copy.port}/v1/keys/check -d '{text}'"
        f" -H 'Authorization: Bearer {demo['gateway_token']}' -H 'Content-Type: application/json'"
    )
    return json.loads(shell(asked))["allowed"] is True


def ledger(copy: Reader) -> set[tuple[str, bytes]]:
    """Every entry, with what it is digested to."""
    with copy.database() as owner:
        return {*owner.execute("SELECT id, envelope_digest FROM ledger_entry").fetchall()}


def test_the_embedded_servers_come_back_from_their_backup(
    copy: Reader, told: list[Line], tmp_path: Path
) -> None:
    pack, unpack = told
    demo, entries = copy.demo, ledger(copy)
    assert allowed(copy, demo)
    copy.stop()
    folders = {*copy.folders()}
    others = " ".join(str(folder) for folder in folders if not folder.is_relative_to(copy.data))
    text = pack.text.replace("backup.tgz", f"{tmp_path}/backup.tgz")
    text = text.replace(" var ", f" {copy.data} ").replace("/var/lib/countersign/<hash>", others)
    shell(text)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    shell(f"{unpack.text} -f {tmp_path}/backup.tgz")
    copy.start()
    assert copy.demo["key"] == demo["key"]
    assert allowed(copy, demo)
    assert len(entries) > 10
    assert entries <= ledger(copy)
