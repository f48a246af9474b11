"""In a browser: proving again before a form, and another password by a link."""

from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from portal.tenancy.factor_policy import waive_factor
from tests.browser.conftest import Open
from tests.browser.watch import Tab
from tests.cast import OPERATOR, Cast
from tests.pages.app import PASSWORD, Someone, member_of, someone
from tests.pages.browser import session_of
from tests.pages.test_reset import mails

NEW = "another quite long sentence"
LOOKS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.fixture(autouse=True)
def no_tries(owner_db: "psycopg.Connection[Any]") -> None:
    owner_db.execute("DELETE FROM tenancy_tries")


@pytest.fixture
def sol() -> Someone:
    return someone()


def sound(tab: Tab) -> None:
    """The page holds together."""
    assert tab.axe() == []
    assert tab.overflow() == []
    assert tab.page.locator("h1").count() == 1


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_a_form_is_shown_once_it_is_proved_who_asks(
    browse: Open, sol: Someone, phone: bool, dark: bool
) -> None:
    session = session_of(sol.person, proved_ago=360)
    tab = browse(session=session, phone=phone, dark=dark, scripts=not phone or dark)
    page = tab.open("/admin/new/tenant/")
    expect(page.get_by_role("heading", name="Prove that it is still you")).to_be_visible()
    if not phone or dark:
        sound(tab)
    page.get_by_label("Six-digit code").fill("000000")
    page.keyboard.press("Enter")
    expect(page.locator(".error")).to_be_visible()
    page.get_by_label("Six-digit code").fill(sol.code())
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{tab.base}/admin/new/tenant/")
    page = tab.open("/admin/security/")
    expect(page.locator("body")).to_contain_text("This one")
    if not phone or dark:
        sound(tab)


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_another_password_is_chosen_by_a_link(
    browse: Open, sol: Someone, phone: bool, dark: bool
) -> None:
    tab = browse(phone=phone, dark=dark)
    page = tab.open("/admin/login/")
    page.get_by_role("link", name="Forgot password?").click()
    sound(tab)
    page.get_by_label("E-mail").fill(sol.person.email)
    page.get_by_role("button", name="Send link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    sound(tab)
    page = tab.open(mails(sol.person)[-1])
    sound(tab)
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("Six-digit code").fill(sol.code())
    page.get_by_role("button", name="Change password").click()
    expect(page.locator("body")).to_contain_text("Your password was changed")
    page = tab.open("/reset/once-x")
    sound(tab)


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_who_does_without_a_second_factor_is_led_to_one(
    browse: Open, acme: Cast, phone: bool, dark: bool
) -> None:
    waive_factor(actor=OPERATOR, tenant_id=acme.tenant.id, reason="tests")
    mika = member_of(acme, "owner", skip=True)
    tab = browse(phone=phone, dark=dark)
    page = tab.open("/admin/login/")
    page.get_by_label("E-mail").fill(mika.person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(f"{tab.base}/t/{acme.tenant.slug}/")
    for path in (f"/t/{acme.tenant.slug}/second-factor/", "/admin/security/"):
        tab.open(path)
        sound(tab)
    page.get_by_role("link", name="Set up an app").click()
    sound(tab)
    page.get_by_role("button", name="Send link").click()
    expect(page.locator(".messagelist")).to_contain_text("outbox")
