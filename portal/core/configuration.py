"""Every setting that Countersign reads from its environment, with its type, default and meaning.

`docs/configuration.md` is generated from this registry. Values are read when asked for, so that the
check role, which needs four of them, does not fail for want of the others. Any setting may be given
as `NAME_FILE`, the path of a file that holds the value: the usual way to hand over a secret.
"""

import base64
import binascii
import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

T = TypeVar("T")


class ConfigurationError(Exception):
    """A setting is missing or nonsense; the text names it and never repeats a secret value."""


class Setting(Generic[T]):
    """One setting: calling it reads, checks and returns the value."""

    def __init__(
        self, name: str, parse: Callable[[str], T], meaning: str, default: T | None = None,
        *, secret: bool = False, required: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.parse, self.meaning = name, parse, meaning
        self.default, self.secret, self.required = default, secret, required
        REGISTRY.append(self)

    def raw(self) -> str | None:
        """The text as given, or None; an empty value counts as not given."""
        path = os.environ.get(f"{self.name}_FILE")
        if path:
            try:
                return Path(path).read_text().strip() or None
            except OSError as error:
                raise ConfigurationError(f"{self.name}_FILE: {error.strerror}: {path}") from None
        return os.environ.get(self.name) or None

    def __call__(self) -> T:
        """The value; raises ConfigurationError when it is missing or can't be read."""
        text = self.raw()
        if text is None:
            if self.required:
                raise ConfigurationError(f"{self.name} is not set. {self.meaning}")
            return self.default  # type: ignore[return-value]  # None only where T admits it
        try:
            return self.parse(text)
        except ValueError as error:
            shown = "its value" if self.secret else repr(text)
            raise ConfigurationError(f"{self.name}: {shown} is refused: {error}") from None


REGISTRY: list[Setting] = []  # type: ignore[type-arg]  # of every type


def _flag(text: str) -> bool:
    lowered = text.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("say 1 or 0")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("at least 1 is needed")
    return number


def _level(text: str) -> str:
    if text.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("say DEBUG, INFO, WARNING or ERROR")
    return text.upper()


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _brand(text: str) -> str:
    if not (3 <= len(text) <= 5 and text.isascii() and text.islower() and text.isalpha()):
        raise ValueError("3 to 5 letters a-z")
    return text


def _ring(text: str) -> dict[int, bytes]:
    """`1:base64,2:base64`: at least 32 bytes each; the highest id is used, all are known.

    Errors count entries and never show one: a forgotten id would make the secret look like it.
    """
    ring: dict[int, bytes] = {}
    for place, part in enumerate(_list(text), 1):
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


def _networks(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(part) for part in _list(text)]


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _smtp(text: str) -> SplitResult:
    parts = urlsplit(text)
    if parts.scheme not in ("smtp", "smtps", "smtp+plain") or not parts.hostname:
        raise ValueError("say smtp://user:password@host:587, smtps:// or smtp+plain://")
    _ = parts.port  # raises ValueError for what is no port
    return parts


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("say an address such as https://login.acme.example, as the provider does")
    _ = parts.port  # raises ValueError for what is no port
    return text


def _servers(text: str) -> list[tuple[str, int]]:
    servers = []
    for part in _list(text):
        address, colon, port = part.rpartition(":") if part.count(":") == 1 else (part, "", "")
        servers.append((str(ipaddress.ip_address(address)), int(port) if colon else 53))
    return servers


def _mailbox(text: str) -> str:
    name, _, domain = text.rpartition("@")
    if not name or not domain or not text.isascii() or any(c in text for c in " \r\n<>"):
        raise ValueError("say an address such as countersign@portal.example")
    return text


DATABASE_URL = Setting(
    "DATABASE_URL", str, "PostgreSQL as the application's role; unset: `make run` starts one.",
    secret=True, required=True,
)  # fmt: skip
DATABASE_OWNER_URL = Setting[str | None](
    "DATABASE_OWNER_URL", str, "PostgreSQL as the tables' owner: for migrations only.", secret=True
)
DATABASE_CHECK_URL = Setting[str | None](
    "DATABASE_CHECK_URL", str,
    "PostgreSQL as the check path's role, which may run its functions only; unset: the app's.",
    secret=True,
)  # fmt: skip
REDIS_URL = Setting(
    "REDIS_URL", str, "Redis or Valkey >= 6.2 with `noeviction`; unset: `make run` starts one.",
    secret=True, required=True,
)  # fmt: skip
BROKER_URL = Setting[str | None](
    "BROKER_URL", str, "Celery's broker; unset: REDIS_URL.", secret=True
)
SECRET_KEY = Setting(
    "SECRET_KEY", str, "Django's key: signs sessions and cursors. It never touches an API key.",
    secret=True, required=True,
)  # fmt: skip
KEY_PEPPERS = Setting(
    "KEY_PEPPERS", _ring,
    "Ring `id:base64,...` of 32 bytes or more each; the highest id signs new tokens, all verify.",
    secret=True, required=True,
)  # fmt: skip
ENCRYPTION_KEYS = Setting(
    "ENCRYPTION_KEYS", _ring,
    "Ring `id:base64,...` of 32 bytes or more each; the highest id seals, all open.",
    secret=True, required=True,
)  # fmt: skip
KEY_BRAND = Setting("KEY_BRAND", _brand, "First part of API keys, for secret scanners.", "csk")
BASE_URL = Setting("BASE_URL", str, "Where browsers reach the portal.", "http://127.0.0.1:8000")
ALLOWED_HOSTS = Setting(
    "ALLOWED_HOSTS", _list, "Host names of the portal's pages and management API, by comma.",
    ["127.0.0.1", "localhost", "[::1]"],
)  # fmt: skip
SECURE = Setting(
    "SECURE", _flag,
    "Sessions and credentials over HTTPS only, secure cookies, HSTS. 0 on one machine alone:"
    " `make run` on its own servers sets it.",
    True,
)  # fmt: skip
TLS_CERT = Setting[Path | None](
    "TLS_CERT", _file, "Certificate chain (PEM): the server speaks TLS itself; with TLS_KEY."
)
TLS_KEY = Setting[Path | None]("TLS_KEY", _file, "The private key (PEM) of TLS_CERT.")
DEBUG = Setting("DEBUG", _flag, "Django's debug pages; never in production.", False)
DATA_DIR = Setting("DATA_DIR", Path, "Where `make run` keeps its data.", Path("var"))
MAIL_URL = Setting[SplitResult | None](
    "MAIL_URL", _smtp,
    "SMTP server: smtp:// (STARTTLS, 587), smtps:// (465), smtp+plain:// (no TLS: on one machine"
    " only); unset: mails stand on the outbox page.",
    secret=True,
)  # fmt: skip
MAIL_FROM = Setting("MAIL_FROM", _mailbox, "The sender of mails.", "countersign@localhost")
METRICS_TOKEN = Setting[str | None](
    "METRICS_TOKEN", str, "Bearer token of /metrics; unset: 404.", secret=True
)
TRUSTED_PROXIES = Setting[list[ipaddress.IPv4Network | ipaddress.IPv6Network]](
    "TRUSTED_PROXIES", _networks,
    "Networks of the proxies in front whose X-Forwarded-For names a caller's address.",
    [],
)  # fmt: skip
OIDC_ISSUER = Setting[str | None](
    "OIDC_ISSUER", _issuer, "The platform's OpenID provider, as it calls itself; unset: none."
)
OIDC_CLIENT_ID = Setting[str | None]("OIDC_CLIENT_ID", str, "What that provider calls the portal.")
OIDC_CLIENT_SECRET = Setting[str | None](
    "OIDC_CLIENT_SECRET", str, "The portal's secret there; unset: a public client.", secret=True
)
OIDC_NAME = Setting("OIDC_NAME", str, "What the sign-in page calls it.", "your organisation")
OIDC_SCOPES = Setting("OIDC_SCOPES", _list, "Asked for, by comma.", ["openid", "email", "profile"])
OIDC_DOMAINS = Setting[list[str]](
    "OIDC_DOMAINS", _list,
    "Mail domains, by comma, whose people are created at their first sign-in through it.", [],
)  # fmt: skip
OIDC_TRUST_EMAIL = Setting(
    "OIDC_TRUST_EMAIL", _flag, "1 if it is right about addresses without `email_verified`.", False
)
OIDC_ROLE_CLAIM = Setting(
    "OIDC_ROLE_CLAIM", str, "Its claim that says platform roles; unset: it never changes one.", ""
)
OIDC_ADMIN_VALUES = Setting[list[str]](
    "OIDC_ADMIN_VALUES", _list, "Values of that claim that make a security admin, by comma.", []
)
OIDC_AUDITOR_VALUES = Setting[list[str]](
    "OIDC_AUDITOR_VALUES", _list, "Values of that claim that make an auditor, by comma.", []
)
OIDC_MFA_ACR = Setting[list[str]](
    "OIDC_MFA_ACR", _list, "`acr` values that count as a second factor, by comma.", []
)
OIDC_MFA_AMR = Setting[list[str]](
    "OIDC_MFA_AMR", _list, "`amr` values that count as a second factor, by comma.", []
)
OIDC_ENFORCED = Setting(
    "OIDC_ENFORCED", _flag,
    "1: nobody but security admins signs in with a password, and each of theirs is an alert.",
    False,
)  # fmt: skip
OIDC_PRIVATE_NETWORKS = Setting[list[ipaddress.IPv4Network | ipaddress.IPv6Network]](
    "OIDC_PRIVATE_NETWORKS", _networks,
    "Networks of your own in which tenants' providers may stand; unset: public addresses only.", [],
)  # fmt: skip
DNS_SERVERS = Setting[list[tuple[str, int]]](
    "DNS_SERVERS", _servers,
    "Asked whether a tenant owns a mail domain, by comma; unset: the system's.", [],
)  # fmt: skip
API_RATE = Setting(
    "API_RATE",
    _positive,
    "Management API: requests a second for each credential (burst twice that).",
    200,
)
DRY_RUN_RATE = Setting("DRY_RUN_RATE", _positive, "Dry runs a second for each gateway.", 50)
STREAM_CAP = Setting(
    "STREAM_CAP",
    _positive,
    "Decisions that may wait for the drain; above it checks answer 503.",
    2_000_000,
)
DECISIONS_KEPT_DAYS = Setting(
    "DECISIONS_KEPT_DAYS", _positive, "Whole days for which single decisions are kept.", 90
)
HELD_KEYS = Setting("HELD_KEYS", _positive, "Keys that one check process holds in memory.", 100_000)
TEST_CLOCK = Setting(
    "COUNTERSIGN_TEST_CLOCK", _flag,
    "Tests only: the decision's clock obeys the offset kept in Redis.", False,
)  # fmt: skip
LOG_LEVEL = Setting("LOG_LEVEL", _level, "DEBUG, INFO, WARNING or ERROR.", "INFO")
