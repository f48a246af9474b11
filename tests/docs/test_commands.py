"""Every command of README and docs does what is said, on a copy of the product."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from portal.core.binaries import Binaries
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.memberships import add_member
from portal.tenancy.people import create_person
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR
from tests.docs.commands import ROOT, Block, blocks, elsewhere
from tests.plugin import at, copy_template
from tests.processes import free_port

OURS = ("DATABASE", "REDIS", "PG", "COUNTERSIGN", "SECRET", "KEY_", "ENCRYPTION")
SERVED = re.compile(r"portal\.serve|keys\.draining|celery")


@dataclass
class Copy:
    """A running copy, as `make run` starts it."""

    data: Path
    port: int
    demo: dict[str, Any]

    def fill(self, text: str) -> str:
        """A block as a reader would have filled it in."""
        for old, new in (
            ("var/demo.json", str(self.data / "demo.json")),
            ("127.0.0.1:8000", f"127.0.0.1:{self.port}"),
            ("$GATEWAY", self.demo["gateway_token"]),
            ("csk_live_…", self.demo["key"]),
        ):
            text = text.replace(old, new)
        return text


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    data, port = Path(tempfile.mkdtemp(prefix="countersign-docs-")), free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.run"], cwd=ROOT, text=True,
        env=inherited | {"PORT": str(port), "DATA_DIR": str(data)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Ctrl-C"):
            break
    yield Copy(data, port, json.loads((data / "demo.json").read_text()))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def shell(text: str, **environment: str) -> str:
    """Run a block as it stands; its output. It fails with the first command that does."""
    path = f"{Path(Binaries(None).postgresql().program('psql')).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=ROOT, text=True, capture_output=True,
        env={**os.environ, "PATH": path, **environment}, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, f"{ran.returncode}: {ran.stdout[-1000:]} {ran.stderr[-2000:]}"
    return ran.stdout


def lines(text: str) -> list[str]:
    """The commands of a block, continuation lines joined, comments left out."""
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and line[0] != "#"]


def blocks_with(words: str) -> list[Block]:
    """Those that hold `words`; at least one."""
    found = [block for block in blocks() if words in block.text]
    assert found, f"no block has {words!r} any more: mend the test"
    return found


HANDLED = [
    "/v1/keys/check", "/v1/tenants/acme/keys", "manage.py openapi", "export DATABASE_URL",
    "manage.py doctor", "portal.serve", "create_gateway", "tar --numeric-owner", "pg_dump",
    "manage.py setup_link",
]  # fmt: skip
"""What the tests below look for."""


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.name)
def test_every_block_is_executed_by_a_test(block: Block) -> None:
    told = any(words in block.text for words in HANDLED)
    assert told or all(elsewhere(line) for line in lines(block.text)), block.text


def test_the_check_of_the_readme_is_allowed(copy: Copy) -> None:
    for block in blocks_with("/v1/keys/check"):
        assert '"allowed": true' in shell(copy.fill(block.text)).replace('":true', '": true')


def test_a_key_is_issued_and_revoked_as_the_readme_says(copy: Copy) -> None:
    issue, revoke = blocks_with("/v1/tenants/acme/keys")[:2]
    helper = next(b.text for b in blocks() if b.text.startswith("demo()")).splitlines()[0]
    issued = json.loads(shell(copy.fill(f"{helper}\n{issue.text}")))
    assert issued["secret"].startswith("csk_live_")
    text = copy.fill(f"{helper}\n{revoke.text}").replace("key_…", issued["key"]["id"])
    assert json.loads(shell(text))["propagation"] == "complete"


def test_the_schema_is_written_as_it_stands() -> None:
    before = (ROOT / "docs" / "openapi.json").read_text()
    for block in blocks_with("manage.py openapi"):
        shell(block.text)
    assert (ROOT / "docs" / "openapi.json").read_text() == before


def test_secrets_are_made_and_a_database_of_ones_own_is_prepared(tmp_path: Path) -> None:
    exports = blocks_with("export DATABASE_URL")[0].text
    prepare = blocks_with("manage.py doctor")[0].text
    copy_template("docs_prepared")
    roles = {
        name: at(os.environ[name], "docs_prepared")
        for name in ("DATABASE_URL", "DATABASE_CHECK_URL", "DATABASE_OWNER_URL")
    }
    ours = "\n".join(
        f"export {name}='{value}'"
        for name, value in {**roles, "REDIS_URL": os.environ["REDIS_URL"], "SECURE": "1",
                            "BASE_URL": "https://portal.example",
                            "ALLOWED_HOSTS": "portal.example"}.items()
    )  # fmt: skip
    owner = re.sub(r"DATABASE_OWNER_URL='[^']*'", "true;", prepare.replace("\\\n", " "))
    # The servers of the tests give up durability: of that alone doctor may complain.
    owner = owner.replace("manage.py doctor", "manage.py doctor || true")
    told = shell(f"{exports}\n{ours}\n{owner}")
    assert "ENCRYPTION_KEYS" in told
    assert "FAIL  SECRET_KEY" not in told


def test_a_link_for_the_first_administrator_is_printed() -> None:
    copy_template("docs_nobody")
    nobody = at(os.environ["DATABASE_URL"], "docs_nobody")
    for block in blocks_with("manage.py setup_link"):
        assert "/setup/once-" in shell(block.text, DATABASE_URL=nobody)


def test_each_process_starts_and_stops_as_it_is_written(tmp_path: Path) -> None:
    commands = [line for block in blocks_with("portal.serve") for line in lines(block.text)]
    assert len([line for line in commands if SERVED.search(line)]) == len(commands) >= 4
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda line: shell(started(line), BEAT=str(tmp_path)), commands))


def started(line: str) -> str:
    """A server's command line, ended after a while: 124 says that it was still running by then."""
    line = line.replace("0.0.0.0", "127.0.0.1").replace("/var/lib/countersign-beat", "$BEAT")
    line = re.sub(r"--port \d+", f"--port {free_port()}", line)
    variables, _, command = line.partition(".venv/bin/python")
    return f"{variables} timeout 5 .venv/bin/python {command} || test $? -eq 124"


