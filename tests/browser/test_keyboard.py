"""A security admin's morning with the keyboard alone: no mouse, no address typed but the first."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Story
from tests.pages.app import code_of

STEP = """selector => {
    const at = document.activeElement, style = getComputedStyle(at);
    if (at === document.body) return "on";  // the browser's own buttons are next
    if (at === window.before) return "on";  // a date's parts show the focus themselves
    window.before = at;
    const box = at.getBoundingClientRect();
    const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
        && !/^rgba\\(.*, 0\\)$/.test(style.outlineColor);
    const there = box.width > 0 && box.bottom > 0 && box.top < innerHeight
        && box.right > 0 && box.left < innerWidth;
    if (!drawn || !there) return `drawn ${drawn}, there ${there}: ${at.outerHTML.slice(0, 160)}`;
    return at.matches(selector) ? "here" : "on";
}"""


def to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there; at every step it can be seen."""
    for _ in range(150):
        page.keyboard.press("Tab")
        step = page.evaluate(STEP, selector)
        if step == "here":
            return
        assert step == "on"
    raise AssertionError(f"the keyboard does not reach {selector}")


def press(page: Page, selector: str, heading: str) -> None:
    """Go there, press Enter, and be on the page of this heading."""
    to(page, selector)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(heading)


def write(page: Page, selector: str, text: str) -> None:
    to(page, selector)
    page.keyboard.type(text)


def sign_in(page: Page, sign_in: dict[str, str]) -> None:
    """Both steps."""
    write(page, "input[name=email]", sign_in["email"])
    write(page, "input[name=password]", sign_in["password"])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Enter your code")
    write(page, "input[name=code]", code_of(sign_in["seed"]))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")


def make_key(page: Page, name: str) -> None:
    """From the list, by the form, to what is shown once."""
    press(page, "a.btn.primary[href$='/keys/new/']", "Create key")
    write(page, "select[name=tenant]", "Acme")
    press(page, "main button.primary", "Create key for Acme")
    fill_in(page, name)


def fill_in(page: Page, name: str) -> None:
    """The form, to where the box is that says that the secret is kept."""
    write(page, "input[name=name]", name)
    to(page, "select[name=owner]")
    page.keyboard.press("ArrowDown")
    to(page, "input[name=scopes][value='chat:write']")
    page.keyboard.press("Space")
    press(page, "button[type=submit].primary", f"{name} is ready")
    to(page, "#kept")


def test_from_sign_in_to_a_keys_end(browse: Open, story: Story) -> None:
    page = browse(base=story.portal.base).open("/admin/")
    sign_in(page, story.told["sign_in"])
    key = story.told["keys"]["refund-worker"]
    keys = ".side a[href='/admin/keys/']"
    press(page, keys, "Keys")
    press(page, f"table.list a[href='/admin/keys/{key}/']", "refund-worker")
    press(page, keys, "Keys")
    make_key(page, "by keyboard")
    page.keyboard.press("Space")
    press(page, "form.card button[type=submit]", "by keyboard")
    press(page, keys, "Keys")
    write(page, "input[name=q]", "by keyboard")
    page.keyboard.press("Enter")
    expect(page.locator("p.tags")).to_contain_text("by keyboard")
    expect(page.locator("table.list tbody tr")).to_have_count(1)
    press(page, "table.list tbody th a", "by keyboard")
    press(page, "#danger a[href$='/revoke/']", "Revoke by keyboard for ever?")
    write(page, "[name=reason]", "tried by keyboard")
    press(page, "button.bad[type=submit]", "by keyboard")
    expect(page.locator(".messagelist")).to_be_visible()
    expect(page.locator("h1 .chip")).to_have_text("Revoked")


def test_an_owner_invites_someone_and_thinks_again(browse: Open, story: Story) -> None:
    owner = browse(base=story.portal.base, session=story.told["roles"]["owner"])
    page = owner.open("/t/acme/")
    press(page, ".side a[href='/t/acme/members/']", "Members of Acme")
    press(page, "a.btn.primary[href$='/members/invite/']", "Invite someone to Acme")
    write(page, "input[name=email]", "keys@acme.example")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Invitations to Acme")
    press(page, "a[aria-label='Withdraw the invitation of keys@acme.example']", "Withdraw")
    press(page, "main button.bad[type=submit]", "Invitations to Acme")
    expect(page.locator("table.list")).not_to_contain_text("keys@acme.example")


def test_a_developer_ends_a_key_of_their_own(browse: Open, story: Story) -> None:
    developer = browse(base=story.portal.base, session=story.told["roles"]["developer"])
    page = developer.open("/t/acme/")
    press(page, ".side a[href='/t/acme/keys/']", "Keys")
    press(page, "a.btn.primary[href$='/keys/new/']", "Create key")
    fill_in(page, "by keyboard too")
    page.keyboard.press("Space")
    press(page, "form.card button[type=submit]", "by keyboard too")
    press(page, "#danger a[href$='/revoke/']", "Revoke by keyboard too for ever?")
    write(page, "[name=reason]", "tried by keyboard")
    press(page, "button.bad[type=submit]", "by keyboard too")
    expect(page.locator("h1 .chip")).to_have_text("Revoked")


def test_the_skip_link_passes_the_navigation(browse: Open, story: Story) -> None:
    page = browse(base=story.portal.base, session=story.told["session"]).open("/admin/keys/")
    to(page, ".skip-to-content-link")
    page.keyboard.press("Enter")
    to(page, "main *")
