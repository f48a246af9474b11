"""From nothing to the first decision, in a browser, as a stranger would go."""

import base64

from django_otp.oath import totp
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.server import Portal

PASSWORD = "a sentence nobody has leaked yet"


def seed_on(page: Page) -> bytes:
    """What the authenticator app would keep of the key on the page."""
    key = page.locator(".mono").first.inner_text().replace(" ", "")
    return base64.b32decode(key + "=" * (-len(key) % 8))


def code_of(page: Page) -> str:
    """What it would show now."""
    return f"{totp(seed_on(page), t0=0):06d}"


def set_up(page: Page, link: str) -> list[str]:
    """The set-up page, filled in and sent; the recovery codes that it showed."""
    page.goto(link)
    codes = page.locator(".codes li").all_inner_texts()
    page.get_by_label("E-mail").fill("sol@countersign.example")
    page.get_by_label("Name").fill("Sol Okafor")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Six-digit code").fill(code_of(page))
    page.get_by_label("I have stored the codes").check()
    page.get_by_role("button", name="Finish and sign in").click()
    return codes


def create_api(page: Page, base: str) -> None:
    """An API with one scope and one route."""
    page.goto(f"{base}/admin/apis/")
    page.get_by_role("link", name="Create API").click()
    page.get_by_label("Name").fill("Chat")
    page.get_by_label("Slug").fill("chat")
    page.get_by_role("button", name="Create API").click()
    api = page.url
    page.goto(f"{api}scopes/")
    page.get_by_label("Name").last.fill("chat:write")
    page.get_by_label("Description").last.fill("Ask a model for an answer")
    review_and_save(page)
    page.goto(f"{api}routes/")
    page.get_by_label("Routes").fill("POST /v1/chat/completions chat:write")
    review_and_save(page)


def review_and_save(page: Page) -> None:
    """The change is shown as a difference, then saved."""
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_be_visible()


def create_tenant(page: Page, base: str) -> None:
    """Acme, with Ada in it, who may use the API."""
    page.goto(f"{base}/admin/tenants/")
    page.get_by_role("link", name="Create tenant").click()
    page.get_by_label("Name").fill("Acme")
    page.get_by_label("Slug").fill("acme")
    page.get_by_role("button", name="Create tenant").click()
    page.goto(f"{base}/admin/people/")
    page.get_by_role("link", name="Create person").click()
    page.get_by_label("Name").fill("Ada Lindqvist")
    page.get_by_label("E-mail").fill("ada@acme.example")
    page.get_by_role("button", name="Create person").click()
    page.goto(f"{base}/admin/tenants/acme/")
    page.get_by_role("link", name="Add member").click()
    page.get_by_label("E-mail").fill("ada@acme.example")
    page.get_by_label("Role").select_option("owner")
    page.get_by_role("button", name="Add member").click()
    expect(page.locator("body")).to_contain_text("Ada Lindqvist is a member of Acme now.")
    page.goto(f"{base}/admin/apis/")
    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_role("link", name="Grant").first.click()
    page.get_by_label("Tenant").select_option("acme")
    page.get_by_role("button", name="Grant").click()


def create_gateway(page: Page, base: str) -> str:
    """A gateway for Acme; its credential."""
    page.goto(f"{base}/admin/gateways/")
    page.get_by_role("link", name="Create gateway").first.click()
    page.get_by_label("Name").fill("edge")
    page.get_by_label("live", exact=True).check()
    page.get_by_label("Acme").check()
    page.get_by_role("button", name="Create gateway").click()
    return page.locator(".secret output").inner_text().strip()


def create_key(page: Page, base: str) -> str:
    """A key of Acme's; its secret."""
    page.goto(f"{base}/admin/keys/")
    page.get_by_role("link", name="Create key").first.click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name", exact=True).first.fill("first")
    page.get_by_label("Owner").select_option(index=1)
    page.get_by_label("chat:write").check()
    page.get_by_role("button", name="Create key").click()
    return page.locator(".secret output").inner_text().strip()


def test_from_the_set_up_link_to_the_first_decision(
    browse: Open, first: tuple[Portal, str]
) -> None:
    portal, link = first
    tab = browse(base=portal.base)
    page = tab.page
    page.goto(link)
    assert tab.axe() == []
    assert tab.overflow() == []
    set_up(page, link)
    expect(page).to_have_url(f"{portal.base}/admin/")
    assert tab.axe() == []
    create_api(page, portal.base)
    create_tenant(page, portal.base)
    gateway = create_gateway(page, portal.base)
    key = create_key(page, portal.base)
    assert portal.ask(gateway, key, "chat:write")["code"] == "OK"


def give_password(page: Page) -> None:
    page.get_by_label("E-mail").fill("sol@countersign.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def test_without_scripts_the_link_works_once_and_sign_in_takes_both_factors(
    browse: Open, first: tuple[Portal, str]
) -> None:
    portal, link = first
    page = browse(base=portal.base, scripts=False).page
    codes = set_up(page, link)
    assert len(codes) == 8
    expect(page).to_have_url(f"{portal.base}/admin/")
    expect(page.locator("h1")).to_have_text("Overview")
    page.goto(link)
    expect(page.locator("body")).to_contain_text("setup_link")
    page.goto(f"{portal.base}/admin/")
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{portal.base}/admin/ledger/")
    give_password(page)
    page.get_by_label("Six-digit code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".error")).to_be_visible()
    page.get_by_role("link", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{portal.base}/admin/ledger/")
    before = page.locator("table.list tbody tr").count()
    page.get_by_label("Event").select_option("login.failed")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("table.list tbody tr")
    assert 0 < rows.count() < before
    for row in rows.all():
        expect(row).to_contain_text("login.failed")
    page.get_by_role("link", name="Clear").click()
    assert page.locator("table.list tbody tr").count() >= before
