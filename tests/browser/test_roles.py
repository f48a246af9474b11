"""Each role's main journey, as people go it: with scripts, without them, on a phone in the dark."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from portal.tenancy.roles import ACTIONS, PLATFORM_ACTIONS
from tests.browser.conftest import Open, Story
from tests.browser.crawl import NOT_BY_LINK, crawl, name_of
from tests.browser.test_first_run import PASSWORD, code_of
from tests.browser.test_key_journey import live_and_die
from tests.browser.watch import Tab
from tests.roles.table import ADMIN, SIGNED_IN, TENANT, WHOSE_IT_IS

OWN = "/t/acme/"
HOW = pytest.mark.parametrize(
    "how", [{}, {"scripts": False}, {"phone": True, "dark": True}],
    ids=["", "without scripts", "on a phone in the dark"],
)  # fmt: skip
How = dict[str, bool]
IN_ANOTHER_STATE = {
    "key-resume", "job", "security-codes", "security-app", "security-passkey-new",
    "security-passkey-name", "security-passkey-remove",
}  # fmt: skip
"""Pages that nothing leads to from where a walk comes by."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ["auditor", "developer", "privacy_officer", "viewer"])
def test_links_lead_a_role_to_all_that_it_may_see_and_to_nothing_else(
    browse: Open, story: Story, role: str
) -> None:
    root, rows = ("/admin/", ADMIN) if role == "auditor" else (OWN, TENANT)
    may = {**ACTIONS, **PLATFORM_ACTIONS}[role] | {SIGNED_IN, WHOSE_IT_IS}
    tab = browse(base=story.portal.base, session=story.told["roles"][role], phone=True, dark=True)
    seen, found = set(), []
    for path, status in crawl(tab, each=1, root=root):
        seen.add(name_of(path))
        assert status == 200, path
        found += [f"{path}: {finding}" for finding in tab.overflow()]
    assert found == []
    known = {name: row.see in may for name, row in rows.items()}
    assert {name for name in seen if name in known and not known[name]} == set()
    unseen = {name for name, open_ in known.items() if open_} - seen
    assert unseen - set(NOT_BY_LINK) - IN_ANOTHER_STATE == set()


def as_(browse: Open, story: Story, role: str, how: How) -> Tab:
    """A tab of someone of this role."""
    return browse(base=story.portal.base, session=story.told["roles"][role], **how)


def name_for(how: How, word: str) -> str:
    """Another one for each way of going."""
    return "-".join([word, *how])


def act(page: Page, button: str) -> None:
    """Press it, and be told that it was done."""
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".messagelist")).to_be_visible()


def row_of(page: Page, text: str) -> Locator:
    return page.locator("table.list tbody tr").filter(has_text=text)


@HOW
def test_an_owner_governs_members_and_limits(browse: Open, story: Story, how: How) -> None:
    tab, email = as_(browse, story, "owner", how), f"{name_for(how, 'eve')}@acme.example"
    page = tab.open(f"{OWN}members/")
    page.get_by_role("link", name="Invite member").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Role").select_option("viewer")
    act(page, "Send invitation")
    row_of(page, email).get_by_role("link", name=re.compile("again$")).click()
    act(page, "Send again")
    row_of(page, email).get_by_role("link", name=re.compile("^Withdraw")).click()
    act(page, "Withdraw invitation")
    expect(row_of(page, email)).to_have_count(0)
    for role in ("viewer", "developer"):
        page = tab.open(f"{OWN}members/")
        page.get_by_role("link", name="Change role of Mika Sato").click()
        page.get_by_label("Role").select_option(role)
        act(page, "Change role")
        expect(row_of(page, "Mika Sato")).to_contain_text(role.capitalize())
    page = tab.open(f"{OWN}limits/?q=month")
    page.locator("table.list th a").last.click()
    page.get_by_role("link", name=re.compile("Change|Edit")).first.click()
    page.get_by_label("Amount").fill(str(900_000_000_000 + len(name_for(how, ""))))
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator("table.diff")).to_be_visible()
    act(page, "Save changes")


