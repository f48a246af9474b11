"""Whether an ID token is the provider's, about this sign-in, for us, and of now.

OpenID Connect Core, section 3.1.3.7. The algorithms are a closed set: `none` and those with a
shared secret do not exist here, whatever a token or a provider says.
"""

import base64
import binascii
import hashlib
import math
import re
from typing import Any, Final

from django.utils.crypto import constant_time_compare
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from portal.core import strictjson
from portal.core.clock import now
from portal.core.refusals import Refusal
from portal.tenancy.sso.discovery import keys_of
from portal.tenancy.sso.distrust import Distrust
from portal.tenancy.sso.provider import Claims, Provider

SKEW: Final = 60
"""Seconds that two clocks may differ."""
OLDEST: Final = 600
"""Seconds since it was issued: no way to the provider and back takes longer."""
SHORTEST_RSA: Final = 342
"""Characters of a modulus of 2048 bits in base64url."""
SUBJECT: Final = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)

_every = jws.JWSRegistry.algorithms


class Signatures(jws.JWSRegistry):
    """The signatures that are taken. RFC 9864 calls EdDSA with this curve Ed25519."""

    algorithms = {
        "RS256": _every["RS256"], "ES256": _every["ES256"],
        "EdDSA": _every["Ed25519"], "Ed25519": _every["Ed25519"],
    }  # fmt: skip
    recommended = ["RS256", "ES256", "EdDSA", "Ed25519"]
    max_header_length = 4_096


KIND: Final[dict[str, type[Key]]] = {
    "RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey, "Ed25519": OKPKey,
}  # fmt: skip
HASH: Final = {
    "RS256": hashlib.sha256, "ES256": hashlib.sha256,
    "EdDSA": hashlib.sha512, "Ed25519": hashlib.sha512,
}  # fmt: skip
"""For `at_hash`: the hash of the signature's own algorithm (Ed25519 uses SHA-512)."""


def claims_in(
    provider: Provider, token: str, *, nonce: str, access_token: str | None = None
) -> Claims:
    """What the token says, once everything about it is right; raises Distrust and says what is
    not. `nonce` is the one that this sign-in began with."""
    header = _header(token)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in KIND:
        raise Distrust("its token is signed in a way that is not taken (alg)")
    if "crit" in header or "b64" in header:
        raise Distrust("its token needs what we do not know (crit)")
    key = _key(provider, header.get("kid"), algorithm)
    try:
        read = jws.deserialize_compact(
            token, key, registry=Signatures(algorithms=[algorithm], strict_check_header=False)
        )
        claims = strictjson.loads(read.payload)
    except (JoseError, Refusal, ValueError, TypeError, KeyError):
        raise Distrust("its token has no good signature") from None
    _check(provider, claims, nonce)
    _check_hash(claims, algorithm, access_token)
    return claims


def _header(token: str) -> dict[str, Any]:
    encoded = token.partition(".")[0]
    if token.count(".") != 2 or len(encoded) > Signatures.max_header_length or not token.isascii():
        raise Distrust("its token is none")
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        return strictjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, Refusal):
        raise Distrust("its token is none") from None


def _key(provider: Provider, kid: Any, algorithm: str) -> Key:
    """The provider's one key that this token can be signed with."""
    if kid is not None and not isinstance(kid, str):
        raise Distrust("its token names its key by no name (kid)")
    kind = KIND[algorithm]
    fitting = [
        key for key in keys_of(provider, kid)
        if key.get("kty") == kind.key_type and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm and (kid is None or key.get("kid") == kid)
    ]  # fmt: skip
    if len(fitting) != 1:
        raise Distrust("its token is signed with a key that it does not publish (kid)")
    # Of the public parts alone: what else a key set says of a key, such as `key_ops`, is its own.
    public = {name: fitting[0].get(name) for name in ("kty", "n", "e", "crv", "x", "y")}
    if kind is RSAKey and len(str(public["n"])) < SHORTEST_RSA:
        raise Distrust("its key is too short")
    try:
        return kind.import_key({name: value for name, value in public.items() if value is not None})
    except (JoseError, ValueError, TypeError, KeyError):
        raise Distrust("its key can't be read") from None


def _check(provider: Provider, claims: Claims, nonce: str) -> None:
    if claims.get("iss") != provider.issuer:
        raise Distrust("its token is another issuer's (iss)")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if provider.client_id not in audiences:
        raise Distrust("its token is for another client (aud)")
    if claims.get("azp", provider.client_id if len(audiences) == 1 else None) != provider.client_id:
        raise Distrust("its token was issued to another client (azp)")
    if not isinstance(claims.get("sub"), str) or not SUBJECT.fullmatch(claims["sub"]):
        raise Distrust("its token is about nobody (sub)")
    _check_times(claims)
    sent = claims.get("nonce")
    if not isinstance(sent, str) or not constant_time_compare(sent, nonce):
        raise Distrust("its token belongs to another sign-in (nonce)")


def _check_times(claims: Claims) -> None:
    moment = now().timestamp()
    ends, issued, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    if ends is None or ends <= moment - SKEW:
        raise Distrust("its token has ended (exp)")
    if issued is None or not moment - OLDEST - SKEW <= issued <= moment + SKEW:
        raise Distrust("its token was not issued just now (iat)")
    if begins is not None and begins > moment + SKEW:
        raise Distrust("its token does not hold yet (nbf)")


def _seconds(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Distrust(f"its token has no time where one belongs ({name})")
    return float(value)


def _check_hash(claims: Claims, algorithm: str, access_token: str | None) -> None:
    told = claims.get("at_hash")
    if told is None:
        return
    whole = HASH[algorithm]((access_token or "").encode()).digest()
    half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")
    if access_token is None or not isinstance(told, str) or not constant_time_compare(told, half):
        raise Distrust("its two tokens do not belong together (at_hash)")
