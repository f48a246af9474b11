"""Whatever anybody wrote is shown as text, on every page (reference/audit.md, section 3, 30)."""

from collections.abc import Iterator

import pytest

from tests.browser.attack import PAYLOADS, mark
from tests.browser.conftest import Open, Story
from tests.browser.crawl import crawl
from tests.browser.watch import Tab

ALIVE = "img[src=x], svg[onload], a[href^=javascript], [onerror], [onfocus], base, style"


def pages(tab: Tab, attacked: Story) -> Iterator[str]:
    """Every kind of page, and the ledger by every event with a reason."""
    for path, status in crawl(tab, each=3):
        assert status == 200, path
        yield path
    for event in attacked.told["events"]:
        path = f"/admin/ledger/?type={event}"
        tab.open(path)
        yield path


@pytest.mark.timeout(400)
def test_an_attackers_text_is_text_on_every_page(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["session"])
    seen: set[str] = set()
    for path in pages(tab, attacked):
        assert tab.page.query_selector_all(ALIVE) == [], path
        text = tab.page.content()
        seen |= {f for n, f in enumerate(attacked.told["fields"]) if mark(n) in text}
    assert set(attacked.told["fields"]) - seen == set(), "shown on no page: nothing is proved of it"


@pytest.mark.timeout(400)
def test_what_is_typed_into_a_form_comes_back_as_text(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["session"])
    typed = PAYLOADS[:5] + PAYLOADS[11:12]
    for form in ("new/tenant/", "new/person/", "apis/new/", "keys/new/?tenant=t0&api=a0"):
        for payload in typed:
            page = tab.open(f"/admin/{form}")
            fields = page.locator("main form[method=post]").locator("input[type=text], textarea")
            assert fields.count() > 0, form
            for place in range(fields.count()):
                # Too long everywhere: the form is refused and shown again.
                fields.nth(place).fill(payload + "x" * 600)
            page.locator("main form[method=post] button.primary").first.click()
            assert page.query_selector_all(ALIVE) == [], (form, payload)
            assert "x" * 600 in page.content(), (form, payload)
