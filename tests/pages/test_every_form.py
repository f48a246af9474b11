"""Every form of the admin: a field that is missing, oversized, forged or NUL changes nothing."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from keys.models import Limit
from keys.suspension import suspend_key
from portal.admin_site import PAGES
from portal.tenancy.apis import create_api
from portal.tenancy.factor_policy import waive_factor
from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import ManagementToken
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, ROUTES, SCOPES, Cast
from tests.pages import sso_forms
from tests.pages.app import someone
from tests.pages.browser import Browser, Page, session_of, staff

Db = psycopg.Connection[Any]
GOVERNED = """
SELECT string_agg(t::text, '' ORDER BY t::text) FROM {} t
"""
TABLES = (
    "keys_apikey", "keys_secret", "keys_limit", "keys_keylimit", "tenancy_tenant", "tenancy_person",
    "tenancy_membership", "tenancy_api", "tenancy_scope", "tenancy_route", "tenancy_apigrant",
    "tenancy_gateway", "tenancy_gatewaytenant", "tenancy_managementtoken", "tenancy_totp",
    "tenancy_recoverycode", "tenancy_passkey", "tenancy_invitation", "tenancy_passwordreset",
    "tenancy_tenantinvitation", "core_mail", *sso_forms.TABLES,
)  # fmt: skip
NO_FORM = {
    "index", "overview-csv", "ledger", "ledger-entry", "records", "tenants", "tenant", "people",
    "person", "outbox", "mail", "keys", "key", "apis", "api", "api-try", "gateways", "gateway",
    "tokens", "decisions", "decision", "usage", "limits", "limit", "security",
    "login-code", "login-recovery", "login-factor", "login-code-passkey", "sso", "members", "jobs",
    "job", "job-file",
}  # fmt: skip
"""Pages that only show, or whose form changes nothing."""
ELSEWHERE = {
    "login": "tests/pages/test_sign_in.py",
    **dict.fromkeys(
        (
            "login-passkey",
            "security-passkey-new",
            "security-passkey-name",
            "security-passkey-remove",
        ),
        "tests/pages/test_passkeys.py",
    ),
    "logout": "it has no field",
    "login-forgot": "tests/pages/test_reset.py",
    "security-sessions": "it has no field",
    "security-session": "it has no field",
    "security-factor": "it has no field",
    "security-prove": "tests/pages/test_proving.py",
    "person-invite": "it has no field but the one that makes it good once",
    "ledger-export": "tests/pages/test_ledger.py",
    "password_change": "the same page as security-password",
    **sso_forms.ELSEWHERE,
}


HARMLESS = {"since"}
"""Fields that only help to tell who changed the same meanwhile."""


def digest(database: Db) -> dict[str, Any]:
    """Everything governed, table by table."""
    return {table: database.execute(GOVERNED.format(table)).fetchone() for table in TABLES}


def shared_limit(cast: Cast) -> str:
    """The id of a smooth limit that a key of theirs shares."""
    bucket = {
        "name": "bucket", "unit": "requests", "amount": 60, "window": "minute", "burst": 90,
        "algorithm": "smooth", "shared_by": "tenant",
    }  # fmt: skip
    cast.issue(name="sharing", limits=[bucket])
    with platform_scope("a test looks a limit up"):
        return Limit.objects.get(tenant=cast.tenant, key=None).id


@pytest.fixture
def forms(acme: Cast, globex: Cast) -> dict[str, str]:
    """The address of every form, by its page's name."""
    key = acme.issue(
        name="billing", allowed_cidrs=["203.0.113.0/24"], allowed_models=["gpt-4o"],
        scopes=["models:read"], metadata={"team": "payments"}, purposes=["support"],
        limits=[{"name": "day", "unit": "requests", "amount": 9, "window": "day",
                 "algorithm": "calendar", "shared_by": "key"}],
    ).key  # fmt: skip
    pool = shared_limit(acme)
    asleep = acme.issue(name="asleep").key
    suspend_key(actor=acme.owner, key_id=asleep.id, reason="tests")
    other = create_api(
        actor=OPERATOR, slug=f"{acme.api.slug}-2", name="Other", scopes=SCOPES, routes=ROUTES
    )
    who, gone = staff("Kim", "auditor"), staff("Ida", "")
    disable_person(actor=OPERATOR, person_id=gone.id, reason="tests")
    left, member = acme.memberships["viewer"].id, acme.memberships["developer"].id
    disable_membership(actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=left, reason="tests")
    suspend_tenant(actor=OPERATOR, tenant_id=globex.tenant.id, reason="tests")
    waive_factor(actor=OPERATOR, tenant_id=globex.tenant.id, reason="tests")
    session_of(who)
    with platform_scope("a test looks a token up"):
        token = ManagementToken.objects.get(tenant=acme.tenant).id
    tenant, keys, sso = f"tenants/{acme.tenant.slug}", "keys", sso_forms.with_provider(acme)
    found = {
        "tenant-new": "new/tenant", "person-new": "new/person",
        "tenant-suspend": f"{tenant}/suspend",
        "tenant-resume": f"tenants/{globex.tenant.slug}/resume",
        "member-add": f"{tenant}/members/new", "member-change": f"{tenant}/members/{member}/role",
        "member-disable": f"{tenant}/members/{member}/disable",
        "member-enable": f"{tenant}/members/{left}/enable",
        "person-role": f"people/{who.id}/role", "person-disable": f"people/{who.id}/disable",
        "person-enable": f"people/{gone.id}/enable", "person-sessions": f"people/{who.id}/sessions",
        "tenant-waive-factor": f"{tenant}/second-factor/waive",
        "tenant-require-factor": f"tenants/{globex.tenant.slug}/second-factor/require",
        "key-new": f"keys/new/?tenant={acme.tenant.slug}&api={acme.api.slug}",
        "key-edit": f"{keys}/{key.id}/edit", "key-suspend": f"{keys}/{key.id}/suspend",
        "key-revoke": f"{keys}/{key.id}/revoke", "key-resume": f"{keys}/{asleep.id}/resume",
        "limit-edit": f"limits/{pool}/edit",
        "api-new": "apis/new", "api-scopes": f"apis/{acme.api.id}/scopes",
        "api-routes": f"apis/{acme.api.id}/routes", "api-grant": f"apis/{other.id}/grant",
        "api-withdraw": f"apis/{acme.api.id}/withdraw/{acme.tenant.id}",
        "gateway-new": f"gateways/new/?api={acme.api.id}",
        "gateway-edit": f"gateways/{acme.gateway.id}/edit",
        "gateway-disable": f"gateways/{acme.gateway.id}/disable",
        "token-new": f"{tenant}/tokens/new", "token-revoke": f"{tenant}/tokens/{token}/revoke",
        "security-password": "security/password", "security-codes": "security/codes",
        "security-app": "security/app",
        **{name: f"{tenant}/{path}" for name, path in sso.of_tenant().items()},
        "person-untie": f"people/{sso.person}/sso/{sso.identity}/untie",
    }  # fmt: skip
    return {name: f"/admin/{path}{'' if '?' in path else '/'}" for name, path in found.items()}


