"""The one table: every address, and what it takes to see it and to send its form.

A new route without a row fails (test_cells). To add one: its name, the action of the matrix that it
takes, which objects its address names, and, if it has a form, what to type so that it does
something. Objects are made by tests.roles.world: `id="key"` is `World.key`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from portal.records.tables import MODELS
from tests.cast import SCOPES
from tests.roles.world import World

Typed = dict[str, Any] | Callable[[World, str], dict[str, Any]]
ROLES: Final = (
    "security_admin", "auditor", "owner", "developer", "privacy_officer", "viewer", "stranger",
    "nobody",
)  # fmt: skip
"""A `stranger` owns another tenant. `nobody` is not signed in."""
PLATFORM: Final = ("security_admin", "auditor")
MEMBERS: Final = ("owner", "developer", "privacy_officer", "viewer")

EVERYBODY: Final = "everybody"
SIGNED_IN: Final = "signed in"
NOT_SIGNED_IN: Final = "not signed in"
INVITED: Final = "who is invited"
WHOSE_IT_IS: Final = "whose it is"
"""Both: none of those who walk."""
NO_ONE: Final = "no one"
"""In place of an action."""
LEADS_ON: Final = 0
"""In place of a status: who is in one tenant alone is taken there."""


@dataclass(frozen=True)
class Row:
    """What one address takes. `send` empty: it has no form."""

    see: str
    send: str = ""
    typed: Typed = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """What stands in the address, by kind; another one is made for each form that is sent."""
    query: str = ""
    """Appended to the address, formatted with the world."""
    shows: int = 200
    """What who may see it is answered."""
    done: int = 302
    """What who sent it well is answered."""
    refuses: int = 404
    """What an address that opens nothing for anybody here answers."""
    sent: str = ""
    """The test that sends its form, where that would end the walk."""


def row(see: str, send: str = "", typed: Typed | None = None, **more: Any) -> Row:
    """A row whose other keywords are what stands in its address."""
    known = {n: more.pop(n) for n in ("query", "shows", "done", "refuses", "sent") if n in more}
    return Row(see, send, typed or {}, more, **known)


def form(action: str, typed: Typed | None = None, **more: Any) -> Row:
    """A page that is only shown to who may send it."""
    return row(action, action, typed, **more)


WHY: Final = {"reason": "tests"}
KEY: Final = {
    "name": "walked", "environment": "live", "expiry": "90", "purposes_rule": "any",
}  # fmt: skip
TOKEN: Final = {"name": "walked", "scopes": ["keys:read"], "expiry": "90"}
AMOUNT: Final = {"amount": "8", "step": "save"}
EXPORT: Final = {"format": "csv"}


def new_key(world: World, role: str) -> dict[str, Any]:
    return {**KEY, "owner": world.members["owner"].id}


def new_token(world: World, role: str) -> dict[str, Any]:
    mine = world.members[role if role in MEMBERS else "owner"]
    return {**TOKEN, "creator": mine.id}


def rest_key(world: World, role: str) -> dict[str, Any]:
    api = world.acme.api.slug
    return {"name": "walked", "environment": "live", "scopes": [], "api": api}


def scope_rows(world: World, role: str) -> dict[str, Any]:
    return {"step": "save", f"s{len(SCOPES)}-name": f"walked:{world.next()}"}


PROVIDER: Final[dict[str, Row]] = {
    "sso": row("sso:read"),
    "sso-edit": form("sso:write", {"name": "Walked"}),
    # Turning it on and verifying a domain ask servers elsewhere.
    "sso-on": row("sso:write", sent="tests/sso/test_pages.py"),
    "sso-off": form("sso:write", WHY),
    "sso-invite": row("sso:write", sent="tests/sso/test_pages.py"),
    "sso-domain-new": form("sso:write", lambda w, r: {"domain": f"{w.next()}.example"}),
    "sso-domain": row("sso:write", id="domain", sent="tests/sso/test_pages.py"),
    "sso-domain-remove": form("sso:write", id="domain"),
    "sso-token-new": form("sso:write", {"name": "walked"}, done=200),
    "sso-token-revoke": form("sso:write", WHY, id="directory_token"),
}
"""Of a tenant's identity provider: alike in both areas."""


