"""The walk's world, made once for all of it."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.urls import reverse

from tests.pages.browser import Browser
from tests.roles.table import ADMIN, OTHERS, ROLES, TENANT, Row
from tests.roles.world import Nobody, World, make_world

AREAS = {"admin": ADMIN, "tenant": TENANT, "others": OTHERS}
Address = Callable[..., str]


@pytest.fixture(scope="module")
def database() -> Iterator["psycopg.Connection[Any]"]:
    """The tables' owner, for a whole module."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def platform_provider() -> Iterator[None]:
    """The platform has one too: without any, nobody is asked for an address to look for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OIDC_ISSUER", "https://login.platform.example")
        patch.setenv("OIDC_CLIENT_ID", "portal")
        yield


@pytest.fixture(scope="module")
def worlds(
    database: "psycopg.Connection[Any]", real_commits: None, platform_provider: None
) -> tuple[World, World]:
    """Acme's world and Globex's."""
    return make_world(database)


@pytest.fixture(scope="module")
def world(worlds: tuple[World, World]) -> World:
    """Acme's: where the walk is."""
    return worlds[0]


@pytest.fixture(scope="module")
def browsers(worlds: tuple[World, World]) -> dict[str, Browser]:
    """One of each role."""
    acme, globex = worlds
    found: dict[str, Browser] = {
        role: acme.browser(role) for role in ROLES if role not in ("stranger", "nobody")
    }
    return {**found, "stranger": globex.browser("owner"), "nobody": Nobody()}


def address(world: World, area: str, name: str, row: Row, ids: dict[str, str]) -> str:
    """Where a row is, with these ids in it."""
    given = dict(ids)
    if area == "tenant":
        given["slug"] = world.acme.tenant.slug
    full = name if area == "others" else f"{area}:{name}"
    return reverse(full, kwargs=given) + row.query.format(**world.words())


def held(world: World, area: str, name: str, row: Row, role: str = "owner") -> str:
    """The address of what is there anyway."""
    ids = {n: world.a(kind, role) for n, kind in row.ids.items()}
    return address(world, area, name, row, ids)


def another(world: World, area: str, name: str, row: Row, role: str) -> str:
    """The address of another one, to be changed."""
    ids = {n: world.one(kind, role) for n, kind in row.ids.items()}
    return address(world, area, name, row, ids)
