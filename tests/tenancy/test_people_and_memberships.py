"""People, and what they are in tenants."""

from dataclasses import replace
from typing import Any

import pytest

from portal.core.refusals import Refusal
from portal.tenancy.memberships import (
    add_member,
    change_role,
    disable_membership,
    enable_membership,
)
from portal.tenancy.models import Membership
from portal.tenancy.people import create_person, disable_person, enable_person
from portal.tenancy.roles import ACTIONS
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.tenancy.epochs import epoch_of


def test_an_address_is_one_persons_however_it_is_written(acme: Cast) -> None:
    email = f"sol@{acme.tenant.slug}.example"
    person = create_person(actor=OPERATOR, email=email, name="Sol")
    assert events_of(person.id) == ["person.created success"]
    assert not person.has_usable_password()
    with pytest.raises(Refusal, match="CONFLICT"):
        create_person(actor=OPERATOR, email=email.upper(), name="Sol")


@pytest.mark.parametrize("email", ["", "sol", "sol@", "sol@a\0.example", "a@b.example\n"])
def test_an_address_is_a_mail_address(email: str) -> None:
    with pytest.raises(Refusal, match="/email"):
        create_person(actor=OPERATOR, email=email, name="Sol")


def test_disabling_a_person_raises_the_epoch_of_each_tenant(acme: Cast, globex: Cast) -> None:
    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=acme.owner.id, role="viewer")
    for verb in (disable_person, enable_person):
        before = epoch_of(acme), epoch_of(globex)
        assert verb(actor=OPERATOR, person_id=acme.owner.id, reason="x") == "complete"
        assert (epoch_of(acme), epoch_of(globex)) == (before[0] + 1, before[1] + 1)
    assert events_of(acme.owner.id) == [
        "person.created success", "person.disabled success", "person.enabled success",
    ]  # fmt: skip


def test_a_person_is_a_member_once(acme: Cast, globex: Cast) -> None:
    with pytest.raises(Refusal, match="CONFLICT"):
        add_member(actor=OPERATOR, tenant_id=acme.tenant.id, person_id=acme.owner.id, role="viewer")
    assert add_member(
        actor=OPERATOR, tenant_id=globex.tenant.id, person_id=acme.owner.id, role="viewer"
    )


def test_a_tenant_keeps_an_active_owner(acme: Cast) -> None:
    ada, ben = str(acme.owner.membership_id), str(acme.developer.membership_id)
    at = {"actor": OPERATOR, "tenant_id": acme.tenant.id}
    with pytest.raises(Refusal, match="CONFLICT"):
        disable_membership(**at, membership_id=ada, reason="x")  # type: ignore[arg-type]  # a shorthand
    with pytest.raises(Refusal, match="CONFLICT"):
        change_role(**at, membership_id=ada, role="viewer")  # type: ignore[arg-type]  # a shorthand
    change_role(**at, membership_id=ben, role="owner")  # type: ignore[arg-type]  # a shorthand
    disable_membership(**at, membership_id=ada, reason="x")  # type: ignore[arg-type]  # a shorthand
    enable_membership(**at, membership_id=ada, reason="x")  # type: ignore[arg-type]  # a shorthand
    assert events_of(ada) == [
        "membership.created success", "membership.disabled success", "membership.enabled success",
    ]  # fmt: skip


def test_disabling_a_membership_raises_the_epoch(acme: Cast) -> None:
    before, ben = epoch_of(acme), str(acme.developer.membership_id)
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=ben, reason="he left"
    )
    assert epoch_of(acme) > before
    with tenant_scope(acme.tenant.id):
        assert not Membership.objects.get(id=ben).is_active


def test_an_owner_governs_their_own_members_and_nobody_elses(acme: Cast, globex: Cast) -> None:
    ben = str(acme.developer.membership_id)
    for actor, code in (
        (acme.developer, "FORBIDDEN"), (acme.viewer, "FORBIDDEN"), (globex.owner, "NOT_FOUND"),
    ):  # fmt: skip
        with pytest.raises(Refusal, match=code):
            change_role(actor=actor, tenant_id=acme.tenant.id, membership_id=ben, role="owner")
    change_role(actor=acme.owner, tenant_id=acme.tenant.id, membership_id=ben, role="viewer")
    assert events_of(ben)[-1] == "membership.changed success"


def test_a_member_never_gives_a_role_that_is_more_than_theirs(acme: Cast) -> None:
    ben = str(acme.developer.membership_id)
    few = replace(acme.owner, actions=ACTIONS["developer"] | {"members:write"})
    at: dict[str, Any] = {"tenant_id": acme.tenant.id, "membership_id": ben}
    change_role(actor=few, **at, role="developer")
    for role in ("owner", "privacy_officer", "viewer"):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            change_role(actor=few, **at, role=role)
    left = str(acme.viewer.membership_id)
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=left, reason="she left"
    )
    with pytest.raises(Refusal, match="FORBIDDEN"):
        enable_membership(actor=few, tenant_id=acme.tenant.id, membership_id=left, reason="back")


def test_an_owner_may_give_every_role() -> None:
    for role, actions in ACTIONS.items():
        assert actions <= ACTIONS["owner"], role
