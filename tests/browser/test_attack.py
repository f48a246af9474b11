"""Whatever anybody wrote is shown as text, on every page (reference/audit.md, section 3, 30)."""

import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Story
from tests.browser.crawl import crawl, name_of
from tests.browser.payloads import PAYLOADS
from tests.browser.watch import Tab

ALIVE = (
    "img[src=x], svg[onload], a[href^=javascript], [onerror], [onfocus], base, style, iframe,"
    " script:not([src]), main [autofocus][x]"
)
OWN = "/t/t0/"
MARK = re.compile(r"f\d\dp\d\dz")
EVERYTHING = " ".join(PAYLOADS)
SPOIL = """(form, text) => {
    form.noValidate = true;
    for (const field of form.elements) {
        if (!field.name || field.name === "csrfmiddlewaretoken") continue;
        if (field.tagName === "SELECT") field.add(new Option("", text, true, true));
        else if (field.tagName === "INPUT") { field.type = "text"; field.value = text; }
        else if (field.tagName === "TEXTAREA") field.value = text;
    }
}"""
"""Sends `text` in every field: what is chosen, ticked and hidden, too."""
ASKED = [
    "q", "tenant", "state", "status", "sort", "page", "period", "key", "kid", "gateway", "address",
    "subject", "code", "type", "actor", "target", "request", "since", "before", "older", "at",
    "api", "next",
]  # fmt: skip
"""Parameters of addresses."""
LISTS = [
    "keys/", "people/", "tenants/", "apis/", "gateways/", "decisions/", "usage/", "ledger/",
    "outbox/", "tenants/t0/tokens/", "ledger/export/", "keys/new/", "",
]  # fmt: skip

ENDS = {"person-sessions", "person-disable", "security-session", "security-sessions"}
"""Forms that take whatever is typed for a reason, and end the session that sends them."""


def dead(tab: Tab, path: str) -> str:
    """The page, on which nothing that was written is alive."""
    alive = tab.page.eval_on_selector_all(ALIVE, "all => all.map(each => each.outerHTML)")
    assert alive == [], path
    return tab.page.content()


def pages(tab: Tab, attacked: Story) -> Iterator[str]:
    """Every kind of page, what no list tells of everything, and the ledger event by event."""
    for path, status in crawl(tab, each=1, also=attacked.told["also"]):
        assert status == 200, path
        yield path
    events = [f"/admin/ledger/?type={event}" for event in attacked.told["events"]]
    for path in (*events, "/admin/tenants/t0/tokens/", *attacked.told["pages"]):
        tab.open(path)
        yield path


def asks(tab: Tab) -> bool:
    """Whether there is a form to send."""
    return tab.page.locator("main form[method=post]").count() > 0


def send(tab: Tab, forms: list[str]) -> int:
    """Every form with everything in every field; how many of them keep what was typed."""
    page, echoes = tab.page, 0
    for path in forms:
        if name_of(path) in ENDS:
            continue
        tab.open(path)
        form = page.locator("main form[method=post]").first
        form.evaluate(SPOIL, EVERYTHING + "x" * 600)
        form.locator("button.primary, button.bad, button[type=submit]").first.click()
        page.wait_for_load_state()
        echoes += "x" * 600 in dead(tab, path)
    # Chromium says of a kept text in a field for a day that it is none.
    tab.faults[:] = [fault for fault in tab.faults if "yyyy-MM-dd" not in fault]
    return echoes


@pytest.mark.timeout(400)
def test_every_payload_in_every_field_is_text_on_every_page(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["session"])
    unseen, forms = dict(attacked.told["marks"]), []
    for path in pages(tab, attacked):
        text = dead(tab, path)
        if path.startswith("/admin/outbox/mai_"):
            tab.page.get_by_role("button", name="Show text").click()
            expect(tab.page.locator("pre")).to_contain_text("The link works once")
            text += dead(tab, path)
        elif asks(tab):
            forms.append(path)
        unseen = {mark: told for mark, told in unseen.items() if mark not in text}
    assert not unseen, "shown on no page: nothing is proved of it"
    once = {name_of(path): path for path in forms}
    assert len(once) > 20, once
    assert send(tab, list(once.values())) > 15, "forms keep what was typed"


@pytest.mark.timeout(400)
def test_so_it_is_on_a_tenants_own_pages(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["own_session"])
    shown, forms = 0, []
    for path, status in crawl(tab, each=1, root=OWN):
        assert status == 200, path
        shown += "p00z" in dead(tab, path)
        if asks(tab):
            forms.append(path)
    assert shown > 20
    assert send(tab, forms) > 8, "forms keep what was typed"


def test_so_it_is_for_who_is_invited_and_for_who_comes_from_a_provider(
    browse: Open, attacked: Story
) -> None:
    guest = browse(base=attacked.portal.base, session=attacked.told["guests_session"])
    page = guest.open("/t/")
    dead(guest, "/t/")
    offers = page.locator("a.btn[href^='/invitations/']")
    offered = [offers.nth(n).get_attribute("href") or "" for n in range(offers.count())]
    assert len(offered) > 10
    stranger = browse(base=attacked.portal.base)
    doors = [f"/sso/at/t{place}/" for place in range(len(PAYLOADS)) if place % 5 != 4]
    for tab, paths in ((guest, offered), (stranger, doors)):
        for path in paths:
            tab.open(path)
            assert MARK.search(dead(tab, path)), path


def test_what_an_address_asks_for_comes_back_as_text(browse: Open, attacked: Story) -> None:
    tab = browse(base=attacked.portal.base, session=attacked.told["session"])
    page, echoes = tab.page, 0
    for half in (PAYLOADS[:7], PAYLOADS[7:]):
        asked = urlencode(dict.fromkeys(ASKED, " ".join(half)))
        for path in (*(f"/admin/{name}" for name in LISTS), f"{OWN}keys/"):
            tab.open(f"{path}?{asked}")
            dead(tab, path)
            echoes += half[0] in page.evaluate(
                "() => [...document.querySelectorAll('input')].map(each => each.value).join()"
            )
    assert echoes > 10, "lists keep what was searched for"
    stranger = browse(base=attacked.portal.base)
    for path in (f"/admin/login/?{asked}", f"/no-such-page/{quote(EVERYTHING, safe='')}/"):
        stranger.open(path)
        dead(stranger, path)
