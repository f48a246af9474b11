"""One way to a provider and back: what this browser took along, and what has to come back.

Bound to the browser's session, used once, ended after ten minutes. State guards against forged
answers, nonce against injected tokens, PKCE against injected codes (RFC 9700, sections 2.1, 4.5).
The session holds it sealed: its table shows nothing that would let another finish the way.
"""

import base64
import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from portal.core.sealing import SealBroken, open_sealed, seal
from portal.tenancy.sso.discovery import Metadata, metadata_of
from portal.tenancy.sso.provider import Provider

KEPT: Final = "sso"
"""The session's member."""
LASTS: Final = 600
"""Seconds to sign in at the provider."""
PURPOSE: Final = "way to an identity provider"


@dataclass(frozen=True)
class Flow:
    """What the browser's session keeps of a way. `link` is an invitation to tie accounts."""

    provider_id: str
    next: str
    link: str
    until: float
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


def begin(request: HttpRequest, provider: Provider, *, next: str = "", link: str = "") -> str:
    """The provider's address to send the browser to; a way begun before is forgotten.

    Raises Distrust when the provider does not say where that is.
    """
    metadata = metadata_of(provider)
    flow = Flow(
        provider.id, next, link, time.time() + LASTS,
        state=_random(), nonce=_random(), verifier=_random(),
    )  # fmt: skip
    request.session[KEPT] = seal(json.dumps(asdict(flow)).encode(), PURPOSE)
    if not request.user.is_authenticated:
        request.session.set_expiry(LASTS)
    return _address(provider, metadata, flow)


def take(request: HttpRequest, provider_id: str, state: str) -> Flow | None:
    """The way that comes back here, which then is over; None for any other."""
    held = request.session.pop(KEPT, None)
    try:
        flow = Flow(**json.loads(open_sealed(str(held), PURPOSE)))
    except SealBroken:
        return None
    same = constant_time_compare(flow.state, state) and flow.provider_id == provider_id
    return flow if same and flow.until > time.time() else None


def _random() -> str:
    return secrets.token_urlsafe(32)


def _address(provider: Provider, metadata: Metadata, flow: Flow) -> str:
    digest = hashlib.sha256(flow.verifier.encode()).digest()
    told = {
        "response_type": "code", "client_id": provider.client_id,
        "redirect_uri": provider.redirect_uri, "scope": " ".join(provider.scopes),
        "state": flow.state, "nonce": flow.nonce, "code_challenge_method": "S256",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
    }  # fmt: skip
    if provider.mfa_acr:
        told["acr_values"] = " ".join(sorted(provider.mfa_acr))
    joint = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{joint}{urlencode(told)}"
