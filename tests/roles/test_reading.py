"""A GET never changes anything, also where it searches, filters, turns pages and gives files.

What plain looking changes is asked cell by cell (test_cells).
"""

from typing import Any

import psycopg
import pytest

from tests.pages.browser import Browser
from tests.roles.conftest import AREAS, held
from tests.roles.digest import LEFT_OUT, differing, digest, tables
from tests.roles.table import NO_ONE, REST, Row
from tests.roles.test_rest import Api, ask
from tests.roles.world import World

Db = psycopg.Connection[Any]
QUERIES = (
    "?format=csv", "?q=x&sort=name&page=2&status=active&state=open&type=key.issued&outcome=denied",
    "?period=7d&show=denied&since=2026-01-01&until=2026-02-01",
)  # fmt: skip
LISTS = [
    pytest.param(area, name, row, id=f"{area}:{name}")
    for area, rows in AREAS.items() for name, row in rows.items() if not row.ids and not row.query
]  # fmt: skip


@pytest.mark.parametrize(("area", "name", "row"), LISTS)
def test_no_query_of_a_page_changes_a_row(
    world: World, browsers: dict[str, Browser], database: Db, area: str, name: str, row: Row
) -> None:
    path, before = held(world, area, name, row), digest(database)
    for query in QUERIES:
        browsers["owner" if area == "tenant" else "security_admin"].get(path + query)
    assert differing(before, digest(database)) == []


def test_no_get_of_rest_changes_a_row(world: World, database: Db, api: Api) -> None:
    ends = {
        name: row for (name, method), row in REST.items() if method == "GET" and row.see != NO_ONE
    }
    for looked in range(2):  # the second time everything is there
        before = digest(database)
        for name, row in ends.items():
            assert ask(api, world, name, "GET", row, token=world.acme.token).status == 200
        assert not looked or differing(before, digest(database)) == []


def test_the_digest_would_see_it(world: World, database: Db) -> None:
    before = digest(database)
    world.key()
    assert "keys_apikey" in differing(before, digest(database))
    assert set(LEFT_OUT).isdisjoint(tables(database))
    rows = database.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert set(LEFT_OUT) <= {name for (name,) in rows}
