"""Whose credential stands in a query string, when it is an API key's or a gateway's."""

import base64
from typing import Any, Final

import msgspec
from django.db import connection

from portal.core import configuration, tokens
from portal.tenancy.attempts import Exposed
from portal.tenancy.authentication import provers

GATEWAY: Final = "g"
KEY: Final = "k"


def _snapshot(kind: str, kid: str) -> dict[str, Any] | None:
    """What the check path knows of this credential: the one function that may, before a tenant."""
    asked = ([kid], []) if kind == GATEWAY else ([], [kid])
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, body FROM check_snapshots(%s::text[], %s::text[])", asked)
        bodies = {found: body for found, body in cursor.fetchall()}
    return msgspec.json.decode(bodies[kind]) if kind in bodies else None


def exposed_credential(text: str) -> Exposed | None:
    """The key or gateway that `text` is a real credential of; None for anything else."""
    shape = tokens.parse(text)
    if shape is None or shape.brand == tokens.MANAGEMENT:
        return None
    found = _snapshot(GATEWAY if shape.brand == tokens.GATEWAY else KEY, shape.kid)
    if found is None or not tokens.verify(text, base64.b64decode(found["digest"]), found["pepper"]):
        return None
    if shape.brand == configuration.KEY_BRAND():
        return Exposed("API key", found["id"], found["name"], found["tenant"])
    return Exposed("gateway token", found["id"], "", None)


provers.append(exposed_credential)
