"""Addresses and networks as integers, so that a match costs a shift and a compare."""

import ipaddress
from functools import lru_cache
from typing import NamedTuple


class Address(NamedTuple):
    """An IP address in one form: IPv4-mapped IPv6 is unwrapped (RFC 4291, section 2.5.5.2)."""

    version: int
    number: int
    text: str

    @property
    def prefix(self) -> str:
        """The network that counts of unknown keys are kept for: /24, or /48 for IPv6."""
        bits = 24 if self.version == 4 else 48
        width = 32 if self.version == 4 else 128
        masked = self.number >> (width - bits) << (width - bits)
        kind = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address
        return f"{kind(masked)}/{bits}"


class Caller(NamedTuple):
    """Who is at the other end of a connection."""

    at: Address | None
    safe: bool
    """Nobody on the way could read along, or nothing was asked of the way (SECURE=0)."""


class Network(NamedTuple):
    """A CIDR: an address is inside when what is left of it after `shift` is `number`."""

    version: int
    number: int
    shift: int


@lru_cache(65536)
def address(text: str) -> Address:
    """Read an address; raises ValueError for anything else, zones (`%eth0`) included."""
    if "%" in text or len(text) > 45:
        raise ValueError("not an IP address")
    read = ipaddress.ip_address(text)
    if isinstance(read, ipaddress.IPv6Address) and read.ipv4_mapped:
        read = read.ipv4_mapped
    return Address(read.version, int(read), str(read))


def network(text: str) -> Network:
    """Read a CIDR that was validated when it was stored."""
    read = ipaddress.ip_network(text)
    shift = read.max_prefixlen - read.prefixlen
    return Network(read.version, int(read.network_address) >> shift, shift)


def inside(who: Address, networks: tuple[Network, ...]) -> bool:
    """Whether the address is in one of the networks."""
    return any(n.version == who.version and who.number >> n.shift == n.number for n in networks)
