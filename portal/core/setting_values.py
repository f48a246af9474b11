"""What a setting's text may be: each function gives its value, or raises ValueError saying why not.

None of them repeats a secret.
"""

import base64
import binascii
import ipaddress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit


def flag(text: str) -> bool:
    """Yes or no."""
    lowered = text.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("say 1 or 0")


def positive(text: str) -> int:
    """A number, 1 or more."""
    number = int(text)
    if number < 1:
        raise ValueError("at least 1 is needed")
    return number


def level(text: str) -> str:
    """A log level's name."""
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("say DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def list_of(text: str) -> list[str]:
    """Parts, by comma."""
    return [part.strip() for part in text.split(",") if part.strip()]


def brand(text: str) -> str:
    """The first part of a token."""
    if not (3 <= len(text) <= 5 and text.isascii() and text.islower() and text.isalpha()):
        raise ValueError("3 to 5 letters a-z")
    return text


def ring(text: str) -> dict[int, bytes]:
    """`1:base64,2:base64`: at least 32 bytes each; the highest id is used, all are known.

    Errors count entries and never show one: a forgotten id would make the secret look like it.
    """
    ring: dict[int, bytes] = {}
    for place, part in enumerate(list_of(text), 1):
        number, _, value = part.partition(":")
        if not (number.isascii() and number.isdecimal() and int(number) < 32_768):
            raise ValueError(f"entry {place} does not begin with a number and a colon")
        try:
            secret = base64.b64decode(value, validate=True)
        except binascii.Error:
            raise ValueError(f"entry {place} is not base64 after its colon") from None
        if len(secret) < 32:
            raise ValueError(f"entry {place} is shorter than 32 bytes")
        if int(number) in ring:
            raise ValueError(f"entry {place} has an id that is given twice")
        ring[int(number)] = secret
    if not ring:
        raise ValueError("at least one is needed")
    return ring


def networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks, by comma, without host bits."""
    return [ipaddress.ip_network(part) for part in list_of(text)]


def file_of(text: str) -> Path:
    """The path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def smtp(text: str) -> SplitResult:
    """An SMTP server's address."""
    parts = urlsplit(text)
    if parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname:
        raise ValueError("say smtp://user:password@host:587, smtps:// or smtp+plain://")
    _ = parts.port  # raises ValueError for what is no port
    return parts


def issuer(text: str) -> str:
    """An OpenID provider's address."""
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("say an address such as https://login.acme.example, as the provider does")
    _ = parts.port  # raises ValueError for what is no port
    return text


def servers(text: str) -> list[tuple[str, int]]:
    """Addresses of servers, with ports or 53, by comma."""
    servers = []
    for part in list_of(text):
        address, colon, port = part.rpartition(":") if part.count(":") == 1 else (part, "", "")
        servers.append((str(ipaddress.ip_address(address)), int(port) if colon else 53))
    return servers


def mailbox(text: str) -> str:
    """A mail address."""
    name, _, domain = text.rpartition("@")
    if not name or not domain or not text.isascii() or any(c in text for c in " \r\n<>"):
        raise ValueError("say an address such as countersign@portal.example")
    return text
