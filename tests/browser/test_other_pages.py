"""What no link leads to holds together too: sign-in, errors, confirmations, what is shown once."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Story
from tests.browser.server import Portal
from tests.browser.test_first_run import set_up
from tests.browser.watch import Tab
from tests.pages.app import PASSWORD, someone

REFUSED = "main form[method=post] .error, main form[method=post] .note.bad"


def holds(tab: Tab) -> None:
    """No serious finding, nothing wider than the window; in the dark and on a phone too."""
    assert tab.findings() == [], tab.page.url


def signed_in(browse: Open, story: Story) -> Tab:
    return browse(base=story.portal.base, session=story.told["session"])


def press(page: Page, button: str) -> None:
    """Press it, and see another page."""
    page.get_by_role("button", name=button).click()
    page.wait_for_load_state()


def test_what_everybody_may_see(browse: Open, story: Story) -> None:
    tab = browse(base=story.portal.base)
    for path, status in (
        ("/", 200), ("/v1/docs", 200), ("/admin/login/", 200), ("/setup/once-nobodys", 404),
        ("/no-such-page", 404),
    ):  # fmt: skip
        answer = tab.page.goto(f"{tab.base}{path}")
        assert answer is not None and answer.status == status, path
        holds(tab)


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("session", "/admin/no-such-page/", 404), ("session", "/admin/keys/key_nobodys/", 404),
        ("session", "/admin/ledger/?type=no.such", 400),
        ("auditor", "/admin/keys/new/", 403),
        ("auditor", "/admin/new/tenant/", 403),
        ("member", "/admin/", 403), ("member", "/t/globex/", 404),
    ],
)  # fmt: skip
def test_pages_that_say_no(browse: Open, story: Story, who: str, path: str, status: int) -> None:
    session = story.told["own_sessions"][0] if who == "member" else story.told[who]
    tab = browse(base=story.portal.base, session=session)
    answer = tab.page.goto(f"{tab.base}{path}")
    assert answer is not None and answer.status == status
    holds(tab)


def test_a_form_that_was_forged(browse: Open, story: Story) -> None:
    tab = signed_in(browse, story)
    page = tab.open("/admin/new/tenant/")
    page.eval_on_selector(
        "main form [name=csrfmiddlewaretoken]", "field => field.value = 'x'.repeat(64)"
    )
    press(page, "Create tenant")
    expect(page.locator("h1")).to_contain_text("This form is not from a page")
    holds(tab)


def test_the_steps_of_signing_in(browse: Open, portal: Portal) -> None:
    who, tab = someone("Ira", "auditor"), browse()
    page = tab.open("/admin/login/")
    page.get_by_label("E-mail").fill(who.person.email)
    page.get_by_label("Password").fill("not this one at all")
    press(page, "Continue")
    holds(tab)  # with errors
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Continue")
    holds(tab)
    page.get_by_role("link", name="Use a recovery code").click()
    holds(tab)
    page.get_by_label("Recovery code").fill("no such code")
    press(page, "Sign in")
    expect(page.locator(REFUSED).first).to_be_visible()
    holds(tab)
    page.get_by_role("link", name="Use the app").click()
    page.get_by_label("Six-digit code").fill(who.code())
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")
    page = tab.open("/admin/security/codes/")
    page.get_by_label("Six-digit code").fill(who.code())
    press(page, "Make new codes")
    expect(page.locator("h1")).to_have_text("Your new recovery codes")
    holds(tab)
    tab.open("/admin/logout/")
    holds(tab)


def change_key(page: Page) -> None:
    page.get_by_label("Name", exact=True).first.fill("another name")
    page.get_by_label("Addresses it may call from").fill("203.0.113.0/24")


def change_gateway(page: Page) -> None:
    page.get_by_label("Name", exact=True).fill("another name")
    page.get_by_label("Its own addresses").fill("203.0.113.0/24\n2001:db8:41:42:43:44:45:46/128")


def change_scopes(page: Page) -> None:
    page.locator("[name$=name]:visible").last.fill("audio:write")
    page.locator("[name$=description]:visible").last.fill("Have something spoken")


def change_routes(page: Page) -> None:
    page.get_by_label("Routes").fill("GET /v1/models models:read\nPOST /v1/files files:write")


def change_limit(page: Page) -> None:
    page.get_by_label("Amount").fill("77")


@pytest.mark.parametrize(
    "change", [change_key, change_gateway, change_scopes, change_routes, change_limit]
)
def test_a_change_that_waits_to_be_confirmed(browse: Open, story: Story, change: Any) -> None:
    told = story.told
    address = {
        change_key: f"/admin/keys/{told['keys']['checkout-assistant']}/edit/",
        change_gateway: f"/admin/gateways/{told['gateways']['acme']}/edit/",
        change_scopes: f"/admin/apis/{told['api']}/scopes/",
        change_routes: f"/admin/apis/{told['api']}/routes/",
        change_limit: "",
    }[change]
    session = told["session"] if address else told["own_sessions"][0]
    tab = browse(base=story.portal.base, session=session)
    if not address:
        page = tab.open("/t/acme/limits/")
        page.locator("table.list tbody a").first.click()
        address = re.sub(r"/$", "/edit/", page.url.removeprefix(tab.base))
    page = tab.open(address)
    change(page)
    press(page, "Review changes")
    expect(page.get_by_role("button", name=re.compile("^Save "))).to_be_visible()
    assert page.locator("table.diff").count() == 1
    holds(tab)
    press(page, "Go on editing")
    expect(page.get_by_role("button", name="Review changes")).to_be_visible()


SPOIL = """form => {
    form.noValidate = true;
    for (const field of form.elements) {
        if (!field.name || ["hidden", "checkbox", "radio", "date"].includes(field.type)) continue;
        if (field.tagName === "SELECT") field.add(new Option("", "none", true, true));
        else if (field.tagName !== "BUTTON") field.value = "§";
        if (field.name === "reason" || field.name === "name") field.value = " ";
    }
}"""
"""Everything that is typed, wrong."""


NEVER_WRONG = ("/admin/login/forgot/", "/admin/login/factor/")
"""One answer for whatever is typed, and no form at all."""


def test_every_form_with_everything_wrong(browse: Open, story: Story) -> None:
    tab = signed_in(browse, story)
    told, page = story.told, tab.page
    forms = [
        *(path for path in told["also"] if path not in NEVER_WRONG),
        "/admin/new/tenant/", "/admin/new/person/", "/admin/apis/new/",
        "/admin/keys/new/?tenant=acme", "/admin/gateways/new/", "/admin/tenants/acme/members/new/",
        "/admin/tenants/acme/tokens/new/", "/admin/security/password/", "/admin/security/codes/",
        f"/admin/apis/{told['api']}/scopes/", f"/admin/apis/{told['api']}/routes/",
        f"/admin/gateways/{told['gateways']['acme']}/edit/",
        f"/admin/gateways/{told['gateways']['acme']}/disable/",
    ]  # fmt: skip
    spoilt = 0
    for path in forms:
        tab.open(path)
        form = page.locator("main form[method=post]").first
        if not form.locator("input:not([type=hidden]), textarea, select").count():
            continue
        spoilt += 1
        form.evaluate(SPOIL)
        sends = form.locator("button.primary, button.bad")  # not what adds a line
        (sends if sends.count() else form.locator("button[type=submit]")).first.click()
        page.wait_for_load_state()
        expect(page.locator(REFUSED).first, path).to_be_visible()
        holds(tab)
    assert spoilt > 30


def test_what_is_shown_once(browse: Open, story: Story) -> None:
    tab = signed_in(browse, story)
    page = tab.open("/admin/keys/new/?tenant=acme")
    page.get_by_label("Name", exact=True).first.fill("shown once")
    page.get_by_label("Owner").select_option(index=1)
    create(page, "Create key")
    holds(tab)
    page.reload()
    holds(tab)  # it was created already
    page = tab.open("/admin/tenants/acme/tokens/new/")
    page.get_by_label("Name", exact=True).fill("shown once")
    page.get_by_label("Acts for").select_option(index=1)
    page.get_by_label("keys:read").check()
    create(page, "Create token")
    holds(tab)
    page = tab.open("/admin/gateways/new/")
    page.get_by_label("Name", exact=True).fill("shown once")
    page.get_by_label("live", exact=True).check()
    page.get_by_label("Acme (acme)").check()
    create(page, "Create gateway")
    holds(tab)


def create(page: Page, button: str) -> None:
    page.get_by_role("button", name=button).click()
    page.locator(".secret output").wait_for()


def invites(page: Page, path: str) -> None:
    """Where nothing is yet: one button, and one command or setting to paste."""
    empty = page.locator(".card.empty")
    assert empty.count() == 1, path
    assert empty.locator("a.btn, button.btn").count() == 1, path
    assert empty.locator("figure.code pre").count() == 1, path
    assert empty.locator("h2").inner_text().strip(), path


@pytest.mark.timeout(240)
def test_a_portal_on_which_nothing_is_yet(browse: Open, first: tuple[Portal, str]) -> None:
    portal, link = first
    tab = browse(base=portal.base)
    page = tab.page
    page.goto(link)
    holds(tab)
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page.locator(REFUSED).first).to_be_visible()
    holds(tab)  # everything is missing
    set_up(page, link)
    expect(page.locator("h1")).to_have_text("Overview")
    holds(tab)
    for name in ("keys", "tenants", "gateways", "apis", "decisions", "usage", "outbox"):
        tab.open(f"/admin/{name}/")
        invites(page, name)
        holds(tab)
    for path in ("people/", "ledger/", "keys/new/", "gateways/new/", "people/?q=nobody"):
        tab.open(f"/admin/{path}")
        holds(tab)
    tab.open("/admin/new/tenant/")
    page.get_by_label("Name").fill("Acme")
    page.get_by_label("Slug").fill("acme")
    press(page, "Create tenant")
    holds(tab)  # nobody, no API, no gateway, no token
    for path in ("keys/?tenant=acme", "tenants/acme/tokens/"):
        tab.open(f"/admin/{path}")
        invites(page, path)
        holds(tab)
    tab.open("/admin/keys/new/?tenant=acme")
    holds(tab)
