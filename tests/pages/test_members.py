"""Who is in a tenant: joining, another role, leaving and coming back."""

import pytest

from portal.tenancy.models import Membership
from portal.tenancy.scope import platform_scope
from tests.cast import Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, staff


def member(cast: Cast, role: str) -> Membership:
    with platform_scope("a test"):
        return Membership.objects.get(id=cast.memberships[role].id)


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


def test_a_stale_form_of_a_member_says_who_was_first(acme: Cast, sol: Browser) -> None:
    path = f"/admin/tenants/{acme.tenant.slug}/members/{acme.memberships['viewer'].id}/role/"
    fields = {**sol.get(path).fields(), "role": "owner"}
    sol.send(path, role="privacy_officer")
    page = sol.post(path, **fields)
    assert page.status == 412
    assert "Sol changed" in page.text
    assert page.fields()["role"] == ["owner"]
    assert member(acme, "viewer").role == "privacy_officer"
    assert sol.post(path, **page.fields()).status == 302
    assert member(acme, "viewer").role == "owner"


@pytest.mark.parametrize("forged", ["", "god", "x" * 10_000])
def test_a_form_that_lies_about_what_it_was_opened_on_changes_nothing(
    acme: Cast, sol: Browser, forged: str
) -> None:
    path = f"/admin/tenants/{acme.tenant.slug}/members/{acme.memberships['viewer'].id}/role/"
    page = sol.send(path, role="owner", was=forged)
    assert page.status == 412
    assert "The form did not say rightly on what it was opened." in page.text
    assert member(acme, "viewer").role == "viewer"


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ({"email": "", "role": "viewer"}, 400, "Whose address is it?"),
        ({"email": "x" * 5_000, "role": "viewer"}, 400, "Nobody has this address."),
        ({"email": "a\0@example.com", "role": "viewer"}, 400, "Null characters"),
        ({"role": ""}, 400, "One of owner, developer"),
        ({"role": "security_admin"}, 400, "One of owner, developer"),
        ({"once": "forged"}, 409, "too old or not yours"),
        ({"once": ""}, 409, "too old or not yours"),
    ],
)
def test_who_joins_is_judged_beside_its_field(
    acme: Cast, sol: Browser, typed: dict[str, str], status: int, words: str
) -> None:
    mika = staff("Mika", "")
    path = f"/admin/tenants/{acme.tenant.slug}/members/new/"
    page = sol.send(path, **{"email": mika.email, "role": "viewer", **typed})
    assert page.status == status
    assert words in page.text
    with platform_scope("a test"):
        assert not Membership.objects.filter(person_id=mika.id).exists()


def test_an_auditor_changes_no_member_and_it_is_recorded(acme: Cast, ira: Browser) -> None:
    path = f"/admin/tenants/{acme.tenant.slug}/members/"
    own = f"{path}{acme.memberships['viewer'].id}/"
    for address in (f"{path}new/", f"{own}role/", f"{own}disable/", f"{own}enable/"):
        assert ira.get(address).status == 403
        assert ira.post(address, role="owner", email="x", reason="x").status == 403
    assert member(acme, "viewer").role == "viewer"
    assert events_of(acme.memberships["viewer"].id).count("access.refused denied") == 3
    assert "access.refused denied" in events_of(acme.tenant.id)
