"""Whose address a request came from: only what listed proxies say is believed."""

import ipaddress
from typing import Any

import pytest

from portal.core.client_address import client_address
from tests.api.answers import Api, Database
from tests.cast import Cast

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6,garbage,10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:443", "10.0.0.1"),
        ("10.0.0.1", ",,,", "10.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "", None),
        ("10.0.0.1", "fe80::1%25eth0", "10.0.0.1"),
        ("", "198.51.100.1", None),
        ("unix", "198.51.100.1", None),
        ("10.0.0.1", ", ".join(["10.0.0.2"] * 10_000), "10.0.0.2"),
    ],
)
def test_the_walk_ends_at_the_first_hop_that_nobody_vouches_for(
    peer: str, forwarded: str, address: Any
) -> None:
    assert client_address(peer, forwarded, PROXIES) == address


def test_without_listed_proxies_nothing_that_is_sent_is_believed() -> None:
    assert client_address("10.0.0.1", "198.51.100.1", []) == "10.0.0.1"


def test_a_tenants_ledger_has_the_peers_address(api: Api, acme: Cast, owner_db: Database) -> None:
    answer = api(
        "POST", f"/v1/tenants/{acme.tenant.slug}/keys",
        {"name": "n", "environment": "live", "scopes": []}, token=acme.token,
        headers={"X-Forwarded-For": "6.6.6.6"},
    )  # fmt: skip

    ((body,),) = owner_db.execute(
        "SELECT p.body FROM ledger_entry e JOIN ledger_payload p ON p.entry_id = e.id"
        " WHERE e.request_id = %s",
        [answer.headers["x-request-id"]],
    ).fetchall()
    assert "127.0.0.1" in body
    assert "6.6.6.6" not in body
