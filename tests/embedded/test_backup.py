"""A backup as docs/operations.md says: every folder, put back at its place, is the same copy."""

import shutil
import subprocess
from pathlib import Path

from tests.embedded.conftest import Copy
from tests.embedded.test_start_and_stop import assert_kept, write


def test_what_was_archived_while_it_stood_still_starts_again(copy: Copy, tmp_path: Path) -> None:
    write(copy.start())
    copy.stop()
    folders, archive = [str(folder) for folder in copy.folders()], str(tmp_path / "backup.tgz")
    subprocess.run(
        ["tar", "--numeric-owner", "-czf", archive, *folders], check=True, capture_output=True
    )
    for folder in folders:
        shutil.rmtree(folder)
    subprocess.run(["tar", "--numeric-owner", "-xzpf", archive, "-C", "/"], check=True)
    assert_kept(copy.start())
