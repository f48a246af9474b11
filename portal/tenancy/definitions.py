"""What an Api is given: scopes and routes, as values that are checked before they are rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portal.core.paths import is_plain
from portal.core.refusals import Faults
from portal.tenancy.models import Scope
from portal.tenancy.texts import fault_of_text

SCOPE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}", re.ASCII)
METHOD: Final = re.compile(r"[A-Z]{1,16}|\*", re.ASCII)
PATTERN: Final = re.compile(
    r"/|(/([A-Za-z0-9._~!$&'()+,=:@-]|%[0-9A-Fa-f]{2})+|/\*)*(/\*\*)?/?",
    re.ASCII,
)
MOST_SCOPES: Final = 256
MOST_ROUTES: Final = 1_000


@dataclass(frozen=True)
class ScopeDefinition:
    """A right on an Api, such as `chat:write`; of `high` risk it is given by two people."""

    name: str
    risk: str = "low"
    description: str = ""


@dataclass(frozen=True)
class RouteDefinition:
    """A request by method and path, and the scopes that it needs.

    In `pattern`, `*` is one segment and a final `**` any rest; method `*` is any.
    """

    method: str
    pattern: str
    scopes: Sequence[str] = ()
    default_purpose: str = ""
    consent_required: bool = False


def check_scopes(faults: Faults, scopes: Sequence[ScopeDefinition]) -> None:
    """Note what is wrong with an Api's scopes."""
    if len(scopes) > MOST_SCOPES:
        faults.add("/scopes", f"At most {MOST_SCOPES} are taken.")
    seen: set[str] = set()
    for place, scope in enumerate(scopes[:MOST_SCOPES]):
        at = f"/scopes/{place}"
        if not SCOPE_NAME.fullmatch(scope.name):
            faults.add(f"{at}/name", "1 to 64 of a-z, 0-9 and _ . : - are needed.")
        elif scope.name in seen:
            faults.add(f"{at}/name", "This name stands twice.")
        seen.add(scope.name)
        if scope.risk not in Scope.Risk.values:
            faults.add(f"{at}/risk", "`low` or `high` is needed.")
        if scope.description:
            faults.add(f"{at}/description", fault_of_text(scope.description, 256))


def check_routes(faults: Faults, routes: Sequence[RouteDefinition], scopes: set[str]) -> None:
    """Note what is wrong with an Api's routes; `scopes` are the names that the Api has."""
    if len(routes) > MOST_ROUTES:
        faults.add("/routes", f"At most {MOST_ROUTES} are taken.")
    seen: set[tuple[str, str]] = set()
    for place, route in enumerate(routes[:MOST_ROUTES]):
        at = f"/routes/{place}"
        if not METHOD.fullmatch(route.method):
            faults.add(f"{at}/method", "A method in capitals, or `*`, is needed.")
        if len(route.pattern) > 512 or not _is_pattern(route.pattern):
            faults.add(f"{at}/pattern", "No request's path could be this: see the manual's routes.")
        elif (route.method, route.pattern) in seen:
            faults.add(f"{at}/pattern", "This method and pattern stand twice.")
        seen.add((route.method, route.pattern))
        for number, name in enumerate(route.scopes):
            if name not in scopes:
                faults.add(f"{at}/scopes/{number}", "The Api has no such scope.")
        if route.default_purpose:
            faults.add(f"{at}/default_purpose", fault_of_text(route.default_purpose, 64))


def _is_pattern(pattern: str) -> bool:
    return bool(pattern and PATTERN.fullmatch(pattern) and is_plain(pattern))
