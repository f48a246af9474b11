"""Every page that links lead to holds together: wide and narrow, light and dark, on paper too."""

import pytest

from tests.browser.conftest import Open, Story
from tests.browser.crawl import NOT_BY_LINK, crawl, name_of, names
from tests.plugin import ROOT

OWN = "/t/acme/"
SHOTS = ROOT / "docs" / "screenshots"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_has_a_serious_finding(browse: Open, story: Story, dark: bool) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], dark=dark)
    seen = set()
    for path, status in crawl(tab, each=1, also=story.told["also"]):
        seen.add(name_of(path))
        assert status == 200, path
        assert tab.axe() == [], path
    missing = names() - seen - set(NOT_BY_LINK)
    assert not missing, f"no link leads to {missing}"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_of_a_tenants_has_a_serious_finding(browse: Open, story: Story, dark: bool) -> None:
    owner = story.told["own_sessions"][0]
    tab = browse(base=story.portal.base, session=owner, dark=dark)
    seen = set()
    for path, status in crawl(tab, each=1, also=story.told["own_also"], root=OWN):
        seen.add(name_of(path))
        assert status == 200, path
        assert tab.axe() == [], path
    missing = names(OWN) - seen - set(NOT_BY_LINK)
    assert not missing, f"no link leads to {missing}"


@pytest.mark.timeout(400)
def test_every_page_of_a_tenants_fits_a_phone(browse: Open, story: Story) -> None:
    for session in story.told["own_sessions"][:2]:  # its owner, and a developer
        tab = browse(base=story.portal.base, session=session, phone=True)
        for path, status in crawl(tab, each=1, root=OWN):
            assert status == 200, path
            assert tab.overflow() == [], path


@pytest.mark.timeout(400)
def test_every_page_fits_a_phone(browse: Open, story: Story) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], phone=True)
    for path, _ in crawl(tab, each=1):
        assert tab.overflow() == [], path


def test_the_pictures_of_the_readme_are_of_today(browse: Open, story: Story) -> None:
    SHOTS.mkdir(exist_ok=True)
    wide = browse(base=story.portal.base, session=story.told["session"])
    dark = browse(base=story.portal.base, session=story.told["session"], dark=True)
    phone = browse(base=story.portal.base, session=story.told["session"], phone=True)
    key = story.told["keys"]["checkout-assistant"]
    owner = story.told["own_sessions"][0]
    own = browse(base=story.portal.base, session=owner)
    own_phone = browse(base=story.portal.base, session=owner, phone=True)
    for name, tab, path in (
        ("tenant", own, OWN),
        ("tenant-phone", own_phone, OWN),
        ("overview", wide, "/admin/"),
        ("overview-dark", dark, "/admin/"),
        ("keys", wide, "/admin/keys/?tenant=acme"),
        ("keys-phone", phone, "/admin/keys/?tenant=acme"),
        ("key", wide, f"/admin/keys/{key}/"),
        ("ledger", wide, "/admin/ledger/"),
    ):
        tab.open(path)
        tab.shot(SHOTS / f"{name}.png")
    page = wide.open("/admin/keys/new/?tenant=acme")
    page.get_by_label("Name", exact=True).first.fill("ledger-sync")
    page.get_by_label("Owner").select_option(index=1)
    page.get_by_label("chat:write").check()
    page.get_by_role("button", name="Create key").click()
    page.locator(".secret output").wait_for()
    wide.shot(SHOTS / "created.png")
