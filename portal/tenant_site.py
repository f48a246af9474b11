"""A tenant's own pages, below `/t/<slug>/`: the admin's, read and changed as one of its members."""

from typing import Any, Final

from django.urls import URLPattern, path
from django.views import View

from audit.pages import Ledger, LedgerEntry, LedgerExport
from keys.pages.change import Change
from keys.pages.decisions import Decisions, OneDecision
from keys.pages.issue import NewKey
from keys.pages.key import KeyPage
from keys.pages.limit import OneLimit
from keys.pages.limit_edit import EditLimit
from keys.pages.limits import Limits
from keys.pages.list import Keys
from keys.pages.turn import Resume, Revoke, Suspend
from keys.pages.usage import Usage
from portal.overview import OwnOverview
from portal.tenancy.pages import addresses  # noqa: F401 - the converter `id`
from portal.tenancy.pages import provider as sso
from portal.tenancy.pages.in_tenant import InTenant
from portal.tenancy.pages.provider_addresses import PAGES as SSO


def _own(address: str, page: type[View], name: str) -> URLPattern:
    """The admin's page as a tenant's own."""
    made: Any = type(f"Own{page.__name__}", (InTenant, page), {})
    pattern: URLPattern = path(address, made.as_view(), name=name)
    return pattern


PAGES: Final[list[URLPattern]] = [
    path("", OwnOverview.as_view(), name="index"),
    _own("keys/", Keys, "keys"),
    _own("keys/new/", NewKey, "key-new"),
    _own("keys/<id:id>/", KeyPage, "key"),
    _own("keys/<id:id>/edit/", Change, "key-edit"),
    _own("keys/<id:id>/suspend/", Suspend, "key-suspend"),
    _own("keys/<id:id>/resume/", Resume, "key-resume"),
    _own("keys/<id:id>/revoke/", Revoke, "key-revoke"),
    _own("decisions/", Decisions, "decisions"),
    _own("decisions/<uuid:id>/", OneDecision, "decision"),
    _own("usage/", Usage, "usage"),
    _own("limits/", Limits, "limits"),
    _own("limits/<id:id>/", OneLimit, "limit"),
    _own("limits/<id:id>/edit/", EditLimit, "limit-edit"),
    _own("ledger/", Ledger, "ledger"),
    _own("ledger/export/", LedgerExport, "ledger-export"),
    _own("ledger/<uuid:id>/", LedgerEntry, "ledger-entry"),
    _own("sso/", sso.ProviderPage, "sso"),
    *(_own(f"sso/{address}/", page, name) for address, page, name in SSO),
]
