"""The last security admin and a tenant's last owner stay, also when two go at once."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from portal.core.refusals import Refusal
from portal.tenancy.memberships import change_role, disable_membership
from portal.tenancy.models import Membership, Person
from portal.tenancy.people import (
    change_platform_role,
    create_person,
    disable_person,
    enable_person,
)
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.cast import OPERATOR, Cast, person
from tests.keys.events import events_of
from tests.races import outcomes

Db = psycopg.Connection[Any]
ROUNDS = 10


@pytest.fixture
def admins(owner_db: Db) -> Iterator[Callable[[], list[str]]]:
    """`admins()` makes two security admins and stops every other one until the test is over."""
    others = [
        id
        for (id,) in owner_db.execute(
            "UPDATE tenancy_person SET is_active = false"
            " WHERE platform_role = 'security_admin' AND is_active RETURNING id"
        ).fetchall()
    ]
    made: list[str] = []

    def two() -> list[str]:
        owner_db.execute("UPDATE tenancy_person SET is_active = false WHERE id = ANY(%s)", [made])
        pair = [
            create_person(
                actor=OPERATOR, email=f"a{len(made)}-{n}@{id(made)}.example", name="Admin",
                platform_role="security_admin",
            ).id
            for n in range(2)
        ]  # fmt: skip
        made.extend(pair)
        return pair

    yield two
    owner_db.execute("UPDATE tenancy_person SET is_active = true WHERE id = ANY(%s)", [others])


def active_admins() -> int:
    with platform_scope("a test"):
        return Person.objects.filter(platform_role="security_admin", is_active=True).count()


def disable(id: str) -> Callable[[], Any]:
    return lambda: disable_person(actor=OPERATOR, person_id=id, reason="x")


def demote(id: str) -> Callable[[], Any]:
    return lambda: change_platform_role(actor=OPERATOR, person_id=id, role="auditor", reason="x")


@pytest.mark.parametrize(
    ("first", "second"), [(disable, disable), (disable, demote), (demote,) * 2]
)
def test_of_the_last_two_security_admins_one_stays(
    admins: Callable[[], list[str]], first: Any, second: Any
) -> None:
    for _ in range(ROUNDS):
        one, other = admins()
        assert outcomes(first(one), second(other)) == ["CONFLICT", "done"]
        assert active_admins() == 1


def test_the_last_security_admin_is_refused_and_nothing_is_recorded(
    admins: Callable[[], list[str]],
) -> None:
    one, other = admins()
    disable(one)()
    for act in (disable(other), demote(other)):
        with pytest.raises(Refusal, match="CONFLICT"):
            act()
    assert events_of(other) == ["person.created success"]
    enable_person(actor=OPERATOR, person_id=one, reason="x")
    demote(other)()
    assert active_admins() == 1


def test_who_never_chose_a_password_does_not_succeed_the_last_security_admin(
    admins: Callable[[], list[str]], owner_db: Db
) -> None:
    one, other = admins()
    chosen = "UPDATE tenancy_person SET password = 'chosen' WHERE id = %s"
    owner_db.execute(chosen, [one])
    for act in (disable(one), demote(one)):
        with pytest.raises(Refusal, match="CONFLICT"):
            act()
    assert active_admins() == 2
    owner_db.execute(chosen, [other])
    disable(one)()
    assert active_admins() == 1


def test_who_never_chose_a_password_goes_while_another_may_sign_in(
    admins: Callable[[], list[str]], owner_db: Db
) -> None:
    one, other = admins()
    owner_db.execute("UPDATE tenancy_person SET password = 'chosen' WHERE id = %s", [one])
    disable(other)()
    assert active_admins() == 1


def test_a_role_that_changed_meanwhile_is_not_overwritten(acme: Cast) -> None:
    id = acme.viewer.id
    at: dict[str, Any] = {"actor": OPERATOR, "person_id": id, "reason": "x"}
    change_platform_role(**at, role="auditor", expected_role="")
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        change_platform_role(**at, role="security_admin", expected_role="")
    with platform_scope("a test"):
        assert Person.objects.get(id=id).platform_role == "auditor"


def owners(cast: Cast) -> int:
    with tenant_scope(cast.tenant.id):
        return Membership.objects.filter(role="owner", is_active=True).count()


@pytest.mark.parametrize("demoted", [False, True])
def test_of_the_last_two_owners_one_stays(acme: Cast, demoted: bool) -> None:
    ada = str(acme.owner.membership_id)
    at: dict[str, Any] = {"actor": OPERATOR, "tenant_id": acme.tenant.id}
    for _ in range(ROUNDS):
        bo = person(acme.tenant, "Bo", "owner")[0].id
        told = outcomes(
            lambda bo=bo: disable_membership(**at, membership_id=bo, reason="x"),  # type: ignore[misc]  # bound now
            (lambda: change_role(**at, membership_id=ada, role="viewer"))
            if demoted
            else (lambda: disable_membership(**at, membership_id=ada, reason="x")),
        )
        assert told == ["CONFLICT", "done"]
        assert owners(acme) == 1
        with tenant_scope(acme.tenant.id):
            Membership.objects.filter(id=bo).update(is_active=False)
            Membership.objects.filter(id=ada).update(is_active=True, role="owner")


def test_an_owner_who_is_disabled_everywhere_keeps_no_tenant_going(acme: Cast) -> None:
    ada, (bo, actor) = str(acme.owner.membership_id), person(acme.tenant, "Bo", "owner")
    disable(actor.id)()
    at: dict[str, Any] = {"actor": OPERATOR, "tenant_id": acme.tenant.id}
    with pytest.raises(Refusal, match="CONFLICT"):
        disable_membership(**at, membership_id=ada, reason="x")
    enable_person(actor=OPERATOR, person_id=actor.id, reason="x")
    disable_membership(**at, membership_id=ada, reason="x")
    assert bo.is_active


def test_a_members_role_that_changed_meanwhile_is_not_overwritten(acme: Cast) -> None:
    at: dict[str, Any] = {
        "actor": OPERATOR, "tenant_id": acme.tenant.id,
        "membership_id": acme.developer.membership_id,
    }  # fmt: skip
    change_role(**at, role="viewer", expected_role="developer")
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        change_role(**at, role="owner", expected_role="developer")
    assert owners(acme) == 1
