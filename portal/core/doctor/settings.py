"""The settings: each can be read, and none is unsafe."""

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from portal.core import configuration as env
from portal.core.configuration import ConfigurationError, Setting
from portal.core.doctor.finding import Finding, fail, ok, warn

SHORTEST_KEY: Final = 32
"""Characters of SECRET_KEY: 43 of base64 are 256 bits; fewer than 32 were typed by someone."""
SHORTEST_TOKEN: Final = 16
NEAR: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""This machine: nobody is on the way."""


def _debug(value: bool) -> Finding | None:
    if not value:
        return None
    return fail("DEBUG", "is on", "Debug pages show settings and source: unset it")


def _secret_key(value: str) -> Finding | None:
    if len(value) >= SHORTEST_KEY and len(set(value)) >= 8:
        return None
    hint = f"Make one of {SHORTEST_KEY} random characters or more: openssl rand -base64 48"
    return fail("SECRET_KEY", "can be guessed", hint)


def _hosts(value: list[str]) -> Finding | None:
    if "*" not in value and "." not in value:
        return None
    return fail("ALLOWED_HOSTS", "takes any host", "Name the portal's hosts")


def _secure(value: bool) -> Finding | None:
    if value:
        return None
    hint = "Unsafe in production: serve over HTTPS and set SECURE=1 for secure cookies and HSTS"
    return fail("SECURE", "is off", hint)


def _base_url(value: str) -> Finding | None:
    parts = urlsplit(value)
    if parts.scheme == "https" or parts.hostname in NEAR:
        return None
    return fail("BASE_URL", f"{value} is not https", "Links with tokens would travel in clear")


def _proxies(value: list[Any]) -> Finding | None:
    if all(network.prefixlen > 0 for network in value):
        return None
    hint = "Anybody could name any address in X-Forwarded-For: list your proxies only"
    return fail("TRUSTED_PROXIES", "trusts the whole internet", hint)


def _metrics(value: str | None) -> Finding | None:
    if value is None or len(value) >= SHORTEST_TOKEN:
        return None
    return warn("METRICS_TOKEN", "is short", f"{SHORTEST_TOKEN} random characters or more")


def _mail(value: SplitResult | None) -> Finding | None:
    if value is None or value.scheme != "smtp+plain" or value.hostname in NEAR:
        return None
    return fail("MAIL_URL", "is without TLS", "Links with tokens would travel in clear: smtp://")


def _issuer(value: str | None) -> Finding | None:
    if value is None:
        return None
    if urlsplit(value).scheme != "https" and urlsplit(value).hostname not in NEAR:
        return fail("OIDC_ISSUER", "is not https", "Anybody on the way could sign in as anybody")
    if not env.OIDC_CLIENT_ID():
        return fail("OIDC_ISSUER", "has no OIDC_CLIENT_ID", "Nobody signs in through it: set both")
    return None


def _enforced(value: bool) -> Finding | None:
    if not value or (env.OIDC_ISSUER() and env.OIDC_CLIENT_ID()):
        return None
    hint = "It has no effect: set OIDC_ISSUER and OIDC_CLIENT_ID, or take it out"
    return fail("OIDC_ENFORCED", "is on without a provider", hint)


def _private(value: list[Any]) -> Finding | None:
    if all(network.prefixlen > 0 for network in value):
        return None
    hint = "Tenants could make the portal ask any machine of yours: list the providers' networks"
    return fail("OIDC_PRIVATE_NETWORKS", "is everything", hint)


def _test_clock(value: bool) -> Finding | None:
    if not value:
        return None
    return fail(
        "COUNTERSIGN_TEST_CLOCK", "is on", "Redis could move the decision's clock: unset it"
    )


RULES: Final[dict[str, Callable[[Any], Finding | None]]] = {
    "DEBUG": _debug,
    "SECRET_KEY": _secret_key,
    "ALLOWED_HOSTS": _hosts,
    "SECURE": _secure,
    "BASE_URL": _base_url,
    "TRUSTED_PROXIES": _proxies,
    "METRICS_TOKEN": _metrics,
    "MAIL_URL": _mail,
    "OIDC_ISSUER": _issuer,
    "OIDC_ENFORCED": _enforced,
    "OIDC_PRIVATE_NETWORKS": _private,
    "COUNTERSIGN_TEST_CLOCK": _test_clock,
}


def _reason(setting: Setting[Any], told: str) -> str:
    """Why a value is refused. A reader's own words may hold part of a secret: not repeated."""
    if setting.secret and "is refused" in told:
        return f"Its value is refused. {setting.meaning}"
    return told


def _examine(setting: Setting[Any]) -> Finding:
    try:
        value = setting()
    except ConfigurationError as error:
        return fail(setting.name, "can't be used", _reason(setting, str(error)))
    rule = RULES.get(setting.name)
    wrong = rule(value) if rule else None
    if wrong:
        return wrong
    if setting.raw() is None:
        return ok(setting.name, "not set" if setting.default is None else "default")
    return ok(setting.name, "set")


def examine_settings() -> Iterator[Finding]:
    """One finding a setting of the registry; no value of a secret one is shown."""
    for setting in env.REGISTRY:
        yield _examine(setting)
