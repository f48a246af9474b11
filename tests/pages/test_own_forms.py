"""Every form of a tenant's: what is missing, oversized, forged or NUL changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from keys.suspension import suspend_key
from portal.tenancy.factor_policy import waive_factor
from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import ManagementToken
from portal.tenancy.scope import platform_scope
from portal.tenant_site import PAGES
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser
from tests.pages.sso_forms import with_provider
from tests.pages.test_every_form import (
    FEW,
    HARMLESS,
    Change,
    Db,
    digest,
    fields_of,
    forged,
    last_scope,
    missing,
    null,
    oversized,
    posted,
    shared_limit,
)

NO_FORM = {
    "index", "keys", "key", "decisions", "decision", "usage", "limits", "limit", "ledger",
    "ledger-entry", "sso", "members", "invitations", "tokens", "guide", "guide-file",
    "jobs", "job", "job-file",
}  # fmt: skip
"""Pages that only show, or whose form changes nothing."""
ELSEWHERE = {
    "ledger-export": "tests/pages/test_own_ledger.py",
    "sso-domain": "it has no field",
    "sso-domain-remove": "it has no field",
    "invitation-again": "it has no field",
    "invitation-withdraw": "it has no field",
}


@pytest.fixture
def forms(acme: Cast) -> dict[str, str]:
    """The address of every form, by its page's name."""
    key, asleep = acme.issue(name="billing", scopes=["models:read"]).key, acme.issue().key
    suspend_key(actor=acme.owner, key_id=asleep.id, reason="tests")
    waive_factor(actor=OPERATOR, tenant_id=acme.tenant.id, reason="tests")
    member, left = acme.memberships["developer"].id, acme.memberships["viewer"].id
    disable_membership(actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=left, reason="tests")
    with platform_scope("a test looks a token up"):
        token = ManagementToken.objects.get(tenant=acme.tenant).id
    found = {
        "key-new": "keys/new", "key-edit": f"keys/{key.id}/edit",
        "key-suspend": f"keys/{key.id}/suspend", "key-revoke": f"keys/{key.id}/revoke",
        "key-resume": f"keys/{asleep.id}/resume",
        "limit-edit": f"limits/{shared_limit(acme)}/edit", "second-factor": "second-factor",
        "member-invite": "members/invite", "member-change": f"members/{member}/role",
        "member-disable": f"members/{member}/disable", "member-enable": f"members/{left}/enable",
        "token-new": "tokens/new", "token-revoke": f"tokens/{token}/revoke",
        **with_provider(acme).of_tenant(),
    }  # fmt: skip
    return {name: f"/t/{acme.tenant.slug}/{path}/" for name, path in found.items()}


def test_every_page_with_a_form_is_walked(forms: dict[str, str]) -> None:
    assert {str(page.name) for page in PAGES} == {*forms, *NO_FORM, *ELSEWHERE}


def test_no_page_with_a_form_asks_more_than_fifteen_questions(
    ada: Browser, forms: dict[str, str], queries: Callable[[], Any]
) -> None:
    for name, path in forms.items():
        with queries() as told:
            page = ada.get(path)
        assert len(told.captured_queries) <= FEW, (name, len(told.captured_queries))
        fields = fields_of(page)
        for step in ("compare", "save"):
            with queries() as told:
                answer = ada.post(path, **{**fields, "reason": "", "name": "", "step": step})
            assert answer.status == 302 or last_scope(told) <= FEW, (name, step, last_scope(told))


@pytest.mark.parametrize("change", [missing, oversized, forged, null], ids=lambda c: c.__name__)
def test_no_form_does_anything_with_a_field_that_is(
    ada: Browser, forms: dict[str, str], owner_db: Db, change: Change
) -> None:
    before = digest(owner_db)
    for path in forms.values():
        for name, step, answer in posted(ada, path, change):
            told = (path, name, step, answer.status, answer.text[:300])
            assert digest(owner_db) == before, told
            same = "Nothing differs" in answer.text
            shown = answer.status == 200 and (step == "compare" or same)
            assert 400 <= answer.status < 500 or shown or name in HARMLESS, told
            assert answer.status == 302 or answer.html.count("<h1") == 1, told
