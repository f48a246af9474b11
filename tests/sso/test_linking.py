"""An account here is tied to one at a provider by its own person, invited and signed in."""

from typing import Any

import pytest

from audit.ledger.reading import entries
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.memberships import add_member
from portal.tenancy.models import ExternalIdentity, LinkInvitation
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso.linking import invite_to_link, unlink_identity
from portal.tenancy.sso.provider import provider_by
from tests.cast import OPERATOR, Cast
from tests.pages.app import Someone, Visitor, someone
from tests.pages.browser import Browser, Page, staff
from tests.sso.conftest import Acme, address_in


def invite(on: Acme, who: Someone, actor: Any = None) -> LinkInvitation:
    provider = provider_by(on.row.id)
    assert provider is not None
    return invite_to_link(actor=actor or on.cast.owner, provider=provider, person_id=who.person.id)


@pytest.fixture
def ben(on: Acme) -> Someone:
    """A member with a password and an app, of before there was a provider."""
    who = someone("Ben", "")
    add_member(actor=OPERATOR, tenant_id=on.cast.tenant.id, person_id=who.person.id, role="viewer")
    on.idp.bend["email"] = who.person.email
    return who


def accept(visitor: Visitor, who: Someone, **fields: str) -> Page:
    told = visitor.get("/sso/link/").fields("")
    sent = {"invitation": told["invitation"][0], "code": who.code(), **fields}
    return visitor.post("/sso/link/", sent)


def test_who_was_invited_and_accepts_signed_in_is_tied(
    on: Acme, ben: Someone, visitor: Visitor
) -> None:
    assert on.sign_in(Visitor()).status == 403  # his address ties nobody to anything
    invite(on, ben)
    visitor.sign_in(ben)
    assert "Acme’s provider, for Acme" in visitor.get("/sso/link/").text
    back = on.idp.approve(address_in(accept(visitor, ben)))
    assert visitor.get(back).goes_to == "/sso/link/"
    assert on.person() == ben.person
    assert visitor.is_signed_in()  # as before: nothing is bound
    # From now on he comes through the provider, as what he was.
    other = Visitor()
    assert on.sign_in(other).status == 302
    member = on.member()
    assert member is not None and member.role == "viewer"
    assert "Nothing is offered to you" in visitor.get("/sso/link/").text


def test_it_takes_a_code(on: Acme, ben: Someone, visitor: Visitor) -> None:
    invite(on, ben)
    visitor.sign_in(ben)
    for code in ("", "000000", "nonsense"):
        page = accept(visitor, ben, code=code)
        assert page.status == 400 and "refresh" not in page.headers, code
    assert on.person() is None


def test_an_invitation_is_its_persons_alone(on: Acme, ben: Someone, visitor: Visitor) -> None:
    invitation = invite(on, ben)
    eve = someone("Eve", "")
    visitor.sign_in(eve)
    assert "Nothing is offered to you" in visitor.get("/sso/link/").text
    page = visitor.post("/sso/link/", {"invitation": invitation.id, "code": eve.code()})
    assert page.status == 404


def test_a_way_that_was_begun_by_one_ties_nobody_who_signed_in_meanwhile(
    on: Acme, ben: Someone, visitor: Visitor
) -> None:
    invite(on, ben)
    visitor.sign_in(ben)
    back = on.idp.approve(address_in(accept(visitor, ben)))
    visitor.client.logout()
    visitor.post("/admin/logout/")
    eve = someone("Eve", "")
    visitor.sign_in(eve)
    assert visitor.get(back).status == 400
    assert on.person() is None