ADMIN: Final[dict[str, Row]] = {
    "index": row("usage:read"),
    "overview-csv": row("usage:read"),
    "ledger": row("audit:read"),
    # Few entries: of many it makes a job (tests/pages/test_jobs.py).
    "ledger-export": form("audit:read", EXPORT, done=200, query="?type=mail.read"),
    "ledger-entry": row("audit:read", id="entry"),
    "jobs": row("usage:read"),
    # One's own alone; whose it is not finds none.
    "job": row("usage:read", id="no_job", shows=404, sent="tests/pages/test_jobs.py"),
    "job-file": row("usage:read", id="no_job", shows=404, sent="tests/pages/test_jobs.py"),
    "records": row("tenants:read"),
    "tenants": row("tenants:read"),
    "tenant-new": form(
        "tenants:write", lambda w, r: {"slug": f"walked-{w.next()}", "name": "Walked"}
    ),
    "tenant": row("tenants:read", slug="tenant"),
    "tenant-suspend": form("tenants:write", WHY, slug="quiet_tenant"),
    "tenant-resume": form("tenants:write", WHY, slug="suspended_tenant"),
    "members": row("members:read", slug="tenant"),
    "member-add": form(
        "tenants:write", lambda w, r: {"email": w.somebody().email, "role": "viewer"},
        slug="tenant",
    ),
    "member-change": form("members:write", {"role": "viewer"}, slug="tenant", id="member"),
    "member-disable": form("members:write", WHY, slug="tenant", id="member"),
    "member-enable": form("members:write", WHY, slug="tenant", id="left_member"),
    "tenant-require-factor": form("tenants:write", WHY, slug="waived_tenant"),
    "tenant-waive-factor": form("tenants:write", WHY, slug="quiet_tenant"),
    "people": row("people:read"),
    "person-new": form(
        "tenants:write", lambda w, r: {"name": "Walked", "email": f"{w.next()}@walked.example"}
    ),
    "person": row("people:read", id="person"),
    "person-role": form("tenants:write", {"role": "auditor", **WHY}, id="person"),
    "person-invite": form("tenants:write", id="person"),
    "person-disable": form("tenants:write", WHY, id="person"),
    "person-enable": form("tenants:write", WHY, id="disabled_person"),
    "person-sessions": form("tenants:write", WHY, id="person_signed_in"),
    "person-sso": form("tenants:write", id="person"),
    "person-untie": form("tenants:write", WHY, id="tied_person", identity="identity"),
    "outbox": row("mail:read"),
    "mail": row("mail:read", "tenants:write", id="mail", done=200),
    **{name: replace(row, ids={"slug": "tenant", **row.ids}) for name, row in PROVIDER.items()},
    "keys": row("keys:read"),
    "key-new": form("keys:write", new_key, query="?tenant={tenant}&api={api}", done=200),
    # Its form asks the trial's question, which changes nothing.
    "key": form("keys:read", id="key", done=200),
    "key-edit": form("keys:write", {"name": "renamed", "step": "save"}, id="key"),
    "key-suspend": form("keys:write", WHY, id="key"),
    "key-resume": form("keys:write", WHY, id="suspended_key"),
    "key-revoke": form("keys:write", WHY, id="key"),
    "apis": row("apis:read"),
    "api-new": form("apis:write", lambda w, r: {"name": "Walked", "slug": f"walked-{w.next()}"}),
    "api": row("apis:read", id="api"),
    "api-scopes": form("apis:write", scope_rows, id="api"),
    "api-routes": form("apis:write", {"routes": "GET /walked chat:write", "step": "save"},
                       id="api"),
    "api-try": row("apis:read", id="api"),
    "api-grant": form("apis:write", lambda w, r: {"tenant": w.acme.tenant.slug}, id="api"),
    "api-withdraw": form("apis:write", WHY, id="granted_api", tenant="tenant_id"),
    "gateways": row("gateways:read"),
    "gateway-new": form(
        "gateways:write",
        lambda w, r: {"name": "walked", "tenants": [w.acme.tenant.id], "environments": ["live"]},
        query="?api={api_id}", done=200,
    ),
    "gateway": row("gateways:read", id="gateway"),
    "gateway-edit": form("gateways:write", {"name": "renamed", "step": "save"}, id="gateway"),
    "gateway-disable": form("gateways:write", WHY, id="gateway"),
    "tokens": row("tokens:read", slug="tenant"),
    "token-new": form("tokens:write", new_token, slug="tenant", done=200),
    "token-revoke": form("tokens:write", WHY, slug="tenant", id="token"),
    "decisions": row("usage:read"),
    "decision": row("usage:read", id="decision"),
    "usage": row("usage:read"),
    "limits": row("limits:read"),
    "limit": row("limits:read", id="limit"),
    "limit-edit": form("limits:write", AMOUNT, id="limit"),
    "login": row(NOT_SIGNED_IN, EVERYBODY, done=400),
    "login-code": row(NO_ONE, NO_ONE, refuses=302),
    "login-recovery": row(NO_ONE, NO_ONE, refuses=302),
    "login-factor": row(EVERYBODY),
    "login-forgot": row(EVERYBODY, EVERYBODY, done=400),
    "login-passkey": row(NOT_SIGNED_IN, EVERYBODY, done=400),
    "login-code-passkey": row(NO_ONE, NO_ONE, refuses=302),
    "logout": row(SIGNED_IN, sent="tests/pages/test_sign_in.py"),
    # What they do to oneself needs a code: tests/pages/test_sessions.py and
    # test_passkeys.py. Here it is only asked for.
    "security": row(SIGNED_IN),
    "security-password": form(SIGNED_IN, done=400),
    # Who walks has no second factor, and is led to where one begins.
    "security-codes": form(SIGNED_IN, shows=302),
    "security-app": form(SIGNED_IN, shows=302),
    "security-prove": form(SIGNED_IN, done=400),
    "security-factor": row(SIGNED_IN, sent="tests/pages/test_factor_policy.py"),
    "security-passkey-new": row(SIGNED_IN, shows=302, sent="tests/pages/test_passkeys.py"),
    "security-passkey-name": row(WHOSE_IT_IS, WHOSE_IT_IS, id="passkey"),
    "security-passkey-remove": row(WHOSE_IT_IS, WHOSE_IT_IS, id="passkey"),
    "security-sessions": row(SIGNED_IN, sent="tests/pages/test_sessions.py"),
    "security-session": row(WHOSE_IT_IS, WHOSE_IT_IS, ref="no_session"),
    "password_change": form(SIGNED_IN, done=400),
}  # fmt: skip
"""Below /admin/, for the platform's people."""

