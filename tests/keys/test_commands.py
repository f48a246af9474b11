"""The same verbs at the command line; the secret alone goes to stdout."""

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from keys.demo import prepare_demo
from keys.revocation import revoke_key
from portal.core import tokens
from tests.cast import OPERATOR, Cast


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def issued(cast: Cast) -> tuple[str, str]:
    """A key's id and text, as an operator gets them."""
    limit = {
        "name": "day", "unit": "requests", "amount": 5, "window": "day", "algorithm": "calendar",
        "shared_by": "key",
    }  # fmt: skip
    out, err = run(
        "issue_key", "--tenant", cast.tenant.slug, "--name", "from a shell",
        "--owner", str(cast.owner.membership_id), "--scope", "chat:write",
        "--limit", json.dumps(limit), "--metadata", '{"team": "blue"}',
    )  # fmt: skip
    return err.split()[1].rstrip("."), out.strip()


def test_a_keys_life_at_the_command_line(acme: Cast) -> None:
    key_id, secret = issued(acme)
    assert tokens.parse(secret) is not None
    assert "version 2" in run("change_key", key_id, '{"name": "new"}', "--if-version", "1")[1]
    assert "suspended" in run("suspend_key", key_id, "--reason", "odd")[1]
    assert "active" in run("resume_key", key_id, "--reason", "was not")[1]
    assert "revoked" in run("revoke_key", key_id, "--reason", "done")[1]
    [listed] = map(json.loads, run("list_keys", "--tenant", acme.tenant.slug)[0].splitlines())
    assert (listed["id"], listed["name"], listed["state"]) == (key_id, "new", "revoked")
    assert listed["metadata"] == {"team": "blue"}


def test_a_refusal_is_told_and_nothing_is_done(acme: Cast) -> None:
    key_id, secret = issued(acme)
    for arguments in (
        ["change_key", key_id, '{"name": "a", "name": "b"}'],
        ["change_key", key_id, '{"colour": 1}'],
        ["change_key", key_id, json.dumps({"name": secret})],
        ["change_key", key_id, '{"name": "new"}', "--if-version", "7"],
        ["revoke_key", "key_000000000000", "--reason", "x"],
        ["list_keys", "--tenant", "nobody"],
    ):
        with pytest.raises(CommandError) as refused:
            run(*arguments)
        assert secret not in str(refused.value)
    assert json.loads(run("list_keys", "--tenant", acme.tenant.slug)[0])["version"] == 1


def test_a_gateway_is_made_and_disabled(acme: Cast) -> None:
    out, err = run(
        "create_gateway", "--name", "edge", "--api", acme.api.id, "--tenant", acme.tenant.slug
    )
    shape = tokens.parse(out.strip())
    assert shape is not None and shape.brand == "csg"
    gateway_id = err.split()[2].rstrip(".")
    assert "complete" in run("disable_gateway", gateway_id, "--reason", "done")[1]


def test_the_demo_is_seeded_once_and_its_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    first = prepare_demo(path, "http://127.0.0.1:8000")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == first
    assert list(tmp_path.iterdir()) == [path]
    assert set(first) == {
        "base_url", "setup_url", "tenant", "api", "gateway_token", "management_token", "key",
        "key_id", "subject", "purpose", "other",
    }  # fmt: skip
    assert set(first["other"]) == {
        "tenant", "api", "gateway_token", "management_token", "key", "key_id",
    }  # fmt: skip
    second = prepare_demo(path, "http://127.0.0.1:8001")
    fresh = {"base_url": "http://127.0.0.1:8001", "setup_url": second["setup_url"]}
    assert second == {**first, **fresh}
    revoke_key(actor=OPERATOR, key_id=first["key_id"], reason="played with")
    after = prepare_demo(path, "http://127.0.0.1:8000")
    assert after["key"] != first["key"]
    assert after["gateway_token"] == first["gateway_token"]
    path.unlink()
    lost = prepare_demo(path, "http://127.0.0.1:8000")
    assert not {lost["key"], lost["gateway_token"]} & {after["key"], after["gateway_token"]}


def test_seeding_prints_one_line_for_the_supervisor(tmp_path: Path) -> None:
    where = ["--demo-file", str(tmp_path / "demo.json"), "--base-url", "http://127.0.0.1:8000"]
    told = json.loads(run("seed_demo", *where)[0])
    assert told["setup_url"] is None or "/setup/once-" in told["setup_url"]
    assert told["key"].startswith("csk_live_") and told["gateway_token"].startswith("csg_live_")
