"""The side navigation: what there is for who may see it, on the platform's pages and a tenant's."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

Groups = Sequence[tuple[str, Sequence[tuple[str, str, str]]]]

PLATFORM: Final[Groups] = (
    ("", (("index", "Overview", "usage:read"),)),
    (
        "Keys",
        (
            ("keys", "All keys", "keys:read"),
            ("decisions", "Decisions", "usage:read"),
            ("usage", "Usage", "usage:read"),
            ("limits", "Limits", "limits:read"),
            ("gateways", "Gateways", "gateways:read"),
            ("apis", "APIs and scopes", "apis:read"),
        ),
    ),
    (
        "Record",
        (
            ("ledger", "Ledger", "audit:read"),
            ("jobs", "Jobs", "usage:read"),
            ("outbox", "Outbox", "mail:read"),
            ("records", "Records", "tenants:read"),
        ),
    ),
    ("Platform", (("tenants", "Tenants", "tenants:read"), ("people", "People", "people:read"))),
)
"""(title, ((URL name, words, action that it needs), …)), in order."""
TENANT: Final[Groups] = (
    ("", (("index", "Overview", "usage:read"),)),
    (
        "Keys",
        (
            ("keys", "All keys", "keys:read"),
            ("decisions", "Decisions", "usage:read"),
            ("usage", "Usage", "usage:read"),
            ("limits", "Limits", "limits:read"),
        ),
    ),
    ("Record", (("ledger", "Ledger", "audit:read"), ("jobs", "Jobs", "usage:read"))),
    (
        "Tenant",
        (
            ("members", "Members", "members:read"),
            ("tokens", "Management tokens", "own-tokens:read"),
            ("sso", "Single sign-on", "sso:read"),
            ("second-factor", "Second factor", "policy:write"),
            ("guide", "Gateway set-up", "gateways:read"),
        ),
    ),
)
"""The same of a tenant's own pages."""


class Link(NamedTuple):
    """One entry."""

    name: str
    words: str
    url: str
    here: bool


class Group(NamedTuple):
    """Entries under one title."""

    title: str
    links: list[Link]


def _groups(request: HttpRequest) -> list[Group]:
    match, actor = request.resolver_match, getattr(request, "actor", None)
    if match is None or actor is None:
        return []
    own = match.namespace == "tenant"
    place = [match.kwargs["slug"]] if own else []
    found = []
    for title, entries in TENANT if own else PLATFORM:
        links = [
            _link(
                request, name, words, reverse(f"{'tenant' if own else 'admin'}:{name}", args=place)
            )
            for name, words, action in entries
            if actor.may(action)
        ]
        if links:
            found.append(Group(title, links))
    return found


def _link(request: HttpRequest, name: str, words: str, address: str) -> Link:
    return Link(name, words, address, request.path == address)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Looked at only by templates that show it."""
    return {"navigation": SimpleLazyObject(lambda: _groups(request))}
