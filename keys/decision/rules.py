"""What a key's own state and restrictions say, in the contract's order. Limits are the script's.

A restriction whose fact is not stated refuses: an unstated fact is never weaker than a wrong one.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from keys.codes import Code
from keys.decision.addresses import inside
from keys.decision.question import Ask, Invalid
from keys.decision.routes import Route
from keys.decision.snapshots import KeySnapshot


class Refused(NamedTuple):
    """One reason to refuse, and the words for a dry run."""

    code: Code
    detail: str


STATES: Final = {
    "revoked": Refused(Code.KEY_REVOKED, "The key is revoked."),
    "leaked": Refused(Code.KEY_LEAKED, "The key was found in public."),
    "suspended": Refused(Code.KEY_SUSPENDED, "The key is suspended."),
    "pending": Refused(Code.KEY_PENDING, "The key waits for an approval."),
}


def route_of(key: KeySnapshot, ask: Ask) -> Route | None:
    """The route that the stated path takes, or None."""
    return None if ask.path is None else key.api.routes.find(ask.method, ask.path)


def purpose_of(ask: Ask, route: Route | None) -> str | None:
    """The purpose stated, else the route's default where a subject is named.

    Raises Invalid for a subject without either: nothing could be decided about it.
    """
    if ask.subject is None or ask.purpose is not None:
        return ask.purpose
    if route is None or not route.purpose:
        raise Invalid("A subject needs a purpose, stated or the route's default.", "/purpose")
    return route.purpose


def refusals(
    key: KeySnapshot, ask: Ask, route: Route | None, purpose: str | None
) -> Iterator[Refused]:
    """Every reason to refuse, first the one to tell."""
    if key.revoked and key.state != "revoked":
        yield Refused(Code.KEY_REVOKED, "This secret of the key is revoked.")
    if key.state != "active":
        yield STATES[key.state]
    if key.tenant.status != "active":
        yield Refused(Code.TENANT_SUSPENDED, "The tenant is suspended.")
    if not key.owner_active:
        yield Refused(Code.OWNER_DISABLED, "The key's owner is disabled.")
    if ask.environment is not None and ask.environment != key.environment:
        yield Refused(Code.ENVIRONMENT_MISMATCH, f"This is a {key.environment} key.")
    if key.networks and (ask.ip is None or not inside(ask.ip, key.networks)):
        stated = "is not on the key's list" if ask.ip else "is not stated"
        yield Refused(Code.IP_NOT_ALLOWED, f"The caller's address {stated}.")
    yield from _may(key, ask, route)
    if purpose is not None:
        yield Refused(Code.PURPOSE_UNKNOWN, "The tenant has no such purpose.")
    elif route is not None and route.consent and ask.subject is None:
        yield Refused(Code.CONSENT_MISSING, "This route needs a data subject.")


def _may(key: KeySnapshot, ask: Ask, route: Route | None) -> Iterator[Refused]:
    if ask.path is not None and route is None:
        yield Refused(Code.ROUTE_UNKNOWN, "The Api has no route for this method and path.")
    for scope in (*(route.scopes if route else ()), *ask.scopes):
        if scope not in key.scopes:
            yield Refused(Code.SCOPE_MISSING, f"The key lacks the scope {scope}.")
            break
    if key.models and ask.model not in key.models:
        stated = "is not on the key's list" if ask.model else "is not stated"
        yield Refused(Code.MODEL_NOT_ALLOWED, f"The model {stated}.")