FEW = 15
"""Questions to the database for one page, its scope's own begin and end included."""


def last_scope(told: Any) -> int:
    """How many questions the page itself took: those before are the session's and the verb's."""
    statements = [each["sql"].strip() for each in told.captured_queries]
    begins = [place for place, sql in enumerate(statements) if sql == "BEGIN"]
    return len(statements) - (begins[-1] if begins else 0)


def test_no_page_with_a_form_asks_more_than_fifteen_questions(
    forms: dict[str, str], queries: Callable[[], Any]
) -> None:
    sol = Browser(someone().person)
    for name, path in forms.items():
        with queries() as told:
            page = sol.get(path)
        assert len(told.captured_queries) <= FEW, (name, len(told.captured_queries))
        fields = fields_of(page)
        for step in ("compare", "save"):
            with queries() as told:
                answer = sol.post(path, **{**fields, "reason": "", "name": "", "step": step})
            assert answer.status == 302 or last_scope(told) <= FEW, (name, step, last_scope(told))


def test_what_is_shown_once_asks_no_more(
    acme: Cast, queries: Callable[[], Any], forms: dict[str, str]
) -> None:
    sol = Browser(staff("Sol", "security_admin"))
    made: dict[str, dict[str, Any]] = {
        "key-new": {"name": "x", "owner": acme.memberships["owner"].id},
        "gateway-new": {"name": "x", "tenants": [acme.tenant.id], "environments": ["live"]},
        "token-new": {"name": "x", "creator": acme.memberships["owner"].id,
                      "scopes": ["keys:read"], "expiry": "90"},
    }  # fmt: skip
    for name, typed in made.items():
        fields = fields_of(sol.get(forms[name]))
        with queries() as told:
            page = sol.post(forms[name], **{**fields, **typed})
        assert page.status == 200 and 'class="secret"' in page.html, (name, page.text[:300])
        assert last_scope(told) <= FEW, (name, last_scope(told))


