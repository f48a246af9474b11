"""Passkeys in Chromium, whose own virtual authenticator makes and uses them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from portal.tenancy.models import Passkey
from portal.tenancy.scope import platform_scope
from tests.browser.conftest import Open
from tests.browser.server import Portal
from tests.browser.watch import Tab
from tests.pages.app import PASSWORD, Someone, someone

HOME = "/admin/security/"


@dataclass
class Device:
    """A virtual authenticator of one tab."""

    session: CDPSession
    id: str

    def verifies(self, person: bool) -> None:
        """Whether who is there is whom it knows."""
        self._do("setUserVerified", isUserVerified=person)

    @property
    def credentials(self) -> list[dict[str, Any]]:
        """What it holds."""
        held: list[dict[str, Any]] = self._do("getCredentials")["credentials"]
        return held

    def _do(self, verb: str, **told: Any) -> Any:
        return self.session.send(f"WebAuthn.{verb}", {"authenticatorId": self.id, **told})


def device(page: Page) -> Device:
    """A phone's or laptop's own: it keeps passkeys and verifies who is there."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Device(session, made["authenticatorId"])


@pytest.fixture
def base(portal: Portal) -> str:
    """The portal by the name that passkeys are for."""
    return f"http://localhost:{portal.port}"


@pytest.fixture
def sol(owner_db: Any) -> Iterator[Someone]:
    owner_db.execute("DELETE FROM tenancy_tries")
    yield someone()


def names(of: Someone) -> list[str]:
    with platform_scope("a test looks"):
        return list(Passkey.objects.filter(user=of.person).values_list("name", flat=True))


def give_password(tab: Tab, of: Someone) -> Page:
    page = tab.open("/admin/login/")
    page.get_by_label("E-mail").fill(of.person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()
    return page


def sign_in(tab: Tab, of: Someone) -> Page:
    page = give_password(tab, of)
    page.get_by_label("Six-digit code").fill(of.code())
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{tab.base}/admin/")
    return page


def add(tab: Tab, of: Someone, name: str) -> None:
    page = tab.open(HOME)
    page.get_by_role("link", name="Add a passkey").click()
    assert tab.axe() == [] and tab.overflow() == []
    page.get_by_label("Name").fill(name)
    page.get_by_label("Six-digit code").fill(of.code())
    page.get_by_role("button", name="Go on").click()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["wide", "phone"])
def test_it_is_added_and_used_in_both_ways_and_removed(
    browse: Open, base: str, sol: Someone, phone: bool, dark: bool
) -> None:
    tab = browse(base=base, phone=phone, dark=dark)
    page = sign_in(tab, sol)
    held = device(page)
    add(tab, sol, "Laptop")
    expect(page.get_by_text("The passkey Laptop is added")).to_be_visible()
    assert tab.axe() == [] and tab.overflow() == []
    (made,) = held.credentials
    assert (made["rpId"], made["isResidentCredential"]) == ("localhost", True)

    page.get_by_role("button", name="Log out").click()
    page.goto(f"{base}/admin/login/?next=/admin/keys/")
    assert tab.axe() == [] and tab.overflow() == []
    page.get_by_role("link", name="Sign in with a passkey").click()
    expect(page).to_have_url(f"{base}/admin/keys/")

    page.get_by_role("button", name="Log out").click()
    give_password(tab, sol)
    page.get_by_role("link", name="Use a passkey").click()
    expect(page).to_have_url(f"{base}/admin/")
    assert held.credentials[0]["signCount"] > made["signCount"]

    page = tab.open(HOME)
    page.get_by_role("link", name="Rename Laptop").click()
    page.get_by_label("Name").fill("Old laptop")
    page.get_by_role("button", name="Rename passkey").click()
    page.get_by_role("link", name="Remove Old laptop").click()
    assert tab.axe() == [] and tab.overflow() == []
    page.get_by_label("Six-digit code").fill(sol.code())
    page.get_by_role("button", name="Remove passkey").click()
    expect(page.get_by_text("The passkey Old laptop is removed")).to_be_visible()
    assert names(sol) == []
    page.get_by_role("button", name="Log out").click()
    page.goto(f"{base}/admin/login/passkey/")
    expect(page.get_by_role("alert")).to_contain_text("That passkey does not work here.")
    assert tab.axe() == [] and tab.overflow() == []


def test_a_device_that_has_one_already_makes_no_other(
    browse: Open, base: str, sol: Someone
) -> None:
    tab = browse(base=base)
    page = sign_in(tab, sol)
    device(page)
    add(tab, sol, "Laptop")
    expect(page.get_by_text("The passkey Laptop is added")).to_be_visible()
    add(tab, sol, "Laptop again")
    expect(page.get_by_role("status")).to_contain_text("holds a passkey of yours already")
    assert tab.axe() == []
    assert names(sol) == ["Laptop"]


def test_what_is_cancelled_is_told_and_can_be_tried_again(
    browse: Open, base: str, sol: Someone
) -> None:
    tab = browse(base=base)
    page = sign_in(tab, sol)
    held = device(page)
    held.verifies(False)
    add(tab, sol, "Laptop")
    expect(page.locator("[data-passkey-told]")).to_contain_text("No passkey was used")
    assert tab.axe() == [] and tab.overflow() == []
    assert names(sol) == []
    held.verifies(True)
    page.get_by_role("button", name="Make passkey").click()
    expect(page.get_by_text("The passkey Laptop is added")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    held.verifies(False)
    page.goto(f"{base}/admin/login/passkey/")
    expect(page.locator("[data-passkey-told]")).to_contain_text("No passkey was used")
    assert tab.axe() == [] and tab.overflow() == []
    held.verifies(True)
    page.get_by_role("button", name="Use passkey").click()
    expect(page).to_have_url(f"{base}/admin/")


def test_it_works_by_the_keyboard_alone(browse: Open, base: str, sol: Someone) -> None:
    tab = browse(base=base)
    page = sign_in(tab, sol)
    held = device(page)
    add(tab, sol, "Laptop")
    expect(page.get_by_text("The passkey Laptop is added")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    held.verifies(False)
    page.goto(f"{base}/admin/login/")
    page.get_by_role("link", name="Sign in with a passkey").press("Enter")
    expect(page.locator("[data-passkey-told]")).to_contain_text("No passkey was used")
    held.verifies(True)
    page.get_by_role("button", name="Use passkey").press("Enter")
    expect(page).to_have_url(f"{base}/admin/")


def test_without_scripts_the_pages_say_what_else_there_is(
    browse: Open, base: str, sol: Someone
) -> None:
    tab = browse(base=base, scripts=False)
    page = tab.open("/admin/login/")
    page.get_by_role("link", name="Sign in with a passkey").click()
    expect(page.get_by_text("A passkey takes JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Use passkey")).to_have_count(0)
    page.get_by_role("link", name="Sign in with your password").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_at_an_address_the_pages_lead_to_the_name(browse: Open, portal: Portal) -> None:
    tab = browse()
    page = tab.open("/admin/login/passkey/")
    there = f"http://localhost:{portal.port}/admin/login/passkey/"
    expect(page.get_by_role("link", name=there)).to_have_attribute("href", there)
    assert tab.axe() == [] and tab.overflow() == []