@HOW
def test_a_developer_makes_keys_and_tokens_of_their_own(
    browse: Open, story: Story, how: How
) -> None:
    tab = as_(browse, story, "developer", how)
    live_and_die(tab, story, name_for(how, "own"), new=f"{OWN}keys/new/")
    page = tab.open(f"{OWN}tokens/")
    page.get_by_role("link", name="Create token").first.click()
    page.get_by_label("Name", exact=True).fill(name_for(how, "bot"))
    page.get_by_label("keys:read").check()
    page.get_by_role("button", name="Create token").click()
    secret = page.locator(".secret output").inner_text().strip()
    page = tab.open(f"{OWN}tokens/")
    assert secret not in page.content()
    row_of(page, name_for(how, "bot")).get_by_role("link", name=re.compile("^Revoke")).click()
    page.get_by_label("Reason").fill("tried in a browser")
    act(page, "Revoke token")
    page = tab.open(f"{OWN}gateway/")
    expect(page.locator("main")).to_contain_text(story.portal.base.removeprefix("http://"))
    for path in ("ledger/", "members/invite/"):
        answer = page.goto(f"{tab.base}{OWN}{path}")
        assert answer is not None and answer.status == 403


def kept(page: Page, button: Locator, where: Path) -> list[list[str]]:
    """The rows of the file that it gives."""
    with page.expect_download() as download:
        button.click()
    file = where / "kept.csv"
    download.value.save_as(file)
    return list(csv.reader(file.read_text().splitlines()))


def export_ledger(tab: Tab, root: str, where: Path) -> None:
    """From the ledger, narrowed to one event, to the file."""
    page = tab.open(f"{root}ledger/")
    page.get_by_label("Event").select_option("key.issued")
    page.get_by_role("button", name="Filter").click()
    page.locator("table.list tbody tr a").first.click()
    expect(page.locator("#detail")).to_contain_text("key.issued")
    page = tab.open(f"{root}ledger/export/?type=key.issued")
    rows = kept(page, page.get_by_role("button", name="Export CSV"), where)
    assert len(rows) > 3


@HOW
def test_a_privacy_officer_reads_the_ledger_and_takes_a_copy(
    browse: Open, story: Story, how: How, tmp_path: Path
) -> None:
    tab = as_(browse, story, "privacy_officer", how)
    export_ledger(tab, OWN, tmp_path)
    key = story.told["keys"]["checkout-assistant"]
    page = tab.open(f"{OWN}keys/{key}/")
    expect(page.locator("main")).to_contain_text("issued key")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    assert page.goto(f"{tab.base}{OWN}keys/{key}/revoke/").status == 403  # type: ignore[union-attr]


@HOW
def test_a_viewer_looks_and_changes_nothing(
    browse: Open, story: Story, how: How, tmp_path: Path
) -> None:
    tab = as_(browse, story, "viewer", how)
    page = tab.open(f"{OWN}keys/?q=batch-embed")
    page.locator("table.list th a").last.click()
    expect(page.locator("h1")).to_contain_text("batch-embed")
    page = tab.open(f"{OWN}decisions/")
    assert len(kept(page, page.get_by_role("link", name="Export CSV"), tmp_path)) > 10
    for path in ("", "keys/", "limits/", "members/", "usage/"):
        page = tab.open(f"{OWN}{path}")
        expect(page.locator("main a.btn.primary")).to_have_count(0)
        expect(page.locator("main form[method=post]")).to_have_count(0)


@HOW
def test_an_auditor_reads_every_tenants_ledger_and_takes_a_copy(
    browse: Open, story: Story, how: How, tmp_path: Path
) -> None:
    tab = as_(browse, story, "auditor", how)
    export_ledger(tab, "/admin/", tmp_path)
    for slug in ("acme", "globex"):
        page = tab.open(f"/admin/tenants/{slug}/")
        expect(page.get_by_role("link", name="Suspend")).to_have_count(0)
    assert page.goto(f"{tab.base}/admin/tenants/acme/suspend/").status == 403  # type: ignore[union-attr]


@HOW
def test_from_an_owners_invitation_to_a_new_member(browse: Open, story: Story, how: How) -> None:
    email = f"{name_for(how, 'nora')}@acme.example"
    page = as_(browse, story, "owner", how).open(f"{OWN}members/invite/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Role").select_option("viewer")
    act(page, "Send invitation")
    page = as_(browse, story, "security_admin", how).open("/admin/outbox/")
    page.locator("table.list tbody tr a").first.click()
    page.get_by_role("button", name="Show text").click()
    link = re.search(r"\S+/join/\S+", page.locator("pre").inner_text())
    assert link
    page = browse(base=story.portal.base, **how).page
    page.goto(link[0])
    page.get_by_label("Name").fill("Nora Lund")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Six-digit code").fill(code_of(page))
    page.get_by_label("I have stored the codes").check()
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page).to_have_url(f"{story.portal.base}{OWN}")
    page.goto(link[0])
    expect(page.locator("main, body").first).not_to_contain_text("invites you as")
    page.goto(f"{story.portal.base}{OWN}members/")
    expect(row_of(page, email)).to_contain_text("Viewer")
