"""People: the list, making one, roles, inviting, disabling; and who is in a tenant."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.models import Membership, Person
from portal.tenancy.people import change_platform_role, disable_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
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


def test_a_role_is_given_and_holds_from_the_next_request(sol: Browser) -> None:
    browser = Browser(staff("Kim", "auditor"))
    assert "Create person" not in browser.get(LIST).text
    path = f"{LIST}{browser.person.id}/"
    answer = sol.send(f"{path}role/", role="security_admin", reason="steps in")
    assert answer.goes_to == path
    assert "Create person" in browser.get(LIST).text
    sol.send(f"{path}role/", role="", reason="steps out")
    assert browser.get(LIST).status == 403


def test_a_disabled_person_is_signed_out_at_once(sol: Browser) -> None:
    browser = Browser(staff("Leo", "auditor"))
    assert browser.get(LIST).status == 200
    path = f"{LIST}{browser.person.id}/"
    assert sol.send(f"{path}disable/", reason="left").goes_to == path
    assert browser.get(LIST).status == 302
    assert sol.send(f"{path}enable/", reason="is back").goes_to == path
    assert browser.get(LIST).status == 302  # the session ended, not only its person
    assert events_of(browser.person.id)[-2:] == [
        "person.disabled success", "person.enabled success",
    ]  # fmt: skip


def test_the_last_security_admin_stays(sol: Browser, owner_db: Any) -> None:
    others = [person for person in _admins() if person != sol.person.id]
    owner_db.execute("UPDATE tenancy_person SET is_active = false WHERE id = ANY(%s)", [others])
    try:
        with pytest.raises(Refusal, match="CONFLICT"):
            disable_person(actor=OPERATOR, person_id=sol.person.id, reason="x")
        with pytest.raises(Refusal, match="CONFLICT"):
            change_platform_role(actor=OPERATOR, person_id=sol.person.id, role="", reason="x")
        page = sol.send(f"{LIST}{sol.person.id}/role/", role="auditor", reason="x")
        assert page.status == 409
        assert "at least one active security admin" in page.text
    finally:
        owner_db.execute("UPDATE tenancy_person SET is_active = true WHERE id = ANY(%s)", [others])


def _admins() -> list[str]:
    with platform_scope("a test"):
        rows = Person.objects.filter(platform_role="security_admin", is_active=True)
        return list(rows.values_list("id", flat=True))


def test_an_auditor_looks_and_changes_nothing(ira: Browser) -> None:
    cleo = staff("Cleo", "auditor")
    path = f"{LIST}{cleo.id}/"
    assert ira.get(path).status == 200
    for verb in ("role", "invite", "disable"):
        assert ira.get(f"{path}{verb}/").status == 403
        assert ira.post(f"{path}{verb}/", reason="x", role="security_admin").status == 403
    with platform_scope("a test"):
        assert Person.objects.get(id=cleo.id).platform_role == "auditor"
    assert "access.refused denied" in events_of(cleo.id)


def test_someone_joins_a_tenant_changes_role_leaves_and_comes_back(
    acme: Cast, sol: Browser
) -> None:
    path = f"/admin/tenants/{acme.tenant.slug}/"
    mika = staff("Mika", "")
    unknown = sol.send(f"{path}members/new/", email="nobody@example.com", role="viewer")
    assert unknown.status == 400
    assert "Nobody has this address." in unknown.text
    wrong = sol.send(f"{path}members/new/", email=mika.email, role="king")
    assert "One of owner, developer" in wrong.text
    sol.send(f"{path}members/new/", email=mika.email, role="viewer")
    again = sol.send(f"{path}members/new/", email=mika.email, role="viewer")
    assert again.status == 409
    with platform_scope("a test"):
        member = Membership.objects.get(person_id=mika.id)
    own = f"{path}members/{member.id}/"
    assert sol.send(f"{own}role/", role="developer").goes_to == path
    assert sol.send(f"{own}disable/", reason="left").goes_to == path
    assert sol.send(f"{own}enable/", reason="is back").goes_to == path
    assert events_of(member.id) == [
        "membership.created success", "membership.changed success",
        "membership.disabled success", "membership.enabled success",
    ]  # fmt: skip


def test_the_last_owner_stays(acme: Cast, sol: Browser) -> None:
    own = f"/admin/tenants/{acme.tenant.slug}/members/{acme.owner.membership_id}/"
    page = sol.send(f"{own}disable/", reason="x")
    assert page.status == 409
    assert "at least one active owner" in page.text
    assert sol.send(f"{own}role/", role="viewer").status == 409


def test_a_member_of_another_tenant_is_no_page(acme: Cast, globex: Cast, sol: Browser) -> None:
    own = f"/admin/tenants/{globex.tenant.slug}/members/{acme.owner.membership_id}/"
    for verb in ("role", "disable", "enable"):
        assert sol.get(f"{own}{verb}/").status == 404


def test_the_pages_of_people_ask_the_database_little(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for path in (LIST, f"{LIST}{acme.owner.id}/", f"{LIST}{acme.owner.id}/role/"):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path
