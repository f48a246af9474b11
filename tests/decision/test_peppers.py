"""Peppers are a ring: the newest signs, all verify, and use makes an old digest new."""

import base64
import os
import time
from typing import Any

import psycopg
import pytest

from portal.core import tokens
from portal.tenancy.authentication import proved
from tests.cast import Cast
from tests.processes import check_servers

RING = (
    os.environ["KEY_PEPPERS"]
    + ",2:"
    + base64.b64encode(b"a newer pepper, of 32 bytes or more").decode()
)


def pepper_of(db: psycopg.Connection[Any], table: str, kid: str) -> int:
    row = db.execute(f"SELECT pepper_id FROM {table} WHERE kid = %s", (kid,)).fetchone()
    assert row is not None
    return int(row[0])


def test_a_used_credential_moves_to_the_newest_pepper_and_goes_on_working(
    acme: Cast, owner_db: psycopg.Connection[Any]
) -> None:
    used, unused = acme.issue(), acme.issue()
    kid, other = used.secret.reveal().split("_")[2], unused.secret.reveal().split("_")[2]
    with check_servers(KEY_PEPPERS=RING) as (server,):
        assert server.check(acme.gateway_token, used.secret.reveal())["code"] == "OK"
        deadline = time.monotonic() + 10
        while pepper_of(owner_db, "keys_secret", kid) != 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert pepper_of(owner_db, "keys_secret", kid) == 2
        assert pepper_of(owner_db, "tenancy_gateway", acme.gateway_token.split("_")[2]) == 2
        assert server.check(acme.gateway_token, used.secret.reveal())["code"] == "OK"
    assert pepper_of(owner_db, "keys_secret", other) == 1
    with check_servers(KEY_PEPPERS=RING.partition(",")[2]) as (server,):
        assert server.check(acme.gateway_token, used.secret.reveal())["code"] == "OK"
        # Its pepper has left the ring: nobody can prove this one any more.
        assert server.check(acme.gateway_token, unused.secret.reveal())["code"] == "KEY_UNKNOWN"


def test_a_used_management_token_moves_too(
    acme: Cast, owner_db: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kid = acme.token.split("_")[2]
    monkeypatch.setenv("KEY_PEPPERS", RING)
    tokens._ring.cache_clear()
    try:
        assert proved(acme.token) is not None
        assert pepper_of(owner_db, "tenancy_managementtoken", kid) == 2
        assert proved(acme.token) is not None
    finally:
        monkeypatch.undo()
        tokens._ring.cache_clear()
