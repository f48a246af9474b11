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
from portal.tenancy.held_tokens import Kind
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


KIND: Final = Kind(tokens.DEPROVISIONING, DirectoryToken, LOOKUP, "tenancy_deprovisioning_upgrade")


def _exposed(text: str) -> Exposed | None:
    token = KIND.proved(text)
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
        token = KIND.proved(text)
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
