"""One person: inviting, another role, disabling and enabling."""

from typing import Any

import pytest

from portal.core.refusals import Refusal
from portal.tenancy.models import Person
from portal.tenancy.people import change_platform_role, disable_person
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, staff

LIST = "/admin/people/"


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


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"reason": ""}, "1 to 512 characters"),
        ({"reason": "x" * 513}, "1 to 512 characters"),
        ({"reason": "csk_live_7Kq2mVx0aBcD_" + "A" * 43 + "000000"}, "looks like a credential"),
        ({"reason": "x", "role": "god"}, "There is no such role."),
        ({"reason": "x\0"}, "Null characters"),
    ],
)
def test_a_role_form_that_is_wrong_changes_nothing(
    sol: Browser, typed: dict[str, str], words: str
) -> None:
    kim = staff("Kim", "auditor")
    page = sol.send(f"{LIST}{kim.id}/role/", **{"role": "security_admin", **typed})
    assert page.status == 400
    assert words in page.text
    assert 'class="error"' in page.html
    if "role" not in typed:
        assert page.fields()["role"] == ["security_admin"]
    with platform_scope("a test"):
        assert Person.objects.get(id=kim.id).platform_role == "auditor"


def test_a_stale_role_form_says_who_was_first(sol: Browser) -> None:
    kim = staff("Kim", "")
    path = f"{LIST}{kim.id}/role/"
    fields = {**sol.get(path).fields(), "role": "security_admin", "reason": "steps in"}
    sol.send(path, role="auditor", reason="was faster")
    sol.send(f"{LIST}{kim.id}/invite/")  # later, and of no concern
    page = sol.post(path, **fields)
    assert page.status == 412
    assert "Nothing was saved. This was changed while you looked at it: Sol changed" in page.text
    assert "the platform role of person “Kim”: was faster" in page.text
    assert "invited" not in page.text
    assert 'href="/v1/docs#PRECONDITION_FAILED"' in page.html
    kept = page.fields()
    assert (kept["role"], kept["reason"]) == (["security_admin"], ["steps in"])
    assert sol.post(path, **kept).status == 302
    with platform_scope("a test"):
        assert Person.objects.get(id=kim.id).platform_role == "security_admin"


def test_a_reload_invites_nobody_again(sol: Browser) -> None:
    mika = staff("Mika", "")
    path = f"{LIST}{mika.id}/invite/"
    fields = sol.get(path).fields()
    assert sol.post(path, **fields).goes_to.startswith("/admin/outbox/mai_")
    again = sol.post(path, **fields)
    assert again.goes_to == f"{LIST}{mika.id}/"
    assert "No second link was made." in sol.get(again.goes_to).text
    assert events_of(mika.id).count("person.invited success") == 1


def test_a_disabled_person_is_not_invited(sol: Browser) -> None:
    mika = staff("Mika", "")
    disable_person(actor=OPERATOR, person_id=mika.id, reason="left")
    page = sol.send(f"{LIST}{mika.id}/invite/")
    assert page.status == 409
    assert "This person is disabled." in page.text


def test_disabling_says_what_it_costs(acme: Cast, sol: Browser) -> None:
    page = sol.get(f"{LIST}{acme.owner.id}/disable/")
    assert "Nobody else owns Acme." in page.text
    assert "This is you" not in page.text
    assert "This is you" in sol.get(f"{LIST}{sol.person.id}/disable/").text
    assert "Nobody else owns" not in sol.get(f"{LIST}{acme.developer.id}/disable/").text


def test_what_is_so_already_is_said_and_recorded_once(acme: Cast, sol: Browser) -> None:
    for path in (
        f"{LIST}{acme.viewer.id}/",
        f"/admin/tenants/{acme.tenant.slug}/members/{acme.memberships['developer'].id}/",
    ):
        fields = {**sol.get(f"{path}disable/").fields(), "reason": "left"}
        for words in ("is disabled.", "is disabled already."):
            answer = sol.post(f"{path}disable/", **fields)
            assert words in sol.get(answer.goes_to).text
        assert "Nothing is left to do." in sol.get(f"{path}disable/").text
        assert 'name="reason"' not in sol.get(f"{path}disable/").html
    assert events_of(acme.viewer.id).count("person.disabled success") == 1


def _admins() -> list[str]:
    with platform_scope("a test"):
        rows = Person.objects.filter(platform_role="security_admin", is_active=True)
        return list(rows.values_list("id", flat=True))
