"""Directory tokens as DRF authentication: what ends memberships, and a management token refused.

Known credentials of the wrong kind are told that they may not (403, recorded); unknown, wrong,
revoked and expired ones are one answer after the same work, as for management tokens.
"""

from typing import Any, Final, NamedTuple

from django.db import connection
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from portal.core import tokens
from portal.core.bearer import bearer
from portal.tenancy.attempts import Exposed, address_of, note_refused
from portal.tenancy.authentication import (
    ManagementTokens,
    provers,
    refuse_in_clear,
    refuse_in_query,
)
from portal.tenancy.sso.deprovisioning import directory

LOOKUP: Final = """
SELECT id, name, tenant_id, tenant_slug, provider_id, issuer, digest, pepper_id, ended
FROM tenancy_deprovisioning_token(%s)
"""


class DirectoryToken(NamedTuple):
    """A directory token as it stands now."""

    id: str
    name: str
    tenant_id: str
    tenant_slug: str
    provider_id: str
    issuer: str
    digest: bytes
    pepper_id: int
    ended: bool


def proved(text: str) -> DirectoryToken | None:
    """The token that `text` is, alive or not; None when no such secret was ever issued."""
    shape = tokens.parse(text)
    if shape is None or shape.brand != tokens.DEPROVISIONING:
        return None
    with connection.cursor() as cursor:
        cursor.execute(LOOKUP, [shape.kid])
        row = cursor.fetchone()
    token = DirectoryToken(*row) if row else None
    digest = bytes(token.digest) if token else tokens.NOBODY
    good = tokens.verify(text, digest, token.pepper_id if token else tokens.newest_pepper())
    if token is None or not good:
        return None
    if token.pepper_id != tokens.newest_pepper():
        _upgrade(text, shape.kid, token.pepper_id)
    return token


def _upgrade(text: str, kid: str, was: int) -> None:
    """Keep the digest under the newest pepper, so that an old one can leave the ring."""
    newest = tokens.newest_pepper()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tenancy_deprovisioning_upgrade(%s, %s::smallint, %s, %s::smallint)",
            [kid, was, tokens.digest(text, newest), newest],
        )


def _exposed(text: str) -> Exposed | None:
    token = proved(text)
    if token is None:
        return None
    return Exposed("directory token", token.id, token.name, token.tenant_id)


provers.append(_exposed)


class DirectoryTokens(ManagementTokens):
    """`Authorization: Bearer csd_…`. A management token is known here, and may nothing."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """Who acts; refuses with one answer, whatever is wrong."""
        refuse_in_query(request)
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            raise NotAuthenticated
        refuse_in_clear(request, header)
        text = bearer(header)
        shape = tokens.parse(text)
        if shape is not None and shape.brand == tokens.MANAGEMENT:
            return super().authenticate(request)
        token = proved(text)
        if token is None or token.ended:
            note_refused(request, shape, token.tenant_id if token else None)
            raise AuthenticationFailed
        with connection.cursor() as cursor:
            cursor.execute("SELECT tenancy_deprovisioning_used(%s)", [token.id])
        actor = directory(
            token_id=token.id, name=token.name, tenant_id=token.tenant_id,
            request_id=getattr(request, "request_id", ""), address=address_of(request),
        )  # fmt: skip
        return actor, token
