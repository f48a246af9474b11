"""From an invitation to a member, through the pages: with an account, and without one."""

import re
from typing import Any

import psycopg
import pytest

from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.tenancy.invitations import invite_member, withdraw_invitation
from portal.tenancy.models import Invitation, Membership, Person, TenantInvitation
from portal.tenancy.people import create_person
from portal.tenancy.scope import platform_scope, tenant_scope
from portal.tenancy.signing_in.inviting import invite_person
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Visitor, code_of, someone
from tests.pages.browser import Browser, Page, staff

Db = psycopg.Connection[Any]


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    """Passwords are hashed in no time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def address() -> str:
    return f"{base62(10).lower()}@invited.example"


def at(cast: Cast, rest: str) -> str:
    return f"/t/{cast.tenant.slug}/{rest}"


def link_of(invitation: Any) -> str:
    with platform_scope("a test reads a mail"):
        letter = letter_of(Mail.objects.filter(about=invitation.id).latest("created_at"))
    assert letter is not None
    return "/join/" + letter.text.partition("/join/")[2].split()[0]


def invite(cast: Cast, email: str, role: str = "developer") -> TenantInvitation:
    return invite_member(actor=cast.owner, tenant_id=cast.tenant.id, email=email, role=role)


def members(cast: Cast) -> set[str]:
    with tenant_scope(cast.tenant.id):
        return set(Membership.objects.values_list("person__email", flat=True))


def key_of(page: Page) -> str:
    return page.html.partition('<span class="mono">')[2].partition("<")[0]


def set_up(visitor: Visitor, link: str, **changes: Any) -> Page:
    """The set-up page, filled in well but for `changes`."""
    page = visitor.get(link)
    good = {
        "name": "Mika Sato", "password": PASSWORD, "code": code_of(key_of(page)), "stored": "on",
    }  # fmt: skip
    return visitor.post(link, {**page.fields(), **good, **changes})


def test_an_owner_invites_by_the_page_and_sees_it_waiting(ada: Browser, acme: Cast) -> None:
    email = address()
    page = ada.send(at(acme, "members/invite/"), email=email, role="viewer")
    assert page.goes_to == at(acme, "invitations/")
    listed = ada.get(at(acme, "invitations/"))
    assert email in listed.text and "Open" in listed.text and "in 6 days" in listed.text
    assert "No mail server is set up here" in listed.text
    assert "Invitations (1)" in ada.get(at(acme, "members/")).text
    assert "once-" not in listed.html, "the link is the address' alone"


def test_a_second_sending_of_the_form_invites_nobody_twice(ada: Browser, acme: Cast) -> None:
    path = at(acme, "members/invite/")
    fields = {**ada.get(path).fields(), "email": address(), "role": "viewer"}
    for _ in range(2):
        assert ada.post(path, **fields).status == 302
    with tenant_scope(acme.tenant.id):
        assert TenantInvitation.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ({"email": ""}, 400, "1 to 254 characters"),
        ({"email": "nobody"}, 400, "A mail address"),
        ({"role": ""}, 400, "One of owner, developer"),
        ({"role": "king"}, 400, "One of owner"),
        ({"once": "forged"}, 409, "too old or not yours"),
        ({"email": "a\0b@c.example"}, 400, "Null characters"),
    ],
)
def test_what_is_wrong_stands_by_its_field_and_nobody_is_invited(
    ada: Browser, acme: Cast, typed: dict[str, str], status: int, words: str
) -> None:
    page = ada.send(at(acme, "members/invite/"), **{"email": address(), "role": "viewer", **typed})
    assert page.status == status and words in page.text
    with tenant_scope(acme.tenant.id):
        assert not TenantInvitation.objects.exists()


def test_too_many_are_told_when_to_go_on(ada: Browser, acme: Cast) -> None:
    invitation = invite(acme, address())
    again = at(acme, f"invitations/{invitation.id}/again/")
    statuses = [ada.send(again).status for _ in range(3)]
    assert statuses == [302, 302, 429]
    assert int(ada.send(again).headers["retry-after"]) > 0


def test_invitations_are_found_filtered_kept_withdrawn_and_sent_again(
    ada: Browser, acme: Cast, owner_db: Db
) -> None:
    mine, other = invite(acme, address()), invite(acme, address(), "viewer")
    path = at(acme, "invitations/")
    owner_db.execute(
        "UPDATE tenancy_tenantinvitation SET expires_at = now() WHERE id = %s", [other.id]
    )
    for asked, shown in (
        ({"q": mine.email}, mine), ({"state": "open"}, mine), ({"state": "ended"}, other),
        ({"role": "viewer"}, other),
    ):  # fmt: skip
        page = ada.get(path, **asked)
        hidden = other if shown is mine else mine
        assert shown.email in page.text and hidden.email not in page.html.replace(
            f'value="{hidden.email}"', ""
        ), asked
    assert mine.email in ada.get(path, format="csv").html
    old = link_of(other)
    assert ada.send(f"{path}{other.id}/again/").goes_to == path
    assert Visitor().get(old).status == 404
    assert Visitor().get(link_of(other)).status == 200
    assert ada.send(f"{path}{mine.id}/withdraw/").goes_to == path
    assert Visitor().get(link_of(mine)).status == 404
    assert ada.get(f"{path}{mine.id}/withdraw/").status == 404
    assert "Nobody is invited" not in ada.get(path).text


def test_who_has_no_account_makes_one_and_is_in(acme: Cast) -> None:
    email, visitor = address(), Visitor()
    link = link_of(invite(acme, email))
    page = visitor.get(link)
    assert f"Join {acme.tenant.name}" in page.text and "Ada invites you as developer" in page.text
    with platform_scope("a test"):
        assert not Person.objects.filter(email=email).exists(), "looking makes nobody"
    done = set_up(visitor, link)
    assert done.goes_to == "/t/"
    assert visitor.get("/t/").goes_to == at(acme, "")
    assert visitor.get(at(acme, "keys/")).status == 200
    assert email in members(acme)
    assert visitor.get(link).status == Visitor().get(link).status == 404
    with platform_scope("a test"):
        person = Person.objects.get(email=email)
        membership = Membership.objects.get(person=person)
    assert (person.name, membership.role) == ("Mika Sato", "developer")
    assert "person.set_up success" in events_of(person.id)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "1 to 128 characters"),
        ({"password": "short"}, "15"),
        ({"code": "000000"}, "another minute"),
        ({"stored": None}, "Store the codes first"),
        ({"sealed": "forged"}, "too old"),
    ],
)
def test_what_is_wrong_there_is_told_and_makes_nobody(
    acme: Cast, changes: dict[str, Any], words: str
) -> None:
    email = address()
    link = link_of(invite(acme, email))
    page = Visitor().get(link)
    good = {**page.fields(), "name": "Mika", "password": PASSWORD,
            "code": code_of(key_of(page)), "stored": "on"}  # fmt: skip
    sent = {n: v for n, v in {**good, **changes}.items() if v is not None}
    answer = Visitor().post(link, sent)
    assert answer.status == 400 and words in answer.text
    with platform_scope("a test"):
        assert not Person.objects.filter(email=email).exists()
    assert Visitor().get(link).status == 200


def test_who_has_an_account_signs_in_and_accepts_without_the_link(acme: Cast) -> None:
    mika = someone("Mika Sato", "")
    invitation = invite(acme, mika.person.email, "viewer")
    visitor = Visitor()
    page = visitor.get(link_of(invitation))
    assert page.goes_to == f"/invitations/{invitation.id}/"
    assert "once-" not in page.goes_to, "no link in a redirect"
    there = visitor.get(page.goes_to)
    assert there.goes_to == f"/admin/login/?next=/invitations/{invitation.id}/"
    visitor.sign_in(mika)
    choice = visitor.get("/t/")
    assert choice.status == 200 and f"/invitations/{invitation.id}/" in choice.html
    page = visitor.get(f"/invitations/{invitation.id}/")
    assert f"Join {acme.tenant.name}?" in page.text and "as viewer" in page.text
    assert members(acme).isdisjoint({mika.person.email}), "looking accepts nothing"
    done = visitor.post(f"/invitations/{invitation.id}/", page.fields())
    assert done.goes_to == at(acme, "")
    assert mika.person.email in members(acme)
    assert visitor.post(f"/invitations/{invitation.id}/", page.fields()).status == 404


def masked(page: Page) -> str:
    html = page.html.replace(page.headers["x-request-id"], "#")
    return re.sub(r'value="[^"]*"', "", re.sub(r"/(invitations|join)/[^\"]*", "", html))


def test_to_anybody_else_it_is_nothing(acme: Cast, ada: Browser, sol: Browser) -> None:
    mika, eve = staff("Mika", ""), Browser(staff("Eve", ""))
    invitation = invite(acme, mika.email)
    for browser in (eve, sol, ada):
        path = f"/invitations/{invitation.id}/"
        theirs, none = browser.get(path), browser.get("/invitations/jn_000000000000/")
        assert theirs.status == none.status == 404
        assert masked(theirs) == masked(none)
        assert browser.post(path).status == 404
        assert acme.tenant.name not in theirs.text or browser is ada
        assert invitation.id not in browser.get("/t/").html
    assert mika.email not in members(acme)


def test_a_dead_link_is_one_answer(acme: Cast, owner_db: Db) -> None:
    used, gone, over = (invite(acme, address()) for _ in range(3))
    links = [link_of(each) for each in (used, gone, over)]
    set_up(Visitor(), links[0])
    withdraw_invitation(actor=acme.owner, tenant_id=acme.tenant.id, invitation_id=gone.id)
    owner_db.execute(
        "UPDATE tenancy_tenantinvitation SET expires_at = now() WHERE id = %s", [over.id]
    )
    links += [f"/join/once-{base62(43)}", "/join/x", f"/join/once-{'é' * 43}"]
    for pages in (
        [Visitor().get(link) for link in links], [Visitor().post(link) for link in links],
    ):  # fmt: skip
        assert {page.status for page in pages} == {404}
        assert len({masked(page) for page in pages}) == 1


def test_a_tenants_word_sets_up_nobody_who_is_anybody(acme: Cast) -> None:
    """Not who signed in by other means, and not the platform's people: a link is no way in."""
    admin = staff("Sol", "security_admin")
    by_other_means = staff("Noor", "")
    with platform_scope("a test lets someone sign in by other means"):
        from django.db.models.functions import Now

        Person.objects.filter(id=by_other_means.id).update(last_sign_in_at=Now())
    for who in (admin, by_other_means, someone("Mika", "").person):
        invitation = invite(acme, who.email)
        page = Visitor().get(link_of(invitation))
        assert page.goes_to == f"/invitations/{invitation.id}/", who
        assert Visitor().post(link_of(invitation), {"password": PASSWORD}).status == 302
        with platform_scope("a test"):
            assert Person.objects.get(id=who.id).password == who.password


