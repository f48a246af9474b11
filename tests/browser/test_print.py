"""On paper: nothing to press, no navigation, dark on white, whatever the screen's colours are."""

import pytest

from tests.browser.conftest import Open, Story
from tests.browser.watch import Tab

PRESSED = (
    "nav, button, .btn, .copy, .pager, form.filters, #user-tools, .side, .skip-to-content-link"
)
PALE = """() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).map(Number)
            .map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (words.nextNode()) {
        const text = words.currentNode, at = text.parentElement;
        if (!text.data.trim() || !at.checkVisibility()) continue;
        const style = getComputedStyle(at), ink = at.closest("svg") ? style.fill : style.color;
        if (1.05 / (light(ink) + .05) < 4.5) found.push(`${ink} ${text.data.trim().slice(0, 60)}`);
    }
    return found;
}"""
"""Texts that have less contrast with white paper than WCAG's 1.4.3 asks of a screen."""
PAPER = """() => [document.documentElement, document.body]
    .map(each => getComputedStyle(each).backgroundColor)
    .filter(colour => !["rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"].includes(colour))"""


def shown(tab: Tab, selector: str) -> list[str]:
    """What of it takes room on the paper."""
    told: list[str] = tab.page.eval_on_selector_all(
        selector,
        """all => all.filter(each => {
            const box = each.getBoundingClientRect();
            return each.checkVisibility() && box.width * box.height > 0 && box.bottom > 0;
        }).map(each => each.outerHTML.slice(0, 120))""",
    )
    return told


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_paper_has_nothing_to_press_and_is_dark_on_white(
    browse: Open, story: Story, dark: bool
) -> None:
    tab = browse(base=story.portal.base, session=story.told["session"], dark=dark)
    key = story.told["keys"]["checkout-assistant"]
    for path in ("/admin/", f"/admin/keys/{key}/", "/admin/ledger/"):
        page = tab.open(path)
        page.emulate_media(media="screen")
        assert shown(tab, PRESSED), "nothing to hide: the test would prove nothing"
        page.emulate_media(media="print")
        assert shown(tab, PRESSED) == [], path
        assert page.evaluate(PALE) == [], path
        assert page.evaluate(PAPER) == [], path
        assert page.locator("main h1").is_visible()
