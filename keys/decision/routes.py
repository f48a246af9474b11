"""Which route of an Api a request takes, from the path exactly as the proxy sends it on."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

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


class Route(msgspec.Struct, frozen=True, gc=False):
    """A route as the check path knows it."""

    method: str
    pattern: str
    scopes: tuple[str, ...]
    purpose: str
    consent: bool


def _text(path: str) -> bool:
    """Whether what is percent-encoded is UTF-8: overlong forms of `/` are not."""
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True


class _Wild(NamedTuple):
    literal: int
    match: re.Pattern[str]
    route: Route


def _expression(pattern: str) -> re.Pattern[str]:
    """`*` is one segment; a final `/**` is any rest, none included: `/admin/**` covers `/admin`."""
    body, rest = (pattern[:-3], "(?:/.*)?") if pattern.endswith("/**") else (pattern, "")
    parts = ("[^/]+" if part == "*" else re.escape(part) for part in body.split("/"))
    return re.compile("/".join(parts) + rest)


class RouteTable:
    """An Api's routes: exact ones by dictionary, patterns by how much of them is literal."""

    def __init__(self, routes: list[Route]) -> None:
        routes = [r for r in routes if not SUSPICIOUS.search(r.pattern)]
        self.exact = {(r.method, r.pattern): r for r in routes if "*" not in r.pattern}
        wild = [
            _Wild(len(r.pattern.replace("*", "")), _expression(r.pattern), r)
            for r in routes
            if "*" in r.pattern
        ]
        self.wild = sorted(wild, key=lambda w: (-w.literal, w.route.method == "*"))

    def find(self, method: str | None, path: str) -> Route | None:
        """The route of this request; None for an unknown or a suspicious one.

        The query string takes no part. `method` is compared as it is: methods are case-sensitive
        (RFC 9110, section 9.1).
        """
        if not method:
            return None
        bare = path.partition("?")[0] if "?" in path else path
        # A path that is written out as a route is none of the suspicious ones: see __init__.
        exact = self.exact.get((method, bare)) or self.exact.get(("*", bare))
        if exact:
            return exact
        if not bare.startswith("/") or SUSPICIOUS.search(bare) or not _text(bare):
            return None
        for wild in self.wild:
            if wild.route.method in (method, "*") and wild.match.fullmatch(bare):
                return wild.route
        return None
