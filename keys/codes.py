"""The closed set of decision codes in the contract's order: of several, the first is told."""

from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """A decision's code. Its number is its rank; OK stands after everything that refuses."""

    KEY_MISSING = 1
    KEY_MALFORMED = 2
    KEY_UNKNOWN = 3
    KEY_REVOKED = 4
    KEY_LEAKED = 5
    KEY_SUSPENDED = 6
    KEY_PENDING = 7
    KEY_EXPIRED = 8
    TENANT_SUSPENDED = 9
    OWNER_DISABLED = 10
    ENVIRONMENT_MISMATCH = 11
    IP_NOT_ALLOWED = 12
    ROUTE_UNKNOWN = 13
    SCOPE_MISSING = 14
    MODEL_NOT_ALLOWED = 15
    PURPOSE_UNKNOWN = 16
    PURPOSE_NOT_ALLOWED = 17
    SUBJECT_ERASED = 18
    PROCESSING_RESTRICTED = 19
    OPTED_OUT = 20
    CONSENT_MISSING = 21
    CONSENT_REFUSED = 22
    CONSENT_WITHDRAWN = 23
    CONSENT_EXPIRED = 24
    CONSENT_SUPERSEDED = 25
    CONSENT_INVALIDATED = 26
    QUOTA_EXCEEDED = 27
    RATE_LIMITED = 28
    CONCURRENCY_EXCEEDED = 29
    STORE_UNAVAILABLE = 30
    OK = 31

    @property
    def status(self) -> int:
        """The HTTP status in dialects that can say it (CONTRACT.md, Codes)."""
        if self is Code.OK:
            return 200
        if self <= Code.KEY_EXPIRED:
            return 401
        if self <= Code.CONSENT_INVALIDATED:
            return 403
        return 503 if self is Code.STORE_UNAVAILABLE else 429


MEANING: Final[dict[Code, str]] = {
    Code.OK: "Allowed.",
    Code.KEY_MISSING: "No key was sent.",
    Code.KEY_MALFORMED: "Not of our shape, or the checksum is wrong: mistyped or cut off.",
    Code.KEY_UNKNOWN: "No such key, a wrong secret, or not this gateway's to ask about.",
    Code.KEY_REVOKED: "The key was revoked.",
    Code.KEY_LEAKED: "The key was found in public and stopped.",
    Code.KEY_SUSPENDED: "The key is suspended and can be resumed.",
    Code.KEY_PENDING: "The key waits for an approval.",
    Code.KEY_EXPIRED: "The key or this secret of it has expired.",
    Code.TENANT_SUSPENDED: "The key's tenant is suspended.",
    Code.OWNER_DISABLED: "The key's owner is disabled or has left the tenant.",
    Code.ENVIRONMENT_MISMATCH: "The key is of another environment than the request's.",
    Code.IP_NOT_ALLOWED: "The caller's address is not on the key's list, or was not stated.",
    Code.ROUTE_UNKNOWN: "The Api has no such route.",
    Code.SCOPE_MISSING: "The key lacks a scope that the request needs.",
    Code.MODEL_NOT_ALLOWED: "The model is not on the key's list, or was not stated.",
    Code.PURPOSE_UNKNOWN: "The tenant has no such purpose.",
    Code.PURPOSE_NOT_ALLOWED: "The key may not claim this purpose.",
    Code.SUBJECT_ERASED: "The data subject was erased.",
    Code.PROCESSING_RESTRICTED: "The data subject restricted processing.",
    Code.OPTED_OUT: "The data subject opted out or objected.",
    Code.CONSENT_MISSING: "No consent, or no data subject was named where one is needed.",
    Code.CONSENT_REFUSED: "The data subject refused.",
    Code.CONSENT_WITHDRAWN: "The consent was withdrawn or revoked.",
    Code.CONSENT_EXPIRED: "The consent has expired.",
    Code.CONSENT_SUPERSEDED: "A newer notice needs a new consent.",
    Code.CONSENT_INVALIDATED: "The consent was found invalid.",
    Code.QUOTA_EXCEEDED: "A calendar limit is used up until its window ends.",
    Code.RATE_LIMITED: "A smooth limit has nothing left for this request yet.",
    Code.CONCURRENCY_EXCEEDED: "Too many requests of this key are under way.",
    Code.STORE_UNAVAILABLE: "No decision could be made; never an allow.",
}


def kind(code: Code) -> str:
    """What a refusal is about: `key`, `rule`, `consent` or `limit`; empty for OK."""
    if code is Code.OK:
        return ""
    if code <= Code.KEY_EXPIRED:
        return "key"
    if code <= Code.MODEL_NOT_ALLOWED:
        return "rule"
    return "consent" if code <= Code.CONSENT_INVALIDATED else "limit"


KIND: Final[dict[Code, str]] = {code: kind(code) for code in Code}
"""Of each code, as charts stack and colour them (portal.core.charts)."""
