"""If-Match: a change is made to what the caller read, or not at all (RFC 9110, section 13.1.1)."""

import re
from typing import Final, NoReturn

from portal.core.refusals import Refusal

TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
LIST: Final = re.compile(rf"\s*{TAG.pattern}(\s*,\s*{TAG.pattern})*\s*")


def etag(version: int) -> str:
    """The entity tag of an object's governed columns."""
    return f'"{version}"'


def _refuse(detail: str) -> NoReturn:
    raise Refusal("REQUEST_INVALID", errors=[{"detail": detail, "pointer": "If-Match"}])


def expected_version(header: str | None, current: int) -> int:
    """The version that the caller read.

    `current` is the object's version now; of several tags it chooses the one that matches. Refuses
    a missing header (428), `*` and what is no entity tag (400), and tags that can't match (412): a
    weak one never does.
    """
    if header is None:
        raise Refusal("PRECONDITION_REQUIRED")
    if header.strip() == "*":
        _refuse("`*` would overwrite whatever stands there; send the ETag that you read.")
    if len(header) > 1_000 or not LIST.fullmatch(header):
        _refuse('This is no entity tag, such as "7".')
    tags = [tag for weak, tag in TAG.findall(header) if not weak]
    if etag(current) not in [f'"{tag}"' for tag in tags]:
        raise Refusal("PRECONDITION_FAILED")
    return current
