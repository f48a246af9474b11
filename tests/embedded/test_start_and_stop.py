"""The supervisor and the embedded servers, as real processes."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from portal.core import binaries
from portal.core.processes import birth, boot_id, wait_until
from tests.embedded.conftest import ROOT, Copy


def write(copy: Copy) -> None:
    with copy.database() as db:
        db.execute("CREATE TABLE kept (word text)")
        db.execute("INSERT INTO kept VALUES ('kept')")
    with copy.redis() as client:
        client.set("kept", "kept")


def assert_kept(copy: Copy) -> None:
    with copy.database() as db:
        assert db.execute("SELECT word FROM kept").fetchall() == [("kept",)]
    with copy.redis() as client:
        assert client.get("kept") == "kept"


def test_a_stop_leaves_no_process_and_the_next_start_has_the_data(copy: Copy) -> None:
    write(copy.start())
    assert copy.stop() < 10
    assert copy.process is not None and copy.process.returncode == 0
    assert copy.leftovers() == []
    assert copy.run["processes"] == []
    assert_kept(copy.start())


def test_after_sigkill_nothing_survives_and_the_next_start_has_the_data(copy: Copy) -> None:
    write(copy.start())
    copy.kill()
    assert_kept(copy.start())  # at once: it ends what is left by itself
    copy.kill()
    assert wait_until(lambda: all(birth(p["pid"]) is None for p in copy.run["processes"]), 10)


def test_sigkill_of_everything_at_once_loses_nothing(copy: Copy) -> None:
    write(copy.start())
    pids = [p["pid"] for p in copy.run["processes"]]
    copy.kill()
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    assert_kept(copy.start())
    copy.stop()
    assert copy.nothing_is_left(), copy.leftovers()


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_a_killed_server_is_started_again_with_its_data(copy: Copy, name: str) -> None:
    write(copy.start())
    before = copy.pid(name)
    time.sleep(1.1)  # Redis writes its file every second
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: name in names(copy) and copy.pid(name) != before, 10)

    def kept() -> bool:
        try:
            assert_kept(copy)
        except (psycopg.Error, OSError):
            return False
        return True

    assert wait_until(kept, 10, every=0.2)


def names(copy: Copy) -> list[str]:
    return [p["name"] for p in copy.run["processes"]]


@pytest.mark.parametrize("name", ["web", "worker", "drain"])
def test_a_killed_child_is_started_again(copy: Copy, name: str) -> None:
    before = copy.start().pid(name)
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: name in names(copy) and copy.pid(name) != before, 10)
    copy.stop()
    assert copy.nothing_is_left(), copy.leftovers()


def test_a_second_signal_changes_nothing(copy: Copy) -> None:
    write(copy.start())
    assert copy.process is not None
    for _ in range(5):
        copy.process.send_signal(signal.SIGINT)
        copy.process.send_signal(signal.SIGTERM)
    assert "stopping" in copy.finish()
    assert copy.process.returncode == 0
    assert "fast shutdown" in (copy.data / "logs/postgresql.log").read_text()
    assert_kept(copy.start())


def test_a_signal_during_the_preparation_stops_everything(copy: Copy) -> None:
    copy.launch(STANDIN_PREPARE="import time; time.sleep(600)")
    ready = lambda: (copy.data / "run.json").exists() and "prepare" in names(copy)  # noqa: E731
    assert wait_until(ready, 20)
    assert copy.stop() < 10
    assert copy.leftovers() == []


def test_a_failed_preparation_is_told_and_stops_everything(copy: Copy) -> None:
    copy.launch(STANDIN_PREPARE="raise SystemExit('no such column')")
    assert "no such column" in copy.finish()
    assert copy.process is not None and copy.process.returncode == 1
    assert copy.leftovers() == []


def test_the_folders_are_private_and_nothing_listens_on_tcp(copy: Copy) -> None:
    copy.start()
    for folder in (copy.home, copy.home / "sockets", copy.home / "postgresql"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    for name in ("secrets.json", "run.json"):
        assert stat.S_IMODE((copy.data / name).stat().st_mode) == 0o600, name
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    listening = {line.split()[9] for line in tables.splitlines() if " 0A " in line}
    for name in ("postgresql", "redis"):
        links = [os.readlink(f) for f in Path(f"/proc/{copy.pid(name)}/fd").iterdir()]
        assert not listening & {link.removeprefix("socket:[").rstrip("]") for link in links}


def test_as_root_the_servers_are_nobody_s_and_otherwise_one_s_own(copy: Copy) -> None:
    copy.start()
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    for name in ("postgresql", "redis"):
        assert Path(f"/proc/{copy.pid(name)}").stat().st_uid == uid
    assert copy.home.stat().st_uid == uid


def test_the_application_s_roles_have_no_power(copy: Copy) -> None:
    copy.start()
    with copy.database() as db:
        rows = db.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'countersign\\_%' "
            "AND rolname <> 'countersign_admin' AND (rolsuper OR rolbypassrls OR rolcreaterole)"
        ).fetchall()
        assert rows == []
    with copy.database("countersign_app") as db:
        for statement in ("CREATE TABLE t ()", "CREATE TEMP TABLE t ()", "CREATE SCHEMA s"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement)


def test_no_generated_secret_is_printed_logged_or_on_a_command_line(copy: Copy) -> None:
    copy.start()
    known = json.loads((copy.data / "secrets.json").read_text())
    seen = copy.output + (copy.data / "run.json").read_text() + "".join(copy.leftovers())
    seen += "".join(p.read_text() for p in (copy.data / "logs").iterdir())
    assert [name for name, value in known.items() if value in seen] == []


def test_two_copies_run_beside_each_other(copy: Copy, another: Copy) -> None:
    write(copy.start())
    another.start()
    assert another.stop() < 10
    assert_kept(copy)


def test_a_second_copy_on_the_same_folder_is_refused(copy: Copy, another: Copy) -> None:
    write(copy.start())
    another.launch(DATA_DIR=str(copy.data))
    told = another.finish()
    assert told == f"countersign: another copy is running with DATA_DIR {copy.data}\n"
    assert another.process is not None and another.process.returncode == 1
    assert_kept(copy)


def test_a_taken_port_is_told_before_anything_is_started(copy: Copy) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", copy.port))
        taken.listen()
        copy.launch()
        assert "cannot be used: Address already in use" in copy.finish()
    assert list(copy.data.iterdir()) == []


def test_a_recorded_number_that_is_another_process_now_is_left_alone(copy: Copy) -> None:
    copy.start()
    copy.stop()
    with subprocess.Popen(["sleep", "60"]) as foreign:
        entry = {"name": "postgresql", "pid": foreign.pid, "started": birth(foreign.pid) or 0}
        entry["started"] = int(str(entry["started"])) - 1
        run = copy.run | {"boot": boot_id(), "processes": [entry]}
        (copy.data / "run.json").write_text(json.dumps(run))
        (copy.home / "postgresql/postmaster.pid").write_text(f"{foreign.pid}\n")
        copy.start()
        assert foreign.poll() is None
        foreign.kill()


def test_another_major_version_is_refused_with_the_commands(copy: Copy) -> None:
    copy.start()
    copy.stop()
    (copy.home / "postgresql/PG_VERSION").write_text("16\n")
    copy.launch()
    told = copy.finish()
    assert "was made by PostgreSQL 16; this version runs 18" in told
    assert "pg_dump" in told and "pg_restore" in told
    assert copy.leftovers() == []


def test_the_supervisor_ends_when_its_parent_does(copy: Copy) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-m', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", script, "tests.embedded.standin"],
        cwd=ROOT,
        env=os.environ | {"PORT": str(copy.port), "DATA_DIR": str(copy.data)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        for line in parent.stdout:
            if line.startswith("Ctrl-C"):
                break
        parent.kill()
    assert copy.nothing_is_left(), copy.leftovers()


def test_an_emptied_folder_begins_anew_and_loses_nothing(copy: Copy) -> None:
    write(copy.start())
    copy.stop()
    if os.geteuid() != 0:
        return  # everything is in the folder itself: there is nothing to put aside
    (copy.data / "secrets.json").unlink()
    (copy.data / "run.json").unlink()
    assert "was emptied" in copy.start().output
    aside = list(copy.home.parent.glob(f"{copy.home.name}.orphan-*"))
    assert len(aside) == 1 and (aside[0] / "postgresql/PG_VERSION").exists()
    subprocess.run(["rm", "-rf", str(aside[0])], check=True)


# redis needs async_timeout before Python 3.11.3, and this environment's interpreter may be newer
# than the system's; asyncio's own is the same function.
ORDINARY = """
import asyncio, os, sys
sys.modules.setdefault("async_timeout", asyncio)
from portal.core import embedded
with embedded.throw_away() as servers:
    assert servers.data.folders[0] == servers.data.path, servers.data.folders
    for service in servers.services:
        assert os.stat(f"/proc/{service.process.pid}").st_uid == os.getuid() != 0
    print("ordinary user served")
"""


def test_an_ordinary_user_s_servers_are_in_its_own_folder() -> None:
    python, who = sys.executable, dict[str, Any]()
    if os.geteuid() == 0:
        # root's interpreter may be out of others' reach: the system's of the same version serves.
        who = {"user": 65534, "group": 65534, "extra_groups": []}
        python = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        if not Path(python).exists():
            pytest.skip(f"no {python} that an ordinary user may run")
    packages = next(iter(binaries.postgres_installs().values())).folder.parents[1]
    done = subprocess.run(
        [python, "-c", ORDINARY],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": f"{ROOT}:{packages}", "HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
        **who,
    )
    assert done.stdout == "ordinary user served\n", done.stderr