def test_who_was_created_and_never_set_up_keeps_their_name_and_other_links_die(
    acme: Cast,
) -> None:
    kim = create_person(actor=OPERATOR, email=address(), name="Kim Osei")
    invite_person(actor=OPERATOR, person_id=kim.id)
    visitor, link = Visitor(), link_of(invite(acme, kim.email))
    assert 'value="Kim Osei"' in visitor.get(link).html
    assert set_up(visitor, link, name="Somebody Else").status == 302
    with platform_scope("a test"):
        assert Person.objects.get(id=kim.id).name == "Kim Osei"
        assert not Invitation.objects.filter(person=kim, used_at=None).exists()


def test_two_tenants_invite_one_newcomer_and_neither_is_in_the_others_way(
    acme: Cast, globex: Cast
) -> None:
    email, visitor = address(), Visitor()
    first, second = invite(acme, email), invite(globex, email, "viewer")
    assert set_up(visitor, link_of(first)).status == 302
    page = visitor.get(link_of(second))
    assert page.goes_to == f"/invitations/{second.id}/"
    there = visitor.get(page.goes_to)
    assert visitor.post(page.goes_to, there.fields()).goes_to == at(globex, "")
    assert email in members(acme) and email in members(globex)


def test_pages_ask_little_of_the_database(ada: Browser, acme: Cast, queries: Any) -> None:
    for _ in range(30):
        invite(acme, address())
    for rest in ("members/", "members/invite/", "invitations/"):
        with queries() as told:
            assert ada.get(at(acme, rest)).status == 200
        assert len(told) <= 15, (rest, len(told))
