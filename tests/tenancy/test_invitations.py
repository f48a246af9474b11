"""Invitations to a tenant: who may make them, what they tell, and that each works once."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.invitations import (
    BY_ADDRESS,
    invite_member,
    send_invitation_again,
    withdraw_invitation,
)
from portal.tenancy.memberships import add_member, change_role, disable_membership
from portal.tenancy.models import Membership, Person, TenantInvitation
from portal.tenancy.people import create_person, disable_person
from portal.tenancy.roles import ACTIONS
from portal.tenancy.scope import platform_scope, tenant_scope
from portal.tenancy.signing_in.joining import join, offer_to, offers_to
from portal.tenancy.signing_in.throttling import Wait
from portal.tenancy.tenants import resume_tenant, suspend_tenant
from tests.cast import OPERATOR, Cast, person
from tests.keys.events import events_of
from tests.pages.browser import staff
from tests.races import outcomes

Db = psycopg.Connection[Any]


def address() -> str:
    return f"{base62(10).lower()}@invited.example"


def invite(cast: Cast, email: str, role: str = "developer", actor: Actor | None = None) -> Any:
    return invite_member(
        actor=actor or cast.owner, tenant_id=cast.tenant.id, email=email, role=role
    )


def mails_about(invitation: Any) -> list[str]:
    with platform_scope("tests read mails"):
        letters = [letter_of(mail) for mail in Mail.objects.filter(about=invitation.id)]
    return [letter.text for letter in letters if letter]


def open_ones(cast: Cast) -> list[str]:
    with tenant_scope(cast.tenant.id):
        return list(TenantInvitation.objects.order_by("sent_at").values_list("email", flat=True))


def accept(invitation: Any, who: Person) -> Membership:
    acting = Actor(kind="user", id=who.id, label=who.name, auth=("pwd", "otp"))
    return join(actor=acting, person=who, invitation_id=invitation.id)


def test_an_invitation_is_a_mail_with_a_link_and_an_entry(acme: Cast) -> None:
    email = address()
    invitation = invite(acme, email.upper())
    assert open_ones(acme) == [email]
    (text,) = mails_about(invitation)
    assert f"Ada invites you to {acme.tenant.name}" in text and "/join/once-" in text
    assert events_of(invitation.id) == ["invitation.sent success"]


def test_the_link_is_kept_nowhere(acme: Cast, owner_db: Db) -> None:
    invitation = invite(acme, address())
    token = mails_about(invitation)[0].partition("/join/")[2].split()[0]
    for table in ("tenancy_tenantinvitation", "ledger_entry", "ledger_payload", "core_mail"):
        rows = owner_db.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s",
                                [f"%{token}%"]).fetchone()  # fmt: skip
        assert rows == (0,), table


@pytest.mark.parametrize(
    ("who", "code"), [("developer", "FORBIDDEN"), ("viewer", "FORBIDDEN"), ("cy", "NOT_FOUND")]
)
def test_an_owner_invites_and_nobody_else(acme: Cast, globex: Cast, who: str, code: str) -> None:
    actor = globex.owner if who == "cy" else getattr(acme, who)
    standing = invite(acme, address())
    at: dict[str, Any] = {"actor": actor, "tenant_id": acme.tenant.id}
    for act in (
        lambda: invite(acme, address(), actor=actor),
        lambda: send_invitation_again(**at, invitation_id=standing.id),
        lambda: withdraw_invitation(**at, invitation_id=standing.id),
    ):
        with pytest.raises(Refusal, match=code):
            act()
    assert len(open_ones(acme)) == 1


def test_nobody_offers_more_than_they_have(acme: Cast) -> None:
    few = replace(acme.owner, actions=ACTIONS["developer"] | {"members:write"})
    for role in ("owner", "privacy_officer", "viewer"):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            invite(acme, address(), role, few)
    theirs = invite(acme, address(), "owner")
    with pytest.raises(Refusal, match="FORBIDDEN"):
        send_invitation_again(actor=few, tenant_id=acme.tenant.id, invitation_id=theirs.id)
    assert invite(acme, address(), "developer", few)


@pytest.mark.parametrize(
    ("email", "role", "pointer"),
    [
        ("", "viewer", "/email"), ("sol", "viewer", "/email"),
        ("a\0@b.example", "viewer", "/email"),
        ("a@b.example\nBcc: c@d.example", "viewer", "/email"), ("x" * 255, "viewer", "/email"),
        ("a@b.example", "king", "/role"), ("a@b.example", "", "/role"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_pointed_at(acme: Cast, email: str, role: str, pointer: str) -> None:
    with pytest.raises(Refusal, match=pointer):
        invite(acme, email, role)
    assert open_ones(acme) == []


def test_a_members_address_and_an_open_one_are_conflicts(acme: Cast, globex: Cast) -> None:
    with platform_scope("a test"):
        ben = acme.memberships["developer"].person.email
    email = address()
    invite(acme, email)
    for taken in (ben, email, email.upper()):
        with pytest.raises(Refusal, match="CONFLICT"):
            invite(acme, taken)
    assert invite(globex, email), "what one tenant does is nothing to another"


def test_known_and_unknown_addresses_take_the_same_questions(acme: Cast, globex: Cast) -> None:
    with platform_scope("a test"):
        known = globex.memberships["owner"].person.email
    asked = []
    for email in (known, address()):
        with CaptureQueriesContext(connection) as told:
            invite(acme, email)
        asked.append([query["sql"].split("'")[0][:60] for query in told.captured_queries])
    assert asked[0] == asked[1]


def test_who_has_an_account_accepts_once(acme: Cast) -> None:
    who = staff("Mika", "")
    invitation = invite(acme, who.email, "privacy_officer")
    assert [each.id for each in offers_to(who)] == [invitation.id]
    membership = accept(invitation, who)
    assert (membership.role, membership.person_id) == ("privacy_officer", who.id)
    assert events_of(invitation.id) == ["invitation.sent success", "invitation.accepted success"]
    assert events_of(membership.id) == ["membership.created success"]
    with pytest.raises(Refusal, match="NOT_FOUND"):
        accept(invitation, who)
    assert offers_to(who) == []


def test_it_is_nobody_elses(acme: Cast) -> None:
    invitation, other = invite(acme, address()), staff("Eve", "")
    assert offers_to(other) == []
    for act in (lambda: offer_to(other, invitation.id), lambda: accept(invitation, other)):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            act()
    assert len(open_ones(acme)) == 1


def ended(acme: Cast, invitation: Any, how: str, db: Db) -> None:
    at: dict[str, Any] = {"actor": OPERATOR, "tenant_id": acme.tenant.id}
    me = str(acme.owner.membership_id)
    if how == "withdrawn":
        withdraw_invitation(actor=acme.owner, tenant_id=acme.tenant.id, invitation_id=invitation.id)
    elif how == "past its end":
        db.execute(
            "UPDATE tenancy_tenantinvitation SET expires_at = now() WHERE id = %s", [invitation.id]
        )
    elif how == "tenant suspended":
        suspend_tenant(**at, reason="x")
    elif how == "inviter disabled":
        disable_person(actor=OPERATOR, person_id=acme.owner.id, reason="x")
    else:
        person(acme.tenant, "Bo", "owner")
        if how == "inviter left":
            disable_membership(**at, membership_id=me, reason="x")
        else:
            change_role(**at, membership_id=me, role="viewer")


ENDS = (
    "withdrawn", "past its end", "tenant suspended", "inviter disabled", "inviter left",
    "inviter demoted",
)  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_what_has_ended_is_as_unknown_as_any_other(acme: Cast, owner_db: Db, how: str) -> None:
    who = staff("Mika", "")
    invitation = invite(acme, who.email, "owner")
    assert offers_to(who)
    ended(acme, invitation, how, owner_db)
    assert offers_to(who) == []
    with pytest.raises(Refusal, match="NOT_FOUND"):
        accept(invitation, who)
    with platform_scope("a test"):
        assert not Membership.objects.filter(person=who).exists()


def test_a_suspended_tenants_invitation_works_again_after_it(acme: Cast) -> None:
    who = staff("Mika", "")
    invitation = invite(acme, who.email)
    at: dict[str, Any] = {"actor": OPERATOR, "tenant_id": acme.tenant.id, "reason": "x"}
    suspend_tenant(**at)
    resume_tenant(**at)
    assert accept(invitation, who)


def test_sent_again_it_has_another_link_and_another_who_answers_for_it(acme: Cast) -> None:
    who = staff("Mika", "")
    _, bo = person(acme.tenant, "Bo", "owner")
    invitation = invite(acme, who.email)
    again = send_invitation_again(actor=bo, tenant_id=acme.tenant.id, invitation_id=invitation.id)
    assert again.id == invitation.id and bytes(again.digest) != bytes(invitation.digest)
    assert len(mails_about(invitation)) == 2
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, reason="x",
        membership_id=str(acme.owner.membership_id),
    )  # fmt: skip
    assert accept(invitation, who)
    assert events_of(invitation.id)[1] == "invitation.sent_again success"


def test_an_ended_one_makes_room_for_another(acme: Cast, owner_db: Db) -> None:
    email = address()
    first = invite(acme, email)
    ended(acme, first, "past its end", owner_db)
    second = invite(acme, email, "viewer")
    assert second.id != first.id and open_ones(acme) == [email]


def test_who_became_a_member_meanwhile_is_told_so(acme: Cast) -> None:
    who = staff("Mika", "")
    invitation = invite(acme, who.email, "owner")
    add_member(actor=OPERATOR, tenant_id=acme.tenant.id, person_id=who.id, role="viewer")
    with pytest.raises(Refusal, match="CONFLICT"):
        accept(invitation, who)
    with platform_scope("a test"):
        assert Membership.objects.get(person=who).role == "viewer"


def test_a_disabled_person_accepts_nothing(acme: Cast) -> None:
    who = create_person(actor=OPERATOR, email=address(), name="Mika")
    invitation = invite(acme, who.email)
    disable_person(actor=OPERATOR, person_id=who.id, reason="x")
    with pytest.raises(Refusal, match="NOT_FOUND"):
        accept(invitation, who)


def test_too_many_mails_wait(acme: Cast) -> None:
    invitation = invite(acme, address())
    at: dict[str, Any] = {
        "actor": acme.owner,
        "tenant_id": acme.tenant.id,
        "invitation_id": invitation.id,
    }
    for _ in range(BY_ADDRESS.burst - 1):
        send_invitation_again(**at)
    with pytest.raises(Wait):
        send_invitation_again(**at)
    assert len(mails_about(invitation)) == BY_ADDRESS.burst
    assert invite(acme, address()), "others are not held back"


def test_of_two_who_accept_at_once_one_does(acme: Cast) -> None:
    for _ in range(5):
        who = staff("Mika", "")
        invitation = invite(acme, who.email)
        told = outcomes(*[lambda i=invitation, w=who: accept(i, w)] * 3)
        assert told == ["NOT_FOUND", "NOT_FOUND", "done"]


def test_of_two_who_invite_at_once_one_does(acme: Cast) -> None:
    for _ in range(3):
        email = address()
        assert outcomes(*[lambda e=email: invite(acme, e)] * 2) == ["CONFLICT", "done"]
        assert open_ones(acme).count(email) == 1


def test_an_inviter_who_is_demoted_at_that_moment_brings_nobody_in_later(acme: Cast) -> None:
    for _ in range(5):
        bo, acting = person(acme.tenant, "Bo", "owner")
        who = staff("Mika", "")
        invitation = invite(acme, who.email, "owner", acting)
        told = outcomes(
            lambda i=invitation, w=who: accept(i, w),  # type: ignore[misc]  # bound now
            lambda m=bo.id: change_role(  # type: ignore[misc]  # bound now
                actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=m, role="viewer"
            ),
        )
        with platform_scope("a test"):
            joined = Membership.objects.filter(person=who, tenant=acme.tenant).exists()
        assert told == (["done", "done"] if joined else ["NOT_FOUND", "done"])
