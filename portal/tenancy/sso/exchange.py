"""A code becomes claims: the token endpoint's answer, and UserInfo's where the token says less.

What counts is the ID token. UserInfo only fills in a name, an address or the role's claim that the
token lacks (OpenID Connect Core, section 5.4, lets a provider leave them out), never how someone
proved themselves.
"""

import base64
from typing import Any, Final
from urllib.parse import quote_plus

from portal.tenancy.sso.discovery import answered, fetch_from, metadata_of
from portal.tenancy.sso.distrust import Distrust
from portal.tenancy.sso.flow import Flow
from portal.tenancy.sso.id_token import claims_in
from portal.tenancy.sso.provider import Claims, Provider

LONGEST_CODE: Final = 2_048
FILLED: Final = ("email", "email_verified", "name")


def claims_for(provider: Provider, flow: Flow, code: str) -> Claims:
    """Who the provider says that is, as far as it is to be believed; raises Distrust."""
    if not code or len(code) > LONGEST_CODE:
        raise Distrust("it gave no code")
    told = _tokens(provider, flow, code)
    token, access = told.get("id_token"), told.get("access_token")
    if not isinstance(token, str):
        raise Distrust("it gave no ID token")
    access = access if isinstance(access, str) else None
    claims = claims_in(provider, token, nonce=flow.nonce, access_token=access)
    return _filled(provider, claims, access)


def _tokens(provider: Provider, flow: Flow, code: str) -> dict[str, Any]:
    metadata = metadata_of(provider)
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": provider.redirect_uri,
        "code_verifier": flow.verifier, "client_id": provider.client_id,
    }  # fmt: skip
    headers = {}
    if provider.secret is not None and metadata.secret_in_header:
        # RFC 6749, section 2.3.1: both are form-encoded first.
        both = f"{quote_plus(provider.client_id)}:{quote_plus(provider.secret.reveal())}"
        headers["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
    elif provider.secret is not None:
        form["client_secret"] = provider.secret.reveal()
    return answered(fetch_from(provider, metadata.token_endpoint, form=form, headers=headers))


def _filled(provider: Provider, claims: Claims, access_token: str | None) -> Claims:
    wanted = {*FILLED, provider.role_claim.lstrip("/").partition("/")[0]} - {""}
    missing = wanted - claims.keys() - ({"email_verified"} if provider.trusts_email else set())
    address = metadata_of(provider).userinfo_endpoint
    if not missing or not address or not access_token:
        return claims
    if any(character in access_token for character in "\r\n") or not access_token.isascii():
        raise Distrust("its access token is none")
    headers = {"Authorization": f"Bearer {access_token}"}
    told = answered(fetch_from(provider, address, headers=headers))
    if told.get("sub") != claims["sub"]:
        # Section 5.3.2: another's claims, put in the place of these.
        raise Distrust("its UserInfo is about somebody else")
    return {**{name: told[name] for name in missing if name in told}, **claims}
