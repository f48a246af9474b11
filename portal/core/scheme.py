"""Whether a request came over HTTPS, and whether it had to.

What `X-Forwarded-Proto` says is believed of the proxies in TRUSTED_PROXIES alone: of anyone else
it is whatever the client wrote.
"""

from portal.core import configuration
from portal.core.client_address import Address, parse_address


def over_https(scheme: str, peer: Address | None, forwarded: str) -> bool:
    """Whether nobody on the way could read it: TLS up to here, or up to a proxy of ours.

    `forwarded` is all `X-Forwarded-Proto` headers joined by commas; the last is our proxy's.
    """
    if scheme == "https":
        return True
    last = forwarded.rpartition(",")[2].strip().lower()
    return last == "https" and peer is not None and trusted(peer)


def trusted(peer: Address) -> bool:
    """Whether the operator listed this proxy."""
    return any(peer in network for network in configuration.TRUSTED_PROXIES())


def scheme_of(scope_scheme: str, client: tuple[str, int] | None, forwarded: str) -> str:
    """The scheme that the browser or program used, for Django's `request.is_secure`."""
    peer = parse_address(client[0]) if client else None
    return "https" if over_https(scope_scheme, peer, forwarded) else "http"
