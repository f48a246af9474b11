"""Every page that links lead to holds together: wide and narrow, light and dark."""

from collections.abc import Sequence

import pytest

from tests.browser.conftest import Open, Story
from tests.browser.crawl import NOT_BY_LINK, crawl, name_of, names
from tests.browser.watch import Tab
from tests.plugin import ROOT

OWN = "/t/acme/"
SHOTS = ROOT / "docs" / "screenshots"


def walk(tab: Tab, also: Sequence[str], root: str) -> None:
    """Every kind of page below `root`, each looked at wide, in the dark and on a phone."""
    seen, found = set(), []
    for path, status in crawl(tab, each=1, also=also, root=root):
        seen.add(name_of(path))
        assert status == 200, path
        found += [f"{path}: {finding}" for finding in tab.findings()]
    assert found == []
    missing = names(root) - seen - set(NOT_BY_LINK)
    assert not missing, f"no link leads to {missing}"


@pytest.mark.timeout(400)
def test_every_page_of_the_admin_holds_together(browse: Open, story: Story) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"])
    walk(tab, story.told["also"], "/admin/")


@pytest.mark.timeout(400)
def test_every_page_of_a_tenants_holds_together(browse: Open, story: Story) -> None:
    tab = browse(base=story.portal.base, session=story.told["own_sessions"][0])
    walk(tab, story.told["own_also"], OWN)


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
        ("overview", wide, "/admin/"),
        ("overview-dark", dark, "/admin/"),
        ("keys", wide, "/admin/keys/?tenant=acme"),
        ("keys-phone", phone, "/admin/keys/?tenant=acme"),
        ("key", wide, f"/admin/keys/{key}/"),
        ("ledger", wide, "/admin/ledger/"),
        ("tenant", own, OWN),
        ("tenant-phone", own_phone, OWN),
        ("tenant-keys", own, f"{OWN}keys/"),
        ("tenant-members", own, f"{OWN}members/"),
        ("tenant-limits", own, f"{OWN}limits/"),
        ("tenant-guide", own, f"{OWN}gateway/"),
        ("tenant-sso", own, f"{OWN}sso/"),
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
