"""The list of tenants."""

from tests.cast import Cast
from tests.pages.browser import Browser


def test_a_tenant_is_found_by_its_name_slug_or_id(acme: Cast, globex: Cast, sol: Browser) -> None:
    for text in (acme.tenant.slug, acme.tenant.id):
        page = sol.get("/admin/tenants/", q=text)
        assert page.status == 200
        assert acme.tenant.slug in page.html
        assert globex.tenant.slug not in page.html


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(nobody) -> None:
    answer = nobody.get("/admin/tenants/?q=a")
    assert answer.status_code == 302
    assert answer["Location"] == "/admin/login/?next=/admin/tenants/%3Fq%3Da"
