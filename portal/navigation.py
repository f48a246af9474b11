"""The side navigation: what there is, for who may see it."""

from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from portal.tenancy.roles import PLATFORM_ACTIONS

GROUPS: Final = (
    ("", (("index", "Overview", "usage:read"),)),
    (
        "Keys",
        (
            ("keys", "All keys", "keys:read"),
            ("decisions", "Decisions", "usage:read"),
            ("usage", "Usage", "usage:read"),
            ("gateways", "Gateways", "gateways:read"),
            ("apis", "APIs and scopes", "apis:read"),
        ),
    ),
    (
        "Record",
        (
            ("ledger", "Ledger", "audit:read"),
            ("outbox", "Outbox", "mail:read"),
            ("records", "Records", "tenants:read"),
        ),
    ),
    ("Platform", (("tenants", "Tenants", "tenants:read"), ("people", "People", "people:read"))),
)
"""(title, ((URL name, words, action that it needs), …)), in order."""


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
    actions = PLATFORM_ACTIONS[getattr(request.user, "platform_role", "")]
    found = []
    for title, entries in GROUPS:
        links = [_link(request, *entry[:2]) for entry in entries if entry[2] in actions]
        if links:
            found.append(Group(title, links))
    return found


def _link(request: HttpRequest, name: str, words: str) -> Link:
    try:
        address = reverse(f"admin:{name}")
    except NoReverseMatch:
        address = "#"
    return Link(name, words, address, request.path == address)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Looked at only by templates that show it."""
    return {"navigation": SimpleLazyObject(lambda: _groups(request))}
