"""Where a session is, as its person will recognise it: a few words, and a network.

Of what the browser sent nothing else is kept: words of this file, and an address without its end.
"""

import ipaddress
from typing import Final

FAMILIES: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
"""What a User-Agent has in it, and who says so. In order: most say that they are others as well."""
SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
LONGEST: Final = 1_024
"""Characters of a User-Agent that are looked at."""


def browser_in_words(user_agent: str) -> str:
    """`Firefox on Linux`; `another browser` for what is not known here."""
    read = user_agent[:LONGEST]
    family = next((name for sign, name in FAMILIES if sign in read), "")
    system = next((name for sign, name in SYSTEMS if sign in read), "")
    return f"{family or 'another browser'} on {system}" if system else family or "another browser"


def network_in_words(address: str | None) -> str:
    """The address without its end (IPv4 /24, IPv6 /48): `203.0.113.0/24`; empty for none."""
    if address is None:
        return ""
    prefix = 48 if ":" in address else 24
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
