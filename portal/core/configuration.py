"""Every setting that Countersign reads from its environment, with its type, default and meaning.

`docs/configuration.md` is generated from this registry. Values are read when asked for, so that the
check role, which needs four of them, does not fail for want of the others. Any setting may be given
as `NAME_FILE`, the path of a file that holds the value: the usual way to hand over a secret.
"""

import ipaddress
from pathlib import Path
from urllib.parse import SplitResult

from portal.core.setting import REGISTRY, ConfigurationError, Setting
from portal.core.setting_values import (
    brand,
    file_of,
    flag,
    issuer,
    level,
    list_of,
    mailbox,
    networks,
    positive,
    ring,
    servers,
    smtp,
)

__all__ = ["REGISTRY", "ConfigurationError", "Setting"]

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
    "KEY_PEPPERS", ring,
    "Ring `id:base64,...` of 32 bytes or more each; the highest id signs new tokens, all verify.",
    secret=True, required=True,
)  # fmt: skip
ENCRYPTION_KEYS = Setting(
    "ENCRYPTION_KEYS", ring,
    "Ring `id:base64,...` of 32 bytes or more each; the highest id seals, all open.",
    secret=True, required=True,
)  # fmt: skip
KEY_BRAND = Setting("KEY_BRAND", brand, "First part of API keys, for secret scanners.", "csk")
BASE_URL = Setting(
    "BASE_URL", str,
    "Where browsers reach the portal. Passkeys belong to its host: with another one they are lost.",
    "http://127.0.0.1:8000",
)  # fmt: skip
ALLOWED_HOSTS = Setting(
    "ALLOWED_HOSTS", list_of, "Host names of the portal's pages and management API, by comma.",
    ["127.0.0.1", "localhost", "[::1]"],
)  # fmt: skip
SECURE = Setting(
    "SECURE", flag,
    "Sessions and credentials over HTTPS only, secure cookies, HSTS. 0 on one machine alone:"
    " `make run` on its own servers sets it.",
    True,
)  # fmt: skip
TLS_CERT = Setting[Path | None](
    "TLS_CERT", file_of, "Certificate chain (PEM): the server speaks TLS itself; with TLS_KEY."
)
TLS_KEY = Setting[Path | None]("TLS_KEY", file_of, "The private key (PEM) of TLS_CERT.")
DEBUG = Setting("DEBUG", flag, "Django's debug pages; never in production.", False)
DATA_DIR = Setting("DATA_DIR", Path, "Where `make run` keeps its data.", Path("var"))
MAIL_URL = Setting[SplitResult | None](
    "MAIL_URL", smtp,
    "SMTP server: smtp:// (STARTTLS, 587), smtps:// (465), smtp+plain:// (no TLS: on one machine"
    " only); unset: mails stand on the outbox page.",
    secret=True,
)  # fmt: skip
MAIL_FROM = Setting("MAIL_FROM", mailbox, "The sender of mails.", "countersign@localhost")
METRICS_TOKEN = Setting[str | None](
    "METRICS_TOKEN", str, "Bearer token of /metrics; unset: 404.", secret=True
)
TRUSTED_PROXIES = Setting[list[ipaddress.IPv4Network | ipaddress.IPv6Network]](
    "TRUSTED_PROXIES", networks,
    "Networks of the proxies in front whose X-Forwarded-For names a caller's address.",
    [],
)  # fmt: skip
SESSION_IDLE_MINUTES = Setting(
    "SESSION_IDLE_MINUTES", positive, "A browser that asked for nothing so long is signed out.", 30
)
SESSION_HOURS = Setting(
    "SESSION_HOURS", positive,
    "A browser is signed out so long after it signed in, used or not.", 8,
)  # fmt: skip
OIDC_ISSUER = Setting[str | None](
    "OIDC_ISSUER", issuer, "The platform's OpenID provider, as it calls itself; unset: none."
)
OIDC_CLIENT_ID = Setting[str | None]("OIDC_CLIENT_ID", str, "What that provider calls the portal.")
OIDC_CLIENT_SECRET = Setting[str | None](
    "OIDC_CLIENT_SECRET", str, "The portal's secret there; unset: a public client.", secret=True
)
OIDC_NAME = Setting("OIDC_NAME", str, "What the sign-in page calls it.", "your organisation")
OIDC_SCOPES = Setting(
    "OIDC_SCOPES", list_of, "Asked for, by comma.", ["openid", "email", "profile"]
)
OIDC_DOMAINS = Setting[list[str]](
    "OIDC_DOMAINS", list_of,
    "Mail domains, by comma, whose people are created at their first sign-in through it.", [],
)  # fmt: skip
OIDC_TRUST_EMAIL = Setting(
    "OIDC_TRUST_EMAIL", flag, "1 if it is right about addresses without `email_verified`.", False
)
OIDC_ROLE_CLAIM = Setting(
    "OIDC_ROLE_CLAIM", str, "Its claim that says platform roles; unset: it never changes one.", ""
)
OIDC_ADMIN_VALUES = Setting[list[str]](
    "OIDC_ADMIN_VALUES", list_of, "Values of that claim that make a security admin, by comma.", []
)
OIDC_AUDITOR_VALUES = Setting[list[str]](
    "OIDC_AUDITOR_VALUES", list_of, "Values of that claim that make an auditor, by comma.", []
)
OIDC_MFA_ACR = Setting[list[str]](
    "OIDC_MFA_ACR", list_of, "`acr` values that count as a second factor, by comma.", []
)
OIDC_MFA_AMR = Setting[list[str]](
    "OIDC_MFA_AMR", list_of, "`amr` values that count as a second factor, by comma.", []
)
OIDC_ENFORCED = Setting(
    "OIDC_ENFORCED", flag,
    "1: nobody signs in past it but security admins with a passkey, and each time is an alert.",
    False,
)  # fmt: skip
OIDC_PRIVATE_NETWORKS = Setting[list[ipaddress.IPv4Network | ipaddress.IPv6Network]](
    "OIDC_PRIVATE_NETWORKS", networks,
    "Networks of your own in which tenants' providers may stand; unset: public addresses only.", [],
)  # fmt: skip
DNS_SERVERS = Setting[list[tuple[str, int]]](
    "DNS_SERVERS", servers,
    "Asked whether a tenant owns a mail domain, by comma; unset: the system's.", [],
)  # fmt: skip
API_RATE = Setting(
    "API_RATE",
    positive,
    "Management API: requests a second for each credential (burst twice that).",
    200,
)
DRY_RUN_RATE = Setting("DRY_RUN_RATE", positive, "Dry runs a second for each gateway.", 50)
STREAM_CAP = Setting(
    "STREAM_CAP",
    positive,
    "Decisions that may wait for the drain; above it checks answer 503.",
    2_000_000,
)
DECISIONS_KEPT_DAYS = Setting(
    "DECISIONS_KEPT_DAYS", positive, "Whole days for which single decisions are kept.", 90
)
HELD_KEYS = Setting("HELD_KEYS", positive, "Keys that one check process holds in memory.", 100_000)
TEST_CLOCK = Setting(
    "COUNTERSIGN_TEST_CLOCK", flag,
    "Tests only: the decision's clock obeys the offset kept in Redis.", False,
)  # fmt: skip
LOG_LEVEL = Setting("LOG_LEVEL", level, "DEBUG, INFO, WARNING or ERROR.", "INFO")
