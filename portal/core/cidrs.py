"""Networks as people write them, read in one way only (RFC 4632, RFC 4291 section 2.3)."""

import ipaddress
import re
from typing import Final

WRITTEN: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_cidr(text: str) -> str:
    """The network in its canonical form; an address alone is a network of one.

    Raises ValueError, fit to be told, for host bits, zones, netmasks and all else. An IPv4-mapped
    network is unwrapped: requests' addresses are too.
    """
    if not WRITTEN.fullmatch(text):
        raise ValueError("This is no CIDR such as 203.0.113.0/24.")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError("Host bits are set: name the network's first address.") from None
        raise ValueError("This is no CIDR such as 203.0.113.0/24.") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        first = network.network_address.ipv4_mapped
        assert first is not None
        return f"{first}/{network.prefixlen - 96}"
    return str(network)


def is_everything(cidr: str) -> bool:
    """Whether a canonical CIDR holds every address of its version."""
    return cidr.endswith("/0")