TENANT: Final[dict[str, Row]] = {
    "index": row("usage:read"),
    "keys": row("keys:read"),
    "key-new": form("keys:write", new_key, query="?tenant={tenant}&api={api}", done=200),
    "key": form("keys:read", id="key", done=200),
    "key-edit": form("keys:write", {"name": "renamed", "step": "save"}, id="key"),
    "key-suspend": form("keys:write", WHY, id="key"),
    "key-resume": form("keys:write", WHY, id="suspended_key"),
    "key-revoke": form("keys:write", WHY, id="key"),
    "decisions": row("usage:read"),
    "decision": row("usage:read", id="decision"),
    "usage": row("usage:read"),
    "limits": row("limits:read"),
    "limit": row("limits:read", id="limit"),
    "limit-edit": form("limits:write", AMOUNT, id="limit"),
    "ledger": row("audit:read"),
    "ledger-export": form("audit:read", EXPORT, done=200),
    "ledger-entry": row("audit:read", id="entry"),
    "second-factor": form("policy:write", WHY),
    "jobs": row("usage:read"),
    # One's own alone; whose it is not finds none.
    "job": row("usage:read", id="no_job", shows=404, sent="tests/pages/test_jobs.py"),
    "job-file": row("usage:read", id="no_job", shows=404, sent="tests/pages/test_jobs.py"),
    "members": row("members:read"),
    "member-invite": form(
        "members:write", lambda w, r: {"email": f"{w.next()}@walked.example", "role": "viewer"}
    ),
    "member-change": form("members:write", {"role": "viewer"}, id="member"),
    "member-disable": form("members:write", WHY, id="member"),
    "member-enable": form("members:write", WHY, id="left_member"),
    "invitations": row("members:write"),
    "invitation-again": form("members:write", id="invitation"),
    "invitation-withdraw": form("members:write", id="invitation"),
    "tokens": row("own-tokens:read"),
    "token-new": form("own-tokens:write", new_token, done=200),
    "token-revoke": form("own-tokens:write", WHY, id="own_token"),
    **PROVIDER,
    "guide": row("gateways:read"),
    "guide-file": row("gateways:read", id="gateway", file="guide_file"),
}  # fmt: skip
"""Below /t/<slug>/, for its members."""

