"""Every cell of role x REST endpoint: a token does what its scopes and its member's role allow."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.urls import reverse

from portal.tenancy.roles import ACTIONS, MANAGEMENT_SCOPES
from tests.conftest import Answer
from tests.pages.browser import Browser
from tests.roles.digest import differing, digest
from tests.roles.table import MEMBERS, REST, Row
from tests.roles.world import World

Db = psycopg.Connection[Any]
Api = Callable[..., Answer]
CELLS = [pytest.param(name, m, row, id=f"{m} {name}") for (name, m), row in REST.items()]


@pytest.fixture(scope="module")
def tokens(worlds: tuple[World, World]) -> dict[str, str]:
    """A token of each role, with every scope that there is; Globex's owner's too."""
    acme, globex = worlds
    found = {role: acme.acme.token_of(role) for role in MEMBERS}
    return {**found, "stranger": globex.acme.token_of("owner")}


def ask(
    api: Api, world: World, name: str, method: str, row: Row, *, id: str = "", **credential: Any
) -> Answer:
    """The request, well formed, on the object with this id or on the one that is there."""
    ids = {n: id or world.a(kind) for n, kind in row.ids.items()}
    path = reverse(name, kwargs={"tenant": world.acme.tenant.slug, **ids})
    headers = {}
    if method == "PATCH":
        headers["If-Match"] = api("GET", path, token=world.acme.token).headers.get("etag", '"1"')
    typed = row.typed(world, "owner") if callable(row.typed) else row.typed
    body = typed if method != "GET" else None
    return api(method, path, body, headers=headers, **credential)


@pytest.mark.parametrize(("name", "method", "row"), CELLS)
def test_does_what_role_and_scope_allow_and_nothing_else(
    api: Api, world: World, tokens: dict[str, str], database: Db, name: str, method: str, row: Row
) -> None:
    able = [role for role in MEMBERS if row.see in ACTIONS[role]]
    others = sorted(MANAGEMENT_SCOPES - {row.see})
    refused: list[tuple[str, str | None, int]] = [
        (role, tokens[role], 403) for role in MEMBERS if role not in able
    ]
    refused += [(f"{role} without the scope", world.acme.token_of(role, others), 403)
                for role in able]  # fmt: skip
    refused += [("stranger", tokens["stranger"], 404), ("nobody", None, 401)]
    ask(api, world, name, method, row, token=None)  # makes what is asked for
    before = digest(database)
    for role, token, status in refused:
        answer = ask(api, world, name, method, row, token=token)
        assert answer.status == status, (role, answer.content)
    assert differing(before, digest(database)) == []
    for role in able:
        id = "".join(world.one(kind) for kind in row.ids.values() if kind != "limit")
        answer = ask(api, world, name, method, row, id=id, token=tokens[role])
        assert answer.status == row.shows, (role, answer.content)


@pytest.mark.parametrize(("name", "method", "row"), CELLS)
def test_a_browsers_session_is_no_credential_here(
    world: World, browsers: dict[str, Browser], name: str, method: str, row: Row
) -> None:
    ids = {n: world.a(kind) for n, kind in row.ids.items()}
    path = reverse(name, kwargs={"tenant": world.acme.tenant.slug, **ids})
    for role in ("security_admin", "owner"):
        sent = browsers[role].client.generic(method, path, b"{}", "application/json")
        assert sent.status_code == 401, role


def test_and_a_token_is_none_on_a_page(api: Api, world: World) -> None:
    for path in (f"/t/{world.acme.tenant.slug}/keys/", "/admin/", "/t/"):
        assert api("GET", path, token=world.acme.token).status == 302
