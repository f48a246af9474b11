"""Usage: what was allowed and denied, of everything, a tenant, an API or one key."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from keys import figures
from keys.issuing import Issued
from keys.tasks import count_top_keys
from portal.core.clock import now
from portal.tenancy.scope import platform_scope
from tests.cast import Cast
from tests.invariants.traffic import Gate
from tests.pages.browser import Browser
from tests.processes import CheckServer

USAGE = "/admin/usage/"
Write = Callable[..., None]


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture
def write(owner_db: "psycopg.Connection[Any]") -> Write:
    """Write one hour's sum of a key, as the drain would."""

    def insert(key: Issued, decisions: int, code: str = "OK", hours_ago: int = 0) -> None:
        hour = now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=hours_ago)
        owner_db.execute(
            "INSERT INTO keys_hourlyusage AS u VALUES (%s, %s, %s, %s, %s, '{}')"
            " ON CONFLICT (tenant_id, key_id, hour, code)"
            " DO UPDATE SET decisions = u.decisions + excluded.decisions",
            [key.key.tenant_id, key.key.id, hour, code, decisions],
        )

    return insert


def strip(text: str) -> dict[str, str]:
    """The figures on top."""
    return dict(re.findall(r"(Decisions|Allowed|Denied) ([\d,–]+)", text))


def test_what_was_asked_is_summed_up_by_tenant_api_and_key(
    acme: Cast, globex: Cast, write: Write, sol: Browser
) -> None:
    mine, other, foreign = acme.issue(), acme.issue(), globex.issue()
    write(mine, 1_000)
    write(mine, 30, "RATE_LIMITED", 3)
    write(other, 5, "SCOPE_MISSING")
    write(foreign, 70)
    for query, whole, denied in (
        ({"tenant": acme.tenant.slug}, "1,035", "35"),
        ({"key": mine.key.id}, "1,030", "30"),
        ({"api": acme.api.id}, "1,035", "35"),
        ({"tenant": globex.tenant.slug}, "70", "–"),
        ({"tenant": globex.tenant.slug, "api": globex.api.id}, "70", "–"),
    ):
        page = sol.get(USAGE, **query)
        assert page.status == 200, query
        assert (strip(page.text)["Decisions"], strip(page.text)["Denied"]) == (whole, denied)
    page = sol.get(USAGE, tenant=acme.tenant.slug)
    assert 'class="s-limit"' in page.html and 'class="s-rule"' in page.html
    assert "RATE_LIMITED 30 2.90 %" in page.text
    assert "A smooth limit has nothing left" in page.text
    assert "No decision" not in sol.get(USAGE, tenant=acme.tenant.slug, api=globex.api.id).text
    assert "Nothing was asked" in sol.get(USAGE, tenant=acme.tenant.slug, api=globex.api.id).text


def test_a_period_begins_where_it_says(acme: Cast, write: Write, sol: Browser) -> None:
    key = acme.issue()
    for hours, count in ((0, 1), (23, 10), (24, 100), (6 * 24, 1_000), (28 * 24, 10_000)):
        write(key, count, hours_ago=hours)
    told = {p: strip(sol.get(USAGE, key=key.key.id, period=p).text) for p in ("24h", "7d", "30d")}
    assert {p: found["Decisions"] for p, found in told.items()} == {
        "24h": "11", "7d": "1,111", "30d": "11,111",
    }  # fmt: skip


def test_what_is_drained_is_counted(
    acme: Cast, gate: Gate, drained: Callable[[], None], sol: Browser
) -> None:
    key = acme.issue(scopes=["chat:write"])
    for scope in ("chat:write", "chat:write", "models:read"):
        gate.check(key, scopes=[scope])
    drained()
    text = sol.get(USAGE, tenant=acme.tenant.slug).text
    assert strip(text) == {"Decisions": "3", "Allowed": "2", "Denied": "1"}
    assert "a key" in text


def test_the_keys_that_stand_out_are_named(
    acme: Cast, globex: Cast, write: Write, sol: Browser
) -> None:
    busy, refused = acme.issue(name="busy one"), acme.issue(name="refused one")
    write(busy, 500)
    write(refused, 40, "QUOTA_EXCEEDED")
    write(globex.issue(name="foreign one"), 9_000, "QUOTA_EXCEEDED")
    text = sol.get(USAGE, tenant=acme.tenant.slug).text
    used, denied = text.split("Most used keys")[1].split("Most denied keys")
    assert used.index("busy one") < used.index("refused one")
    assert "busy one" not in denied
    assert "100.00 %" in denied
    assert "foreign one" not in text


