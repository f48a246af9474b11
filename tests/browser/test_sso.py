"""In Chromium through a certified provider: from the sign-in page to a tenant's own pages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.tenancy.models import IdentityProvider, ProviderDomain
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.configuring import Definition, create_provider
from portal.tenancy.sso.domains import claim_domain
from portal.tenancy.sso.provider import PLATFORM
from tests.browser.conftest import Open, Story
from tests.browser.server import Portal
from tests.browser.test_first_run import code_of
from tests.browser.watch import Tab
from tests.cast import Cast
from tests.pages.browser import staff
from tests.sso.real import Real, certified

__all__ = ["certified"]
CLIENT = "countersign"


@pytest.fixture
def real(certified: Path) -> Real:
    return Real(certified)


@pytest.fixture
def ours(real: Real) -> Iterator[Portal]:
    """A portal that may reach providers on loopback, and has this one for its own too."""
    portal = Portal(
        OIDC_PRIVATE_NETWORKS="127.0.0.0/8", OIDC_ISSUER=real.issuer, OIDC_CLIENT_ID=CLIENT,
        OIDC_NAME="Head office", OIDC_DOMAINS="office.example", OIDC_ROLE_CLAIM="groups",
        OIDC_AUDITOR_VALUES="keys", OIDC_MFA_AMR="mfa",
    )  # fmt: skip
    yield portal
    portal.stop()


def provided(cast: Cast, real: Real) -> IdentityProvider:
    """Acme's provider, on, with a verified domain."""
    who: dict[str, Any] = {"actor": cast.owner, "tenant_id": cast.tenant.id}
    row = create_provider(
        **who,
        definition=Definition(
            name="Acme’s provider", issuer=real.issuer, client_id=CLIENT, default_role="developer"
        ),
    )
    claimed = claim_domain(**who, provider_id=row.id, domain=f"{cast.tenant.slug}.example")
    with platform_scope("a test turns it on"):
        IdentityProvider.objects.filter(id=row.id).update(is_active=True)
        ProviderDomain.objects.filter(id=claimed.id).update(verified_at=claimed.created_at)
    return row


def client(portal: Portal, provider_id: str) -> dict[str, Any]:
    return {
        "client_id": CLIENT, "token_endpoint_auth_method": "none",
        "redirect_uris": [f"{portal.base}/sso/back/{provider_id}"],
    }  # fmt: skip


def sign_in_there(page: Page, account: str) -> None:
    """On the provider's own page, which the portal's page went on to by itself."""
    expect(page.get_by_role("heading", name="The provider")).to_be_visible()
    page.get_by_label("Account").fill(account)
    page.get_by_role("button", name="Sign in").click()


def forgive(tab: Tab, real: Real) -> None:
    """Requests to the provider are what this is about; nothing else is forgiven."""
    tab.faults[:] = [fault for fault in tab.faults if real.issuer not in fault]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_someone_new_comes_through_their_organisation(
    browse: Open, ours: Portal, real: Real, acme: Cast, scripts: bool
) -> None:
    row, slug = provided(acme, real), acme.tenant.slug
    tab = browse(base=ours.base, scripts=scripts)
    page = tab.open("/admin/login/")
    page.get_by_role("link", name="Sign in through your organisation").click()
    assert not scripts or tab.axe() == []
    page.get_by_label("E-mail").fill(f"grace@{slug}.example")
    with real.running(client(ours, row.id)):
        page.get_by_role("button", name="Continue").click()
        sign_in_there(page, f"grace@{slug}.example")
        # It said nothing of a second factor, so one is set up here.
        expect(page.get_by_role("heading", name="Set up your second factor")).to_be_visible()
    assert not scripts or tab.axe() == []
    page.get_by_label("Six-digit code").fill("000000")
    page.get_by_label("I have stored the codes").check()
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page.get_by_text("Check your phone’s clock")).to_be_visible()
    page.get_by_label("Six-digit code").fill(code_of(page))
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page).to_have_url(f"{ours.base}/t/{slug}/")
    # It is Acme's alone: how she signs in is not changed from here, nor is the platform seen.
    page.goto(f"{ours.base}/admin/security/")
    expect(page.get_by_role("heading", name="This is not open to this browser")).to_be_visible()
    assert not scripts or tab.axe() == []
    forgive(tab, real)


def test_a_person_is_invited_to_the_platforms_provider(browse: Open, ours: Portal) -> None:
    tab = browse(staff("Sol Okafor", "security_admin"), base=ours.base)
    page = tab.open(f"/admin/people/{staff('Ira Bloom', 'auditor').id}/")
    page.get_by_role("link", name="Invite to Head office").click()
    assert tab.axe() == [] and tab.overflow() == []
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_text("is invited, for seven days")).to_be_visible()


def test_an_auditor_comes_through_the_platforms_provider(
    browse: Open, ours: Portal, real: Real
) -> None:
    tab = browse(base=ours.base, phone=True)
    page = tab.open("/admin/login/?next=/admin/ledger/")
    assert tab.axe() == [] and tab.overflow() == []
    with real.running(client(ours, PLATFORM), mfa=True):
        page.get_by_role("button", name="Sign in through Head office").click()
        sign_in_there(page, "ira@office.example")
        expect(page).to_have_url(f"{ours.base}/admin/ledger/")
        page.goto(f"{ours.base}/admin/logout/")
        page.get_by_role("button", name="Log out").last.click()
        # Somebody of another domain is told why, and is nobody here.
        tab.page.context.clear_cookies()
        page = tab.open("/sso/platform/")
        page.get_by_role("button", name="Continue to Head office").click()
        sign_in_there(page, "eve@elsewhere.example")
    expect(page.get_by_role("heading", name="That did not work")).to_be_visible()
    assert tab.axe() == [] and tab.overflow() == []
    forgive(tab, real)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_of_a_provider_hold_together(browse: Open, story: Story, dark: bool) -> None:
    session = story.told["session"]
    for tab in (
        browse(base=story.portal.base, session=session, dark=dark),
        browse(base=story.portal.base, session=session, dark=dark, phone=True),
    ):
        for path in story.told["sso"]:
            tab.open(path)
            assert tab.axe() == [] and tab.overflow() == [], path
