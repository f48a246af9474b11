"""Another role holds on the very next request, in a browser that was signed in before."""

from typing import Any

import pytest

from portal.tenancy.memberships import change_role, disable_membership, enable_membership
from portal.tenancy.people import change_platform_role, disable_person, enable_person
from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES
from tests.cast import OPERATOR, person
from tests.pages.browser import Browser, staff
from tests.roles.conftest import held
from tests.roles.expected import seen
from tests.roles.table import ADMIN, MEMBERS, REST, TENANT
from tests.roles.test_rest import Api, ask
from tests.roles.world import World

OWN = {name: row for name, row in TENANT.items() if not row.ids}
PLATFORM = {name: row for name, row in ADMIN.items() if not row.ids and "log" not in name}


def statuses(world: World, browser: Browser, area: str) -> dict[str, int]:
    rows = OWN if area == "tenant" else PLATFORM
    return {name: browser.get(held(world, area, name, row)).status for name, row in rows.items()}


def expected(area: str, role: str) -> dict[str, int]:
    rows = OWN if area == "tenant" else PLATFORM
    return {name: seen(area, row, role) for name, row in rows.items()}


@pytest.fixture
def kim(world: World) -> tuple[Browser, str]:
    """Someone's browser, and who they are in the tenant."""
    membership, _ = person(world.acme.tenant, "Kim", "viewer")
    return Browser(membership.person), membership.id


def test_in_a_tenant(world: World, kim: tuple[Browser, str]) -> None:
    browser, id = kim
    at: dict[str, Any] = {"actor": OPERATOR, "tenant_id": world.acme.tenant.id, "membership_id": id}
    for role in (*MEMBERS, *MEMBERS[::-1]):
        change_role(**at, role=role)
        assert statuses(world, browser, "tenant") == expected("tenant", role), role
    disable_membership(**at, reason="tests")
    assert set(statuses(world, browser, "tenant").values()) == {404}
    enable_membership(**at, reason="tests")
    assert statuses(world, browser, "tenant") == expected("tenant", "owner")
    disable_person(actor=OPERATOR, person_id=browser.person.id, reason="tests")
    assert set(statuses(world, browser, "tenant").values()) == {302}
    enable_person(actor=OPERATOR, person_id=browser.person.id, reason="tests")
    assert set(statuses(world, browser, "tenant").values()) == {302}, "their sessions ended"


def test_on_the_platform(world: World) -> None:
    browser = Browser(staff("Kim", ""))
    at: dict[str, Any] = {"actor": OPERATOR, "person_id": browser.person.id, "reason": "tests"}
    for role in ("auditor", "security_admin", "auditor", ""):
        change_platform_role(**at, role=role)
        # Whoever is nothing on the platform is there as a member of a tenant is.
        assert statuses(world, browser, "admin") == expected("admin", role or "viewer"), role


def test_by_rest(api: Api, world: World, kim: tuple[Browser, str]) -> None:
    at: dict[str, Any] = {
        "actor": OPERATOR,
        "tenant_id": world.acme.tenant.id,
        "membership_id": kim[1],
    }
    change_role(**at, role="owner")
    world.acme.memberships["kim"] = world.acme.memberships["owner"].__class__(id=kim[1])
    token = world.acme.token_of("kim", sorted(MANAGEMENT_SCOPES))
    for role in (*MEMBERS, *MEMBERS[::-1]):
        change_role(**at, role=role)
        for (name, method), row in REST.items():
            if method == "GET":
                status = ask(api, world, name, method, row, token=token).status
                assert status == (200 if row.see in ACTIONS[role] else 403), (role, name)
    disable_membership(**at, reason="tests")
    assert ask(api, world, "keys", "GET", REST["keys", "GET"], token=token).status == 401