def test_the_first_gateway_and_key_are_made_by_command() -> None:
    tenant = create_tenant(actor=OPERATOR, slug="initech", name="Initech")
    dana = create_person(actor=OPERATOR, email="dana@initech.example", name="Dana")
    owner = add_member(actor=OPERATOR, tenant_id=tenant.id, person_id=dana.id, role="owner")
    api = create_api(
        actor=OPERATOR, slug="search", name="Search", scopes=[ScopeDefinition("search:read")]
    )
    grant_api(actor=OPERATOR, tenant_id=tenant.id, api_id=api.id)
    for block in blocks_with("create_gateway"):
        told = shell(block.text.replace("mem_…", owner.id))
        assert "csg_live_" in told
        assert "csk_live_" in told


def test_a_backup_is_made_and_restored_as_it_is_written(copy: Copy, tmp_path: Path) -> None:
    text = blocks_with("tar --numeric-owner")[0].text
    text = re.sub(r"/var/lib/countersign/<hash>.*", "", text)
    text = text.replace("backup.tgz", str(tmp_path / "backup.tgz")).replace(
        " var ", f" {tmp_path} "
    )
    (tmp_path / "kept").write_text("kept")
    shell(text.replace(str(tmp_path / "backup.tgz"), str(copy.data / "backup.tgz")))
    dump, restore = lines(blocks_with("pg_dump")[0].text)
    copy_template("docs_dumped")
    where = tmp_path / "countersign.dump"
    source = at(os.environ["DATABASE_OWNER_URL"], "docs_dumped")
    shell(dump.replace("countersign.dump", str(where)), DATABASE_OWNER_URL=source)
    empty = at(os.environ["DATABASE_OWNER_URL"], "docs_restored")
    shell(f'psql -qc "CREATE DATABASE docs_restored" "{at(empty, "postgres")}"')
    shell(restore.replace("countersign.dump", str(where)), DATABASE_OWNER_URL=empty)
    assert shell(f'psql -tc "SELECT count(*) FROM django_migrations" "{empty}"').strip() != "0"