OTHERS: Final[dict[str, Row]] = {
    "home": row(EVERYBODY),
    "docs": row(EVERYBODY),
    "openapi": row(EVERYBODY),
    "healthz": row(EVERYBODY),
    "readyz": row(EVERYBODY),
    "metrics": row(NO_ONE, sent="tests/api/test_health.py"),
    "setup": row(NO_ONE, NO_ONE, token="dead_link"),
    "join": row(NO_ONE, NO_ONE, token="dead_link"),
    "reset": row(NO_ONE, NO_ONE, token="dead_link"),
    "choice": row(SIGNED_IN, shows=LEADS_ON),
    "invitation": row(INVITED, INVITED, id="invitation"),
    "sso": form(EVERYBODY, done=400),
    "sso-platform": row(EVERYBODY, sent="tests/sso/test_platform.py"),
    "sso-tenant": row(NO_ONE, slug="tenant"),
    "sso-back": row(NO_ONE, provider="dead_link", refuses=400, sent="tests/sso/test_hostile.py"),
    "sso-code": row(NO_ONE, NO_ONE, refuses=302),
    "sso-recovery": row(NO_ONE, NO_ONE, refuses=302),
    "sso-factor": row(NO_ONE, NO_ONE, refuses=302),
    "sso-link": row(SIGNED_IN, sent="tests/sso/test_linking.py"),
}
"""Below /, for whoever comes."""

REST: Final[dict[tuple[str, str], Row]] = {
    ("keys", "GET"): row("keys:read"),
    ("keys", "POST"): row("keys:write", typed=rest_key, shows=201),
    ("key", "GET"): row("keys:read", id="key"),
    ("key", "PATCH"): row("keys:write", typed={"name": "renamed"}, id="key"),
    ("key-suspend", "POST"): row("keys:write", typed=WHY, id="key"),
    ("key-resume", "POST"): row("keys:write", typed=WHY, id="suspended_key"),
    ("key-revoke", "POST"): row("keys:write", typed=WHY, id="key"),
    ("limits", "GET"): row("limits:read"),
    ("limit", "GET"): row("limits:read", id="limit"),
    ("limit", "PATCH"): row("limits:write", typed={"amount": 8}, id="limit"),
    ("usage", "GET"): row("usage:read"),
    ("audit-events", "GET"): row("audit:read"),
    # For a directory token alone: tests/sso/test_members_api.py.
    ("members", "GET"): row(NO_ONE),
    ("member", "GET"): row(NO_ONE, id="member"),
    ("member-disable", "POST"): row(NO_ONE, typed=WHY, id="member"),
}
"""Below /v1/tenants/<tenant>/, for management tokens: by name and method."""

STOCK: Final = {
    f"{model._meta.app_label}_{model._meta.model_name}_{page}": kind
    for model in MODELS
    for page, kind in (
        ("changelist", "shown"), ("change", "shown"), ("history", "leads to the ledger"),
        ("add", "refused"), ("delete", "refused"),
    )
}  # fmt: skip
"""Django's own pages of the governed tables: they show, and change nothing for anybody."""

BESIDE: Final = {
    "jsi18n", "autocomplete", "view_on_site", "app_list",
}  # fmt: skip
"""What Django's site brings along and no page of ours uses."""
