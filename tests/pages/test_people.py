"""People: the list, its file, and making one."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Person
from portal.tenancy.people import create_person, disable_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser, staff

LIST = "/admin/people/"
NEW = "/admin/new/person/"


def email() -> str:
    return f"made-{base62(8)}@example.com".lower()


def count() -> int:
    with platform_scope("a test"):
        return Person.objects.count()


def test_a_person_is_found_by_name_address_or_id(sol: Browser) -> None:
    cleo = staff("Cleo", "auditor")
    for text in (cleo.email, cleo.id):
        page = sol.get(LIST, q=text)
        assert cleo.email in page.html
        assert sol.person.email not in page.html


def test_a_person_is_filtered_by_role_tenant_and_status(
    acme: Cast, globex: Cast, sol: Browser
) -> None:
    page = sol.get(LIST, tenant=acme.tenant.slug)
    assert acme.owner.id in page.html
    assert globex.owner.id not in page.html
    assert "owner" in page.text
    assert acme.owner.id not in sol.get(LIST, tenant=acme.tenant.slug, role="auditor").html
    disable_person(actor=OPERATOR, person_id=acme.viewer.id, reason="left")
    page = sol.get(LIST, tenant=acme.tenant.slug, status="disabled")
    assert acme.viewer.id in page.html
    assert acme.owner.id not in page.html
    assert sol.get(LIST, tenant="no-such").status == 400
    assert sol.get(LIST, role="god").status == 400


def test_the_list_is_a_file_with_each_persons_tenants(acme: Cast, sol: Browser) -> None:
    page = sol.get(LIST, tenant=acme.tenant.slug, format="csv")
    assert page.headers["content-type"] == "text/csv; charset=utf-8"
    assert f',"{acme.tenant.slug}:owner",' in page.html
    assert page.html.count("\r\n") == 4


def test_a_person_is_made_and_invited_and_the_mail_stands_in_the_outbox(sol: Browser) -> None:
    address = email()
    made = sol.send(NEW, name="Pia", email=address, platform_role="auditor")
    assert "Not set up" in sol.get(made.goes_to).text
    sent = sol.send(f"{made.goes_to}invite/")
    with platform_scope("a test"):
        mail = Mail.objects.get(about=made.goes_to.split("/")[-2])
        letter = letter_of(mail)
    assert sent.goes_to == f"/admin/outbox/{mail.id}/"
    assert address in sol.get(sent.goes_to).text
    assert mail.state == "standing"
    assert letter is not None
    assert letter.to == address
    assert "/setup/once-" in letter.text
    assert address not in mail.sealed
    assert "once-" not in mail.sealed


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"name": "", "email": "a@example.com"}, "1 to 128 characters"),
        ({"name": "x", "email": ""}, "1 to 254 characters"),
        ({"name": "x", "email": "no address"}, "A mail address is needed."),
        ({"name": "x", "email": f"{'x' * 250}@example.com"}, "1 to 254 characters"),
        ({"name": "x", "email": "a@example.com", "platform_role": "god"}, "no such role"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nobody_is_made(
    sol: Browser, typed: dict[str, str], words: str
) -> None:
    before = count()
    page = sol.send(NEW, **typed)
    assert page.status == 400
    assert words in page.text
    kept = page.fields()
    assert kept["name"] == [typed["name"]]
    assert kept["email"] == [typed["email"]]
    assert count() == before


def test_a_form_of_another_page_or_person_makes_nothing(sol: Browser) -> None:
    before, other = count(), Browser(staff("Una", "security_admin"))
    for once in (
        sol.get("/admin/new/tenant/").fields()["once"][0], other.get(NEW).fields()["once"][0]
    ):  # fmt: skip
        page = sol.send(NEW, name="x", email=email(), once=once)
        assert page.status == 409
        assert "too old or not yours" in page.text
    assert count() == before + 1


def test_nothing_that_someone_is_called_becomes_markup(acme: Cast, sol: Browser) -> None:
    evil = create_person(
        actor=OPERATOR, email=email(), name="<img src=x onerror=alert(1)>", platform_role="auditor"
    )
    for path in (LIST, f"{LIST}{evil.id}/", f"{LIST}{evil.id}/role/", f"{LIST}{evil.id}/invite/"):
        page = sol.get(path, q=evil.id) if path == LIST else sol.get(path)
        assert "<img src=x" not in page.html
        assert "<img src=x onerror" in page.text


def test_the_pages_of_people_ask_the_database_little(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for path in (LIST, f"{LIST}{acme.owner.id}/", f"{LIST}{acme.owner.id}/role/"):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path


def test_many_people_of_many_tenants_cost_no_more(
    acme: Cast, globex: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for _ in range(30):
        extra = staff("Many", "")
        for cast in (acme, globex):
            add_member(actor=OPERATOR, tenant_id=cast.tenant.id, person_id=extra.id, role="viewer")
    for path in (f"{LIST}?tenant={acme.tenant.slug}", f"/admin/tenants/{acme.tenant.slug}/"):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path