def test_an_invitation_works_once_and_ends(on: Acme, ben: Someone, visitor: Visitor) -> None:
    invite(on, ben)
    visitor.sign_in(ben)
    first = address_in(accept(visitor, ben))
    with platform_scope("a test lets a week pass"):
        LinkInvitation.objects.filter(person=ben.person).update(expires_at="2020-01-01T00:00Z")
    assert visitor.get(on.idp.approve(first)).status == 403
    assert on.person() is None
    invite(on, ben)
    assert visitor.get(on.idp.approve(address_in(accept(visitor, ben)))).status == 302
    with platform_scope("a test reads invitations"):
        assert LinkInvitation.objects.get(person=ben.person).used_at is not None


def test_who_is_somebody_else_here_already_is_not_tied_again(
    on: Acme, ben: Someone, visitor: Visitor
) -> None:
    on.someone().sign_in(Visitor())
    first = on.person()
    invite(on, ben)
    visitor.sign_in(ben)
    page = visitor.get(on.idp.approve(address_in(accept(visitor, ben))))
    assert page.status == 409 and "tied to somebody else" in page.text
    assert on.person() == first
    with platform_scope("a test reads invitations"):
        assert LinkInvitation.objects.get(person=ben.person).used_at is None


def test_a_new_invitation_ends_the_older_one_and_its_mail_has_no_secret(
    on: Acme, ben: Someone
) -> None:
    first, second = invite(on, ben), invite(on, ben)
    with platform_scope("a test reads invitations"):
        assert list(LinkInvitation.objects.filter(person=ben.person)) == [second]
        letter = letter_of(Mail.objects.filter(about=ben.person.id).latest("created_at"))
        told = entries(tenant=on.cast.tenant.id, type="identity.invited")
        assert told.count() == 2
    assert letter is not None and "/sso/link/\n" in letter.text
    assert first.id not in letter.text and second.id not in letter.text


def test_an_owner_invites_members_alone_and_only_of_their_tenant(
    on: Acme, ben: Someone, globex: Cast
) -> None:
    with pytest.raises(Refusal, match="NOT_FOUND"):
        invite(on, someone("Eve", ""))
    with pytest.raises(Refusal, match="NOT_FOUND"):
        invite(on, ben, globex.owner)
    for actor in (on.cast.developer, on.cast.viewer):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            invite(on, ben, actor)
    assert invite(on, ben).person_id == ben.person.id


def test_an_account_is_untied_by_who_governs_people(on: Acme, visitor: Visitor) -> None:
    on.sign_in(visitor)
    person = on.person()
    assert person is not None
    with platform_scope("a test reads what is tied"):
        tied = ExternalIdentity.objects.get(person=person)
    told = {"person_id": person.id, "identity_id": tied.id, "reason": "a wrong one"}
    with pytest.raises(Refusal, match="FORBIDDEN"):
        unlink_identity(actor=on.cast.owner, **told)
    unlink_identity(actor=OPERATOR, **told)
    with pytest.raises(Refusal, match="NOT_FOUND"):
        unlink_identity(actor=OPERATOR, **told)
    assert on.sign_in(Visitor()).status == 409  # the address is theirs still, and ties nobody


def test_the_persons_page_shows_who_they_are_elsewhere_and_unties_them(
    on: Acme, visitor: Visitor
) -> None:
    on.sign_in(visitor)
    person = on.person()
    assert person is not None
    for who, may in ((staff("Sol", "security_admin"), True), (staff("Ira", "auditor"), False)):
        browser = Browser(who)
        page = browser.get(f"/admin/people/{person.id}/")
        assert on.idp.issuer in page.text and ("Untie" in page.text) is may
    with platform_scope("a test reads what is tied"):
        path = f"/admin/people/{person.id}/sso/{ExternalIdentity.objects.get(person=person).id}/"
    assert browser.post(f"{path}untie/", reason="x").status == 403
    sol = Browser(staff("Sol", "security_admin"))
    assert sol.send(f"{path}untie/", reason="").status == 400
    assert sol.send(f"{path}untie/", reason="a wrong one").goes_to == f"/admin/people/{person.id}/"
    assert on.person() is None
    assert sol.get(f"{path}untie/").status == 404
