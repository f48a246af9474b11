"""Whatever anybody wrote is shown as text, on every page (reference/audit.md, section 3, 30)."""

from tests.browser.conftest import Open, Story
from tests.browser.crawl import crawl

ALIVE = "img[src=x], svg[onload], a[href^=javascript], [onerror], [onfocus], base, style"


def test_an_attackers_text_is_text_on_every_page(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["session"])
    seen = 0
    for path, status in crawl(tab, each=3):
        assert status == 200, path
        assert tab.page.query_selector_all(ALIVE) == [], path
        seen += "alert(1)" in tab.page.content()
    assert seen >= 1, "no page showed a payload: the test would prove nothing"
