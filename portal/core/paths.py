"""Which paths all HTTP programs read alike: for requests and for the patterns of routes."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

SUSPICIOUS: Final = re.compile(
    # Encoded, once or more often: a control byte, `\\`, `/`, `%` gone wrong, and every character
    # that needs no encoding (RFC 3986, section 2.3): `expor%74` is `export` to the upstream.
    r"%(?:25)*(?:[01][0-9a-f]|2[def]|3[0-9]|4[1-9a-f]|5[0-9acf]|6[1-9a-f]|7[0-9aef])"
    r"|%(?![0-9a-f]{2})"
    # Plain: a backslash, an empty segment, parameters, control bytes, a fragment, dot segments.
    r"|\\|//|;|[\x00-\x20\x7f#]|(?:^|/)\.{1,2}(?:/|$)",
    re.IGNORECASE,
)
"""What two HTTP programs may read differently. It is refused, never normalised our own way."""


def is_plain(path: str) -> bool:
    """Whether a path means one thing to everyone: nothing suspicious, and UTF-8 once decoded."""
    if SUSPICIOUS.search(path):
        return False
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:  # overlong forms of `/`, for one
        return False
    return True