def test_of_many_decisions_the_worker_counts_the_keys_that_stand_out(
    acme: Cast, write: Write, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FEW", 0)
    keys = [acme.issue(name=f"service {place}") for place in range(13)]
    for place, key in enumerate(keys):
        write(key, 100 + place)
        write(key, 50 - place, "RATE_LIMITED")
        write(key, 1_000 * place, hours_ago=100)
    page = sol.get(USAGE, tenant=acme.tenant.slug)
    assert "Not counted yet" in page.text
    assert count_top_keys() > 0
    for period, days in (("24h", 1), ("7d", 7)):
        of, period_ = figures.Of(acme.tenant.id), figures.period_of(period)
        with platform_scope("a test"):
            counted = figures.most_used(period_, of, 1)
            live = figures.most_used(period_, of, 0)
        assert counted.counted_at and not live.counted_at
        assert (counted.decisions, counted.denied) == (live.decisions, live.denied), days
        assert len(live.decisions) == 10
    assert "service 12" in sol.get(USAGE, tenant=acme.tenant.slug, period="7d").text
    assert "service 12" in sol.get(USAGE, api=acme.api.id, period="7d").text
    assert count_top_keys() > 0, "it may be counted again"


def test_the_sums_by_api_are_the_sums_by_key(
    acme: Cast, globex: Cast, write: Write, owner_db: "psycopg.Connection[Any]"
) -> None:
    for key in (acme.issue(), acme.issue(), globex.issue()):
        for hour in range(3):
            write(key, 10 + hour, hours_ago=hour)
            write(key, 3, "RATE_LIMITED", hour)
            write(key, 4, hours_ago=hour)
    keys = owner_db.execute(
        "SELECT u.hour, u.tenant_id, k.api_id, u.code, sum(u.decisions) FROM keys_hourlyusage u"
        " JOIN keys_apikey k ON k.id = u.key_id WHERE u.tenant_id = ANY (%s)"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        [[acme.tenant.id, globex.tenant.id]],
    ).fetchall()
    sums = owner_db.execute(
        "SELECT hour, tenant_id, api_id, code, decisions FROM keys_tenantusage"
        " WHERE tenant_id = ANY (%s) ORDER BY 1, 2, 3, 4",
        [[acme.tenant.id, globex.tenant.id]],
    ).fetchall()
    assert keys == sums
    assert len(sums) == 12


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"period": "1y"}, "no such time"),
        ({"tenant": "nobody"}, "no such choice"),
        ({"api": "api_nothing"}, "no such choice"),
        ({"key": "key_nothing"}, "There is no such key"),
        ({"key": "a\x00b"}, "There is no such key"),
        ({"key": 65 * "a"}, "There is no such key"),
    ],
)
def test_what_can_not_be_asked_is_told_and_left_out(
    sol: Browser, query: dict[str, str], words: str
) -> None:
    page = sol.get(USAGE, **query)
    assert page.status == 400
    assert words in page.text


def test_a_key_of_another_tenant_is_shown_as_its_own(
    acme: Cast, globex: Cast, write: Write, sol: Browser
) -> None:
    key = globex.issue()
    write(key, 7)
    page = sol.get(USAGE, key=key.key.id, tenant=acme.tenant.slug)
    assert page.status == 400
    assert "of another tenant or API" in page.text
    assert strip(page.text)["Decisions"] == "7"


def test_the_file_is_the_chart_in_figures(acme: Cast, write: Write, sol: Browser) -> None:
    key = acme.issue()
    write(key, 12)
    write(key, 3, "KEY_EXPIRED")
    rows = list(csv.DictReader(io.StringIO(sol.get(USAGE, key=key.key.id, format="csv").html)))
    assert len(rows) == 24
    last = rows[-1]
    assert (last["allowed"], last["denied"], last["key"]) == ("12", "3", "3")
    assert dt.datetime.fromisoformat(last["from"]) <= now()


def test_the_page_asks_few_questions_whatever_it_shows(
    acme: Cast, write: Write, sol: Browser, ira: Browser, queries: Any
) -> None:
    for _ in range(12):
        write(acme.issue(), 10)
    for query in ({}, {"tenant": acme.tenant.slug}, {"key": acme.issue().key.id}):
        ira.get(USAGE, **query)
        with queries() as told:
            assert ira.get(USAGE, **query).status == 200
        assert len(told) <= 15, [q["sql"][:90] for q in told.captured_queries]
