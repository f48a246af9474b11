"""What no link leads to holds together too: sign-in, errors, confirmations, what is shown once."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Story
from tests.browser.server import Portal
from tests.browser.test_first_run import set_up
from tests.browser.watch import Tab
from tests.pages.app import PASSWORD, someone

LOOKS = [{}, {"dark": True}, {"phone": True}]
looks = pytest.mark.parametrize("look", LOOKS, ids=["wide", "dark", "phone"])


def holds(tab: Tab) -> None:
    """No serious finding, nothing wider than the window."""
    assert tab.axe() == [], tab.page.url
    assert tab.overflow() == [], tab.page.url


@looks
def test_what_everybody_may_see(browse: Open, story: Story, look: dict[str, bool]) -> None:
    tab = browse(base=story.portal.base, **look)
    for path in ("/", "/v1/docs", "/admin/login/", "/setup/once-nobodys", "/no-such-page"):
        tab.open(path)
        holds(tab)


@looks
def test_the_steps_of_signing_in(browse: Open, portal: Portal, look: dict[str, bool]) -> None:
    who, tab = someone("Ira", "auditor"), browse(**look)
    page = tab.open("/admin/login/")
    page.get_by_label("E-mail").fill(who.person.email)
    page.get_by_label("Password").fill("not this one at all")
    page.get_by_role("button", name="Continue").click()
    holds(tab)  # with errors
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    holds(tab)
    tab.open("/admin/login/recovery/")
    holds(tab)
    tab.open("/admin/login/code/")
    page.get_by_label("Six-digit code").fill(who.code())
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")


@looks
def test_confirmations_and_errors(browse: Open, story: Story, look: dict[str, bool]) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], **look)
    key = story.told["keys"]["checkout-assistant"]
    page = tab.open(f"/admin/keys/{key}/edit/")
    page.get_by_label("Name", exact=True).first.fill("another name")
    page.get_by_label("Addresses it may call from").fill("203.0.113.0/24")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator("h1")).to_contain_text("Save these changes")
    holds(tab)
    page = tab.open(f"/admin/keys/{key}/edit/")
    page.get_by_label("Addresses it may call from").fill("203.0.113.7/24")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".field.wrong").first).to_be_visible()
    holds(tab)
    for path in ("/admin/new/tenant/", "/admin/new/person/", "/admin/apis/new/"):
        page = tab.open(path)
        page.locator("main form[method=post] button.primary").click()
        expect(page.locator(".field.wrong").first).to_be_visible()
        holds(tab)


@looks
def test_what_is_shown_once(browse: Open, story: Story, look: dict[str, bool]) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], **look)
    page = tab.open("/admin/keys/new/?tenant=acme")
    page.get_by_label("Name", exact=True).first.fill("shown once")
    page.get_by_label("Owner").select_option(index=1)
    create(page, "Create key")
    holds(tab)
    page = tab.open("/admin/tenants/acme/tokens/new/")
    page.get_by_label("Name", exact=True).fill("shown once")
    page.get_by_label("Acts for").select_option(index=1)
    page.get_by_label("keys:read").check()
    create(page, "Create token")
    holds(tab)


def create(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()
    page.locator(".secret output").wait_for()


@looks
def test_a_portal_on_which_nothing_is_yet(
    browse: Open,
    first: tuple[Portal, str],
    look: dict[str, bool],
) -> None:
    portal, link = first
    tab = browse(base=portal.base, **look)
    page = tab.page
    page.goto(link)
    holds(tab)
    page.get_by_role("button", name="Finish and sign in").click()
    holds(tab)  # everything is missing
    set_up(page, link)
    expect(page.locator("h1")).to_have_text("Overview")
    holds(tab)
    for name in ("keys", "tenants", "gateways", "apis", "decisions", "usage", "outbox"):
        tab.open(f"/admin/{name}/")
        holds(tab)


def test_on_paper_there_is_nothing_to_press(browse: Open, story: Story) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], dark=True)
    key = story.told["keys"]["checkout-assistant"]
    for path in ("/admin/", f"/admin/keys/{key}/", "/admin/ledger/"):
        page = tab.open(path)
        page.emulate_media(media="print")
        for pressed in ("nav.side", ".page-head .btn", "#user-tools", "form.filters"):
            shown = page.locator(pressed)
            assert not any(shown.nth(n).is_visible() for n in range(shown.count())), pressed
        ink = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ink in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"), ink