def test_every_page_with_a_form_is_walked(forms: dict[str, str]) -> None:
    assert {str(page.name) for page in PAGES} == {*forms, *NO_FORM, *ELSEWHERE}


def fields_of(page: Page) -> dict[str, list[str]]:
    held = page.fields()
    return {name: values for name, values in held.items() if name != "csrfmiddlewaretoken"}


def selects(page: Page) -> set[str]:
    return set(re.findall(r'<select name="([^"]+)"', page.html))


Change = Callable[[Page, dict[str, list[str]], str], dict[str, Any] | None]


def missing(page: Page, fields: dict[str, list[str]], name: str) -> dict[str, Any] | None:
    return {other: values for other, values in fields.items() if other != name}


def oversized(page: Page, fields: dict[str, list[str]], name: str) -> dict[str, Any] | None:
    return {**fields, name: "x" * 20_000}


def forged(page: Page, fields: dict[str, list[str]], name: str) -> dict[str, Any] | None:
    return {**fields, name: "forged"} if name in selects(page) else None


def null(page: Page, fields: dict[str, list[str]], name: str) -> dict[str, Any] | None:
    return {**fields, name: "a\0b"}


def posted(browser: Browser, path: str, change: Change) -> Iterator[tuple[str, str, Page]]:
    """The form with one field changed, field by field; reviewed forms straight at the last step."""
    page = browser.get(path)
    assert page.status == 200, (path, page.text[:300])
    fields = fields_of(page)
    assert fields, f"{path} has no field"
    fields = {**fields, "reason": ["tests"]} if "reason" in fields else fields
    for name in fields:
        sent = change(page, fields, name)
        if sent is not None:
            for step in ("compare", "save"):
                yield name, step, browser.post(path, **{**sent, "step": step})


@pytest.mark.parametrize("change", [missing, oversized, forged, null], ids=lambda c: c.__name__)
def test_no_form_does_anything_with_a_field_that_is(
    forms: dict[str, str], owner_db: Db, change: Change
) -> None:
    sol = Browser(someone().person)
    before = digest(owner_db)
    for path in forms.values():
        for name, step, answer in posted(sol, path, change):
            told = (path, name, step, answer.status, answer.text[:300])
            assert digest(owner_db) == before, told
            same = "Nothing differs" in answer.text
            shown = answer.status == 200 and (step == "compare" or same)
            assert 400 <= answer.status < 500 or shown or name in HARMLESS, told
            assert answer.status == 302 or answer.html.count("<h1") == 1, told
