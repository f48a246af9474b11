"""What a domain's owner wrote into its DNS as text (TXT records)."""

from typing import Final

import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver

from portal.core import configuration

PATIENCE: Final = 5.0
"""Seconds for all servers together."""
MOST: Final = 64
"""Records that are looked at."""


def texts_of(name: str) -> list[str]:
    """The TXT records of `name`; none alike when it has none and when nobody answers.

    Asked are DNS_SERVERS, or the system's. Outside of any transaction.
    """
    servers = configuration.DNS_SERVERS()
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]
    try:
        answer = resolver.resolve(name, "TXT", lifetime=PATIENCE, search=False)
    except (dns.exception.DNSException, OSError, UnicodeError):
        return []
    records = [record.strings for record in list(answer)[:MOST]]
    return [b"".join(strings).decode("ascii", "replace") for strings in records]
