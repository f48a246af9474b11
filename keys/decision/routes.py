"""Which route of an Api a request takes, from the path exactly as the proxy sends it on."""

import re
from typing import NamedTuple

import msgspec

from portal.core.paths import is_plain


class Route(msgspec.Struct, frozen=True, gc=False):
    """A route as the check path knows it."""

    method: str
    pattern: str
    scopes: tuple[str, ...]
    purpose: str
    consent: bool


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
        routes = [r for r in routes if is_plain(r.pattern)]
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
        if not bare.startswith("/") or not is_plain(bare):
            return None
        for wild in self.wild:
            if wild.route.method in (method, "*") and wild.match.fullmatch(bare):
                return wild.route
        return None
