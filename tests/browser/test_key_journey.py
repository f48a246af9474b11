"""A key's life in the browser: create, copy, use, suspend, resume, revoke."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Story
from tests.browser.watch import Tab

CHAT = "chat:write"
NEW = "/admin/keys/new/?tenant=acme"


def fill_in(page: Page, address: str, name: str) -> None:
    """The form of a new key of Acme's."""
    page.goto(address)
    page.get_by_label("Name", exact=True).first.fill(name)
    page.get_by_label("Owner").select_option(index=1)
    page.get_by_label(CHAT).check()


def secret_on(page: Page) -> str:
    """What is shown this once."""
    return page.locator(".secret output").inner_text().strip()


def say_why(page: Page, path: str, button: str) -> None:
    """Open a verb's page, give a reason, do it."""
    page.goto(path)
    page.get_by_label("Reason").fill("tried in a browser")
    page.get_by_role("button", name=button).click()


def opened(browse: Open, story: Story, **how: bool) -> Tab:
    return browse(base=story.portal.base, session=story.told["session"], **how)


def live_and_die(tab: Tab, story: Story, name: str, new: str = NEW) -> None:
    """From the form to KEY_REVOKED, asking as a gateway after every step."""
    page, base = tab.page, story.portal.base
    gateway = story.told["gateway_tokens"]["acme"]
    fill_in(page, f"{base}{new}", name)
    page.get_by_role("button", name="Create key").click()
    secret = secret_on(page)
    assert story.portal.ask(gateway, secret, CHAT)["code"] == "OK"
    href = page.get_by_role("link", name=name).first.get_attribute("href")
    assert href is not None
    key = f"{base}{href}"
    for verb, button, code in (
        ("suspend", "Suspend key", "KEY_SUSPENDED"),
        ("resume", "Resume key", "OK"),
        ("revoke", "Revoke key", "KEY_REVOKED"),
    ):
        say_why(page, f"{key}{verb}/", button)
        expect(page.locator(".messagelist")).to_be_visible()
        assert story.portal.ask(gateway, secret, CHAT)["code"] == code
        assert secret not in page.content()


def test_a_key_lives_and_dies_in_a_browser(browse: Open, story: Story) -> None:
    live_and_die(opened(browse, story), story, "journey")


def test_a_key_lives_and_dies_without_scripts(browse: Open, story: Story) -> None:
    live_and_die(opened(browse, story, scripts=False), story, "journey without scripts")


def test_a_key_lives_and_dies_on_a_phone_in_the_dark(browse: Open, story: Story) -> None:
    live_and_die(opened(browse, story, phone=True, dark=True), story, "journey on a phone")


def test_the_copy_button_copies_the_secret_and_a_reload_issues_nothing(
    browse: Open, story: Story
) -> None:
    tab = opened(browse, story)
    page = tab.page
    fill_in(page, f"{tab.base}{NEW}", "copied")
    page.get_by_role("button", name="Create key").click()
    assert tab.axe() == []
    secret = secret_on(page)
    page.get_by_role("button", name="Copy secret").click()
    expect(page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.reload()
    assert secret not in page.content()
    expect(page.locator("h1")).to_contain_text("created already")
    page.goto(f"{tab.base}/admin/keys/?q=copied")
    assert page.locator("table.list tbody tr").count() == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["", "without scripts"])
def test_filters_narrow_the_list_and_are_taken_away_one_by_one(
    browse: Open, story: Story, scripts: bool
) -> None:
    tab = opened(browse, story, scripts=scripts)
    page = tab.page
    page.goto(f"{tab.base}/admin/keys/")
    before = page.locator("table.list tbody tr").count()
    page.get_by_label("State").select_option(label="Suspended")
    page.get_by_role("button", name="Filter").click()
    rows = page.locator("table.list tbody tr")
    assert 0 < rows.count() < before
    for row in rows.all():
        expect(row.locator(".chip")).to_contain_text("Suspended")
    page.locator("p.tags a.tag").first.click()
    page.wait_for_url(lambda url: "state=suspended" not in url)
    assert page.locator("table.list tbody tr").count() >= before
    page.get_by_role("searchbox").fill("no such key anywhere")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".card.empty")).to_contain_text("Nothing found")
