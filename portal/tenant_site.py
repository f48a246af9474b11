"""A tenant's own pages, below `/t/<slug>/`: the admin's, read and changed as one of its members."""

from typing import Any, Final

from django.urls import URLPattern, path
from django.views import View

from audit.pages import Ledger, LedgerEntry, LedgerExport
from keys.pages.change import Change
from keys.pages.decisions import Decisions, OneDecision
from keys.pages.guide import Guide, GuideFile
from keys.pages.issue import NewKey
from keys.pages.key import KeyPage
from keys.pages.limit import OneLimit
from keys.pages.limit_edit import EditLimit
from keys.pages.limits import Limits
from keys.pages.list import Keys
from keys.pages.turn import Resume, Revoke, Suspend
from keys.pages.usage import Usage
from portal.overview import OwnOverview
from portal.tenancy.pages import (
    addresses,  # noqa: F401 - the converter `id`
    invitations,
    management_tokens,
    member_list,
    members,
)
from portal.tenancy.pages import provider as sso
from portal.tenancy.pages.factor_policy import OwnRequireFactor
from portal.tenancy.pages.in_tenant import InTenant
from portal.tenancy.pages.jobs import JobFile, JobPage, Jobs
from portal.tenancy.pages.provider_addresses import PAGES as SSO


def _own(address: str, page: type[View], name: str, **differs: str) -> URLPattern:
    """The admin's page as a tenant's own. `differs` are attributes that it has here alone."""
    made: Any = type(f"Own{page.__name__}", (InTenant, page), differs)
    pattern: URLPattern = path(address, made.as_view(), name=name)
    return pattern


OWN_TOKENS: Final = {
    "needs": "own-tokens:read", "changes": "own-tokens:write", "section": "tokens",
}  # fmt: skip
LIST_OF_OWN: Final = {
    "needs": "own-tokens:read", "writes": "own-tokens:write", "section": "tokens",
}  # fmt: skip
"""Here one needs no more than tokens of one's own; who governs all of them sees all."""

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
    _own("second-factor/", OwnRequireFactor, "second-factor"),
    _own("ledger/", Ledger, "ledger"),
    _own("ledger/export/", LedgerExport, "ledger-export"),
    _own("ledger/<uuid:id>/", LedgerEntry, "ledger-entry"),
    _own("jobs/", Jobs, "jobs"),
    _own("jobs/<id:id>/", JobPage, "job"),
    _own("jobs/<id:id>/file/", JobFile, "job-file"),
    _own("sso/", sso.ProviderPage, "sso"),
    *(_own(f"sso/{address}/", page, name) for address, page, name in SSO),
    _own("members/", member_list.Members, "members", section="members"),
    _own("members/invite/", invitations.Invite, "member-invite"),
    *(
        _own(f"members/<id:id>/{verb}/", page, f"member-{name}", section="members")
        for verb, name, page in (
            ("role", "change", members.ChangeMember),
            ("disable", "disable", members.DisableMember),
            ("enable", "enable", members.EnableMember),
        )
    ),
    _own("invitations/", invitations.Invitations, "invitations"),
    _own("invitations/<id:id>/again/", invitations.SendAgain, "invitation-again"),
    _own("invitations/<id:id>/withdraw/", invitations.Withdraw, "invitation-withdraw"),
    _own("tokens/", management_tokens.Tokens, "tokens", **LIST_OF_OWN),
    _own("tokens/new/", management_tokens.NewToken, "token-new", **OWN_TOKENS),
    _own("tokens/<id:id>/revoke/", management_tokens.RevokeToken, "token-revoke", **OWN_TOKENS),
    _own("gateway/", Guide, "guide"),
    _own("gateway/<id:id>/<str:file>", GuideFile, "guide-file"),
]
