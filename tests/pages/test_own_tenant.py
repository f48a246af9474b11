"""`/t/<slug>/`: a tenant's pages are its members' alone, and show nothing of another one."""

import pytest
from django.test import Client

from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import Person
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser, staff


def browser_of(cast: Cast, role: str) -> Browser:
    with platform_scope("a test signs someone in"):
        return Browser(Person.objects.get(id=getattr(cast, role).id))


@pytest.fixture
def ada(acme: Cast) -> Browser:
    """Acme's owner."""
    return browser_of(acme, "owner")


def test_a_member_sees_the_own_tenants_keys_and_no_others(
    ada: Browser, acme: Cast, globex: Cast
) -> None:
    acme.issue(name="ours")
    globex.issue(name="theirs")
    page = ada.get(f"/t/{acme.tenant.slug}/keys/")
    assert page.status == 200
    assert "ours" in page.text and "theirs" not in page.text
    assert acme.tenant.name in page.text and "All tenants" not in page.text


def test_a_foreign_tenant_answers_as_one_that_is_not(
    ada: Browser, globex: Cast, sol: Browser
) -> None:
    def told(browser: Browser, slug: str) -> tuple[int, str]:
        page = browser.get(f"/t/{slug}/keys/")
        id = page.headers["x-request-id"]
        return page.status, page.html.replace(slug, "#").replace(id, "#")

    foreign = told(ada, globex.tenant.slug)
    assert foreign == told(ada, "no-such-tenant")
    assert foreign[0] == 404
    # A role on the platform makes nobody a member.
    assert told(sol, globex.tenant.slug)[0] == 404


def test_who_left_sees_nothing_from_the_next_request_on(acme: Cast) -> None:
    ben = browser_of(acme, "developer")
    path = f"/t/{acme.tenant.slug}/keys/"
    assert ben.get(path).status == 200
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, reason="left",
        membership_id=acme.memberships["developer"].id,
    )  # fmt: skip
    assert ben.get(path).status == 404


def test_in_a_suspended_tenant_one_may_look_and_change_nothing(ada: Browser, acme: Cast) -> None:
    path = f"/t/{acme.tenant.slug}/keys/"
    acme.issue()
    assert "Create key" in ada.get(path).text
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    page = ada.get(path)
    assert page.status == 200 and "Create key" not in page.text


def test_who_is_in_one_tenant_is_taken_there_and_others_choose(
    ada: Browser, acme: Cast, globex: Cast
) -> None:
    assert ada.get("/t/").goes_to == f"/t/{acme.tenant.slug}/"
    from portal.tenancy.memberships import add_member

    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=acme.owner.id, role="viewer")
    page = ada.get("/t/")
    assert page.status == 200 and acme.tenant.name in page.text and globex.tenant.name in page.text


def test_nobody_is_sent_to_sign_in_and_who_proved_a_password_alone_to_a_second_factor(
    acme: Cast, nobody: Client
) -> None:
    path = f"/t/{acme.tenant.slug}/keys/"
    assert nobody.get(path).headers["location"] == f"/admin/login/?next={path}"
    with platform_scope("a test signs someone in"):
        ada = Person.objects.get(id=acme.owner.id)
    one_factor = Browser(ada, factors=("pwd",))
    assert one_factor.get(path).goes_to == f"/admin/security/factor/?next={path}"
    assert Browser(staff("Nobody", ""), factors=("pwd",)).get(path).status == 404
