"""Management tokens as DRF authentication (RFC 6750).

Unknown, wrong, revoked and expired tokens, a creator who was disabled and a suspended tenant are
one answer after the same work: state is told only to who proved the secret, and here not even then.
"""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from django.db import connection
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from portal.core import configuration, tokens
from portal.core.bearer import bearer
from portal.core.logs import TOKEN
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor, service
from portal.tenancy.attempts import Exposed, address_of, note_exposed, note_refused
from portal.tenancy.held_tokens import Kind

REALM: Final = 'Bearer realm="countersign"'
USE_NOTED: Final = 60.0
"""Seconds between two writes of `last_used_at` by one process for one token."""

MOST_PROVED: Final = 4
"""Credentials of one query string that are looked up; the rest are refused unseen."""

LOOKUP: Final = """
SELECT id, name, tenant_id, tenant_slug, tenant_status, membership_id, role, creator_active,
       scopes, digest, pepper_id, ended
FROM tenancy_management_token(%s)
"""


class Token(NamedTuple):
    """A management token and its creator as they stand now."""

    id: str
    name: str
    tenant_id: str
    tenant_slug: str
    tenant_status: str
    membership_id: str
    role: str
    creator_active: bool
    scopes: list[str]
    digest: bytes
    pepper_id: int
    ended: bool

    @property
    def lives(self) -> bool:
        """Whether it may still act for anyone."""
        return self.creator_active and self.tenant_status == "active" and not self.ended

    def actor(self) -> Actor:
        """Who acts: never more than the scopes, nor than the creator's present role."""
        return service(
            token_id=self.id,
            name=self.name,
            tenant_id=self.tenant_id,
            membership_id=self.membership_id,
            role=self.role,
            scopes=self.scopes,
        )


KIND: Final = Kind(tokens.MANAGEMENT, Token, LOOKUP, "tenancy_token_upgrade")


def proved(text: str) -> Token | None:
    """The token that `text` is, alive or not; None when no such secret was ever issued."""
    return KIND.proved(text)


_noted: dict[str, float] = {}


def _note_use(token: Token) -> None:
    """Write `last_used_at`, rarely: the request should not pay for it each time."""
    moment = time.monotonic()
    if moment - _noted.get(token.id, -USE_NOTED) < USE_NOTED:
        return
    if len(_noted) > 10_000:
        _noted.clear()
    _noted[token.id] = moment
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenancy_token_used(%s)", [token.id])


def _exposed_token(text: str) -> Exposed | None:
    token = proved(text)
    if token is None:
        return None
    return Exposed("management token", token.id, token.name, token.tenant_id)


provers: Final[list[Callable[[str], Exposed | None]]] = [_exposed_token]
"""Who can tell whose credential a text is; each product adds its own kinds."""


def refuse_in_query(request: Request) -> None:
    """Refuse a request whose query string holds a credential, and record it if it is a real one.

    It stands in every access log, history and Referer on the way (CWE-598).
    """
    found = [
        match.group()
        for name, values in request.query_params.lists()
        for text in (name, *values)
        for match in TOKEN.finditer(text)
    ]
    for text in found[:MOST_PROVED]:
        for prove in provers:
            if exposed := prove(text):
                note_exposed(exposed, request)
                break
    if found:
        detail = "A credential has no place in a query string. Revoke it: it was written to logs."
        raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "?"}])


def refuse_in_clear(request: Request, header: str) -> None:
    """Refuse a credential that came over plain HTTP, and record it if it is a real one.

    No redirect: a program would follow it and go on sending its credential in clear (ASVS 12.2.1).
    """
    if request.is_secure() or not configuration.SECURE():
        return
    for prove in provers:
        if exposed := prove(bearer(header)):
            note_exposed(exposed, request, "over plain HTTP")
            break
    detail = "A credential was sent over plain HTTP. Use HTTPS, and replace it: it could be read."
    raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": ""}])


class ManagementTokens(BaseAuthentication):
    """`Authorization: Bearer csm_…`: `request.user` is the Actor, `request.auth` the Token."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Who acts; refuses with one answer, whatever is wrong."""
        refuse_in_query(request)
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            raise NotAuthenticated
        refuse_in_clear(request, header)
        text = bearer(header)
        token = proved(text)
        if token is None or not token.lives:
            shape = tokens.parse(text)
            note_refused(request, shape, token.tenant_id if token else None)
            raise AuthenticationFailed
        _note_use(token)
        actor = token.actor().within(
            request_id=getattr(request, "request_id", ""), address=address_of(request)
        )
        return actor, token

    def authenticate_header(self, request: Request) -> str:
        """The challenge (RFC 6750, section 3): an error is named only when something was sent."""
        sent = "HTTP_AUTHORIZATION" in request.META
        return f'{REALM}, error="invalid_token"' if sent else REALM
