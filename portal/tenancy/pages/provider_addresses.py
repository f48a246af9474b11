"""Every page about a tenant's provider that changes something, for the admin and the tenants."""

from typing import Final

from portal.tenancy.pages.provider import EditProvider, WritesSso
from portal.tenancy.pages.provider_acts import (
    ClaimDomain,
    Invite,
    RemoveDomain,
    TurnOff,
    TurnOn,
    VerifyDomain,
)
from portal.tenancy.pages.provider_tokens import NewToken, RevokeToken

PAGES: Final[list[tuple[str, type[WritesSso], str]]] = [
    ("edit", EditProvider, "sso-edit"),
    ("on", TurnOn, "sso-on"),
    ("off", TurnOff, "sso-off"),
    ("invite", Invite, "sso-invite"),
    ("domains/new", ClaimDomain, "sso-domain-new"),
    ("domains/<id:id>", VerifyDomain, "sso-domain"),
    ("domains/<id:id>/remove", RemoveDomain, "sso-domain-remove"),
    ("tokens/new", NewToken, "sso-token-new"),
    ("tokens/<id:id>/revoke", RevokeToken, "sso-token-revoke"),
]
"""Address below `sso/`, page, URL name."""
