"""The frame, before anything is in it."""

from tests.browser.watch import Tab


def test_the_first_page_of_an_admin_holds_together(admin: Tab) -> None:
    page = admin.open("/admin/")
    assert page.title() == "Overview · Countersign"
    assert admin.axe() == []
    assert admin.overflow() == []
