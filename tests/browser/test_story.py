"""The story's pages hold together: wide and narrow, light and dark."""

import pytest

from tests.browser.conftest import Open, Story


@pytest.mark.parametrize("phone", [False, True], ids=["wide", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_holds_together(browse: Open, story: Story, phone: bool, dark: bool) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], phone=phone, dark=dark)
    for path in ("/admin/", "/admin/tenants/"):
        answer = tab.page.goto(f"{tab.base}{path}")
        assert answer is not None and answer.status == 200, path
        assert tab.overflow() == [], path
        assert tab.axe() == [], path
