"""Names of the versions that decisions depend on; pure, for the check path has no Django."""

from pathlib import Path
from typing import Final

import msgspec

Versions = dict[str, int]

NEGATIVES: Final = "n"
"""Published when a credential comes into being: what was remembered as unknown is forgotten."""

BUMP_SCRIPT: Final = (Path(__file__).parent / "bump.lua").read_text()


def of_key(key_id: str) -> str:
    """The version's name of one API key and its secrets."""
    return f"k:{key_id}"


def of_tenant(tenant_id: str) -> str:
    """The name of a tenant's epoch: people, Apis, routes, shared limits, policy, status."""
    return f"t:{tenant_id}"


def of_consent(tenant_id: str) -> str:
    """The name of a tenant's consent epoch, apart so that a new notice reloads no key."""
    return f"c:{tenant_id}"


def of_gateway(gateway_id: str) -> str:
    """The version's name of one gateway."""
    return f"g:{gateway_id}"


def packed(versions: Versions) -> bytes:
    """The bump script's argument."""
    return msgspec.msgpack.encode(versions)
