"""Whose address a request came from, for the record.

Only the peer of the connection is a fact. `X-Forwarded-For` is believed hop by hop from the right,
as far as the hops are proxies that the operator listed; the left part is whatever the client wrote
(CVE-2024-47070 and its kin).
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from portal.core import configuration

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_HOPS: Final = 32


def parse_address(text: str) -> Address | None:
    """The address that `text` spells, an IPv4-mapped one unwrapped; None for anything else."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def client_address(
    peer: str, forwarded: str = "", trusted: Sequence[Network] | None = None
) -> str | None:
    """The caller's address as text; None when there is none, as on a Unix socket.

    `forwarded` is all `X-Forwarded-For` headers joined by commas. `trusted` is TRUSTED_PROXIES
    unless given. A hop that is no address ends the walk: the last proxy that was sure is named.
    """
    networks = configuration.TRUSTED_PROXIES() if trusted is None else trusted
    found = parse_address(peer)
    for hop in reversed(forwarded.split(",")[-MOST_HOPS:]):
        if found is None or not any(found in network for network in networks):
            break
        before = parse_address(hop)
        if before is None:
            break
        found = before
    return None if found is None else str(found)
