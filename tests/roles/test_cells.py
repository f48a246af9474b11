"""Every cell of role x address: what may be seen and done, and what is refused, changes nothing."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.pages.browser import Browser, Page
from tests.roles.conftest import AREAS, another, held
from tests.roles.digest import differing, digest
from tests.roles.expected import LOGIN, may, seen, sent
from tests.roles.table import ADMIN, BESIDE, OTHERS, REST, ROLES, STOCK, TENANT, Row
from tests.roles.world import World

Db = psycopg.Connection[Any]
CELLS = [
    pytest.param(area, name, row, id=f"{area}:{name}")
    for area, rows in AREAS.items()
    for name, row in rows.items()
]
UNNAMED = {
    "admin/(?P<url>.*)$": "what is not there, for who is signed in",
    "<path:object_id>/": "an older address of Django's, which leads to the newer",
}
"""Patterns of Django's site that have no name."""


def patterns(found: Any, before: str = "", inside: str = "") -> Iterator[tuple[str, str]]:
    """(name with its namespace, address) of everything that is routed."""
    for each in found:
        where = before + str(each.pattern)
        if isinstance(each, URLResolver):
            name = f"{each.namespace}:" if each.namespace else inside
            yield from patterns(each.url_patterns, where, name)
        elif isinstance(each, URLPattern):
            yield f"{inside}{each.name}" if each.name else "", where


def test_every_route_has_a_row() -> None:
    routed = list(patterns(get_resolver().url_patterns))
    rest = {name for name, where in routed if where.startswith("v1/tenants/")}
    named = {name for name, where in routed if name and not where.startswith("v1/tenants/")}
    assert rest == {name for name, _ in REST}
    assert named == {
        *(f"admin:{name}" for name in (*ADMIN, *STOCK, *BESIDE)),
        *(f"tenant:{name}" for name in TENANT),
        *OTHERS,
    }
    for where in {where for name, where in routed if not name}:
        assert any(where.endswith(known) for known in UNNAMED), where


@pytest.mark.parametrize(("area", "name", "row"), CELLS)
def test_is_shown_to_who_may_see_it_and_no_look_changes_a_row(
    world: World, browsers: dict[str, Browser], database: Db, area: str, name: str, row: Row
) -> None:
    paths = {role: held(world, area, name, row, role) for role in ROLES}
    before = digest(database)
    told = {role: browsers[role].get(path) for role, path in paths.items()}
    assert {role: page.status for role, page in told.items()} == {
        role: seen(area, row, role) for role in ROLES
    }
    to_login(area, row, paths["nobody"], told["nobody"])
    assert differing(before, digest(database)) == []


def to_login(area: str, row: Row, path: str, page: Page) -> None:
    """Who is not signed in comes back here, and nobody else is sent anywhere."""
    if page.status == LOGIN and not may(area, row.see, "nobody") and "login" not in path:
        assert page.goes_to.startswith("/admin/login/"), page.goes_to


@pytest.mark.parametrize(("area", "name", "row"), [c for c in CELLS if not c.values[2].sent])  # type: ignore[union-attr]  # it is a Row
def test_is_done_for_who_may_do_it_and_for_nobody_else(
    world: World, browsers: dict[str, Browser], database: Db, area: str, name: str, row: Row
) -> None:
    path, action = held(world, area, name, row), row.send or row.see
    able = [role for role in ROLES if may(area, action, role)]
    fields = filled(browsers[able[0]], path, row, world, able[0]) if able and row.send else {}
    before = digest(database)
    for role in ROLES:
        if role not in able or not row.send:
            assert browsers[role].post(path, **fields).status == sent(area, row, role), role
    assert differing(before, digest(database)) == []
    for role in able if row.send else ():
        there = another(world, area, name, row, role)
        page = browsers[role].post(there, **filled(browsers[role], there, row, world, role))
        assert page.status == sent(area, row, role), (role, page.text[:600])


def filled(browser: Browser, path: str, row: Row, world: World, role: str) -> dict[str, Any]:
    """The page's form, as this role would send it."""
    typed = row.typed(world, role) if callable(row.typed) else row.typed
    page = browser.get(path)
    return {**(page.fields() if page.status == 200 else {}), **typed}


@pytest.mark.parametrize("role", ROLES)
def test_djangos_own_pages_show_and_change_nothing(
    world: World, browsers: dict[str, Browser], database: Db, role: str
) -> None:
    """Of the admin's actions there is none: not to add, change, delete, nor over many rows."""
    browser, staff = browsers[role], may("admin", "tenants:read", role)
    before = digest(database)
    for name, kind in STOCK.items():
        listed = name.endswith(("_changelist", "_add"))
        path = reverse(f"admin:{name}", args=[] if listed else ["x"])
        expected = {200, 302} if kind == "shown" and listed else {302, 403, 404, 405}
        status = browser.get(path).status
        assert status in (expected if staff else {302, 403}), (name, status)
        sent = browser.post(path, action="delete_selected", post="yes", _selected_action="x")
        assert sent.status in {302, 403, 404, 405}, (name, sent.status)
    assert differing(before, digest(database)) == []
