"""What a provider says of itself: where its addresses are, and with which keys it signs.

Held for an hour by each process. A signature under a key that is not known asks again, at most once
a minute for an issuer: a flood of forged tokens makes no flood of requests.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from portal.core import strictjson
from portal.core.fetching import Answer, Unanswered, fault_of_url, fetch
from portal.core.refusals import Refusal
from portal.tenancy.sso.distrust import Distrust
from portal.tenancy.sso.provider import Provider

HELD: Final = 3_600.0
AGAIN: Final = 60.0
"""Seconds between two looks at one issuer's keys, at the least."""
MOST: Final = 256
"""Issuers that one process holds; the longest unused goes."""
MOST_KEYS: Final = 64
WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Metadata:
    """The part of OpenID Connect Discovery (section 3) that we use."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    """Empty: there is none."""
    secret_in_header: bool
    """Whether the client's secret goes into `Authorization`, which is the default, or the form."""
    names_itself: bool
    """Whether it answers with `iss` (RFC 9207): then an answer without one is none of its."""


@dataclass
class _Known:
    metadata: Metadata
    read_at: float
    keys: list[dict[str, Any]] = field(default_factory=list)
    keys_read_at: float = -HELD
    reading: threading.Lock = field(default_factory=threading.Lock)


_known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
_lock = threading.Lock()


def metadata_of(provider: Provider) -> Metadata:
    """Where the provider's addresses are; raises Distrust."""
    return _of(provider).metadata


def keys_of(provider: Provider, kid: str | None) -> list[dict[str, Any]]:
    """The provider's keys as JWKs of any kind, with one called `kid` if it has one by now.

    Raises Distrust when they can't be read.
    """
    known = _of(provider)
    with known.reading:  # who comes meanwhile waits for the same answer
        moment = time.monotonic()
        old = moment - known.keys_read_at
        unknown = kid is not None and all(key.get("kid") != kid for key in known.keys)
        if old >= HELD or (unknown and old >= AGAIN):
            known.keys_read_at = moment - HELD + AGAIN  # if nothing comes of it
            told = answered(fetch_from(provider, known.metadata.jwks_uri))
            keys = told.get("keys")
            if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
                raise Distrust("its keys are no JSON Web Key Set")
            known.keys, known.keys_read_at = keys[:MOST_KEYS], moment
        return known.keys


def forget(provider: Provider) -> None:
    """Ask anew next time: what is set up now must not be judged by what was."""
    with _lock:
        _known.pop(_name(provider), None)


def fetch_from(provider: Provider, url: str, **more: Any) -> Answer:
    """One answer of the provider's; raises Distrust."""
    try:
        return fetch(url, inside=provider.inside, **more)
    except Unanswered as error:
        raise Distrust(str(error)) from None


def answered(answer: Answer) -> dict[str, Any]:
    """The JSON object of a good answer; raises Distrust for any other."""
    if answer.status != 200:
        raise Distrust(f"it answered {answer.status}")
    if answer.media != "application/json" and not answer.media.endswith("+json"):
        raise Distrust("its answer is not JSON")
    try:
        return strictjson.loads(answer.body)
    except Refusal:
        raise Distrust("its answer is not one JSON object") from None


def _name(provider: Provider) -> tuple[str, str]:
    """What is held for a provider: what the platform's may reach, a tenant's of the same issuer
    may not."""
    return provider.issuer, ",".join(map(str, provider.inside))


def _of(provider: Provider) -> _Known:
    name, moment = _name(provider), time.monotonic()
    with _lock:
        known = _known.get(name)
        if known is not None and moment - known.read_at < HELD:
            _known.move_to_end(name)
            return known
    told = answered(fetch_from(provider, provider.issuer.rstrip("/") + WELL_KNOWN))
    known = _Known(_metadata(provider, told), moment)
    with _lock:
        _known[name] = known
        while len(_known) > MOST:
            _known.popitem(last=False)
    return known


def _metadata(provider: Provider, told: dict[str, Any]) -> Metadata:
    if told.get("issuer") != provider.issuer:
        raise Distrust("it calls itself by another name than the issuer that was set")
    addresses = {
        name: told.get(name, "")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    }
    for name, address in addresses.items():
        if name == "userinfo_endpoint" and not address:
            continue
        fault = fault_of_url(address) if isinstance(address, str) else "is no address"
        if fault:
            raise Distrust(f"its {name} {fault}")
    methods = told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    in_form = isinstance(methods, list) and "client_secret_basic" not in methods
    names_itself = told.get("authorization_response_iss_parameter_supported") is True
    return Metadata(**addresses, secret_in_header=not in_form, names_itself=names_itself)
