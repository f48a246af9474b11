"""Routes as text, one a line: `METHOD /path/** scope scope purpose=x consent`.

A purpose that is more than one word stands in JSON's quotes. A scope that is itself called
`consent` is written `scope=consent`.
"""

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from portal.core.refusals import Faults
from portal.tenancy.definitions import RouteDefinition

CONSENT: Final = "consent"
PURPOSE: Final = "purpose="
SCOPE: Final = "scope="


class Read(NamedTuple):
    """What the lines say."""

    routes: list[RouteDefinition]
    numbers: list[int]
    """Of each route, its line; the first is 1."""
    faults: Faults
    """Pointers are `/routes/<line, from 0>`."""


def read(text: str) -> Read:
    """The routes that `text` names, and the lines that can't be read."""
    found = Read([], [], Faults())
    for number, line in enumerate(text.splitlines()):
        if not line.strip():
            continue
        route = _read_line(line.replace("\t", " ").strip())
        if isinstance(route, str):
            found.faults.add(f"/routes/{number}", route)
        else:
            found.routes.append(route)
            found.numbers.append(number + 1)
    return found


def _read_line(line: str) -> RouteDefinition | str:
    """The route, or what is wrong with the line."""
    method, _, rest = line.partition(" ")
    pattern, _, rest = rest.strip().partition(" ")
    if not pattern:
        return "A method and a path are needed, such as GET /v1/models."
    scopes, purpose, consent = [], "", False
    while rest := rest.lstrip():
        if rest.startswith(f'{PURPOSE}"'):
            try:
                purpose, end = json.JSONDecoder().raw_decode(rest, len(PURPOSE))
            except ValueError:
                return "The purpose's quotes are not closed."
            rest = rest[end:]
            continue
        word, _, rest = rest.partition(" ")
        if word.startswith(PURPOSE):
            purpose = word.removeprefix(PURPOSE)
        elif word == CONSENT:
            consent = True
        else:
            scopes.append(word.removeprefix(SCOPE))
    return RouteDefinition(method, pattern, list(dict.fromkeys(scopes)), purpose, consent)


def written(route: RouteDefinition) -> str:
    """The line that reads back as `route`."""
    parts = [route.method, route.pattern, needs(route)]
    return " ".join(part for part in parts if part)


def needs(route: RouteDefinition) -> str:
    """What stands behind the path."""
    parts = [f"{SCOPE}{s}" if s == CONSENT else s for s in route.scopes]
    if route.default_purpose:
        plain = not any(c.isspace() or c == '"' for c in route.default_purpose)
        quoted = json.dumps(route.default_purpose, ensure_ascii=False)
        parts.append(PURPOSE + (route.default_purpose if plain else quoted))
    if route.consent_required:
        parts.append(CONSENT)
    return " ".join(parts)


def lines_of(routes: Iterable[RouteDefinition]) -> str:
    """All of them, as text."""
    return "\n".join(map(written, routes))
