"""Whom passkeys are made for: the relying party's id and origin (WebAuthn), from BASE_URL.

Browsers make passkeys for names alone, and over HTTPS or on the machine itself. So a portal at a
loopback address has its passkeys at `localhost`, and one at another address or over plain HTTP has
none. What the browser calls itself (`Host`) has no part in it.
"""

import ipaddress
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from portal.core import configuration

USUAL: Final = {"https": 443, "http": 80}


class RelyingParty(NamedTuple):
    """WebAuthn Level 3, sections 4 and 5.1.3."""

    id: str
    """The host's name: a passkey works there, and nowhere else."""
    origin: str
    """The only one whose answers are taken."""

    @property
    def host(self) -> str:
        """As browsers send it in `Host`."""
        return self.origin.partition("://")[2]


def relying_party() -> RelyingParty | None:
    """BASE_URL's; None where browsers make no passkeys."""
    parts = urlsplit(configuration.BASE_URL())
    name = _name_of(parts.hostname or "")
    if parts.scheme not in USUAL or not name or (parts.scheme == "http" and name != "localhost"):
        return None
    port = "" if parts.port in (None, USUAL[parts.scheme]) else f":{parts.port}"
    return RelyingParty(name, f"{parts.scheme}://{name}{port}")


def _name_of(host: str) -> str:
    try:
        return "localhost" if ipaddress.ip_address(host).is_loopback else ""
    except ValueError:
        return host
