"""The overview: figures of a period, what waits for a person, keys by tenant, the first steps."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import redis

from keys.codes import KIND, Code
from keys.revocation import revoke_key
from portal.core.charts import KINDS
from portal.core.clock import now
from portal.core.names import name
from portal.overview import attention, standing, steps
from portal.overview.figures import PERIODS, figures, floored, period_of
from portal.overview.standing import Backlog, Standing, TenantLine
from portal.tenancy.gateways import disable_gateway
from portal.tenancy.scope import platform_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser

HOUR = dt.timedelta(hours=1)
Db = psycopg.Connection[Any]
Use = Callable[..., None]


@pytest.fixture
def used(owner_db: Db) -> Use:
    """`used(key, code, count, hours_ago)` is what the drain would have written."""

    def write(key: Any, code: str, count: int, ago: float = 0) -> None:
        hour = floored(now(), HOUR) - ago * HOUR
        owner_db.execute(
            "INSERT INTO keys_hourlyusage AS u VALUES (%s, %s, %s, %s, %s, '{}') ON CONFLICT"
            " (tenant_id, key_id, hour, code) DO UPDATE SET decisions ="
            " u.decisions + excluded.decisions",
            [key.tenant_id, key.id, hour, code, count],
        )

    return write


def lines_of(page: Any) -> str:
    """What needs attention, in words."""
    text: str = page.text.partition("Needs attention")[2].partition("Ledger Open")[0]
    return text


def row_of(page: Any, cast: Cast) -> dict[str, str]:
    """A tenant's line of the CSV."""
    rows = csv.DictReader(io.StringIO(page.html))
    return next(row for row in rows if row["tenant"] == cast.tenant.slug)


def test_every_code_has_a_kind_and_every_kind_a_colour() -> None:
    assert {kind for code, kind in KIND.items() if code is not Code.OK} == set(KINDS)
    assert KIND[Code.RATE_LIMITED] == "limit" and KIND[Code.KEY_EXPIRED] == "key"
    assert KIND[Code.IP_NOT_ALLOWED] == "rule" and KIND[Code.PURPOSE_UNKNOWN] == "consent"


def test_sums_by_tenant_follow_whatever_is_written(acme: Cast, used: Use, owner_db: Db) -> None:
    one, two = acme.issue().key, acme.issue().key
    for key, code, count in (
        (one, "OK", 5),
        (two, "OK", 7),
        (one, "OK", 3),
        (two, "KEY_EXPIRED", 1),
    ):
        used(key, code, count)
    owner_db.execute(
        "UPDATE keys_hourlyusage SET decisions = decisions - 2 WHERE key_id = %s AND code = 'OK'",
        [one.id],
    )
    told = owner_db.execute(
        "SELECT code, decisions FROM keys_tenantusage WHERE tenant_id = %s ORDER BY 1",
        [acme.tenant.id],
    ).fetchall()
    assert told == [("KEY_EXPIRED", 1), ("OK", 13)]


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_a_period_counts_what_is_in_it_and_compares_with_the_one_before(
    acme: Cast, used: Use, period: Any
) -> None:
    with platform_scope("test"):
        was = figures(period)
    key = acme.issue().key
    length = period.bars * period.step / HOUR
    used(key, "OK", 100)
    used(key, "RATE_LIMITED", 10, (was.until - was.since) // HOUR)  # the period's first hour
    used(key, "OK", 1000, (was.until - was.since) // HOUR + 1)  # one before it
    used(key, "OK", 10_000, 2 * length + 24)  # before the period before
    with platform_scope("test"):
        told = figures(period)
    assert told.allowed - was.allowed == 100
    assert told.codes["RATE_LIMITED"] - was.codes.get("RATE_LIMITED", 0) == 10
    assert told.before["allowed"] - was.before["allowed"] == 1000
    assert told.tenants[acme.tenant.id] == (100, 10)
    assert told.slots[-1].allowed >= 100 and told.slots[0].denied["limit"] >= 10
    assert len(told.slots) == period.bars <= 48


def test_the_page_shows_the_period_that_is_asked_for(ira: Browser, acme: Cast, used: Use) -> None:
    key = acme.issue().key
    used(key, "OK", 77_777, 50)
    for period, shown in (("24h", False), ("7d", True), ("30d", True), ("", False)):
        page = ira.get("/admin/", period=period)
        assert page.status == 200
        assert f'?period={period or "24h"}" aria-current="true"' in page.html
        row = row_of(ira.get("/admin/overview/csv/", period=period), acme)
        assert (row["allowed"] == "77777") is shown, period


def test_an_unknown_period_is_the_first(ira: Browser) -> None:
    assert period_of("<b>") is PERIODS[0]
    assert ira.get("/admin/", period="<b>").status == 200


def test_denied_is_told_by_code_with_its_bar_and_as_a_table(
    ira: Browser, acme: Cast, used: Use
) -> None:
    used(acme.issue().key, "CONSENT_WITHDRAWN", 123_456)
    page = ira.get("/admin/")
    assert re.search(
        r"CONSENT_WITHDRAWN.{0,200}s-consent.{0,100}<td class=\"num\">[\d,]+", page.html
    )
    assert "Show as table" in page.text and '<rect class="s-consent"' in page.html


def test_keys_are_counted_by_tenant_and_state(ira: Browser, acme: Cast) -> None:
    soon = (now() + dt.timedelta(days=3)).isoformat()
    later = (now() + dt.timedelta(days=30)).isoformat()
    acme.issue(expires_at=soon)
    acme.issue(expires_at=later)
    revoke_key(actor=acme.owner, key_id=acme.issue(expires_at=soon).key.id, reason="x")
    row = row_of(ira.get("/admin/overview/csv/"), acme)
    assert (row["active"], row["revoked"], row["expire_in_7_days"]) == ("2", "1", "1")


def test_keys_that_expire_soon_are_told(ira: Browser, acme: Cast) -> None:
    for time in (dt.timedelta(hours=5), dt.timedelta(days=5)):
        acme.issue(expires_at=(now() + time).isoformat())
    told = lines_of(ira.get("/admin/"))
    assert re.search(r"Expiring .*keys expire within 7 days, \d+ of them within 24 hours", told)


def test_a_key_that_is_mostly_refused_is_told_and_one_that_is_not_is_not(
    ira: Browser, acme: Cast, used: Use
) -> None:
    bad, good, gone = (acme.issue(name=n).key for n in ("starved", "healthy", "dead"))
    used(bad, "IP_NOT_ALLOWED", 9_000_000)
    used(bad, "OK", 1_000_000)
    used(good, "IP_NOT_ALLOWED", 9_000_000)
    used(good, "OK", 91_000_000)
    used(gone, "KEY_REVOKED", 99_000_000)
    revoke_key(actor=acme.owner, key_id=gone.id, reason="x")
    told = lines_of(ira.get("/admin/"))
    assert "90 % of what starved asked in 24 hours was refused." in told
    assert "Mostly IP_NOT_ALLOWED, 9,000,000 times. Acme." in told
    assert "healthy" not in told and "dead asked" not in told


def test_active_keys_that_no_gateway_asks_about_are_told(
    ira: Browser, acme: Cast, globex: Cast
) -> None:
    acme.issue()
    globex.issue()
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="x")
    with platform_scope("test"):
        told = figures(PERIODS[0])
        lines = standing.lines(told)
        left = set(standing.standing().served or ())
    assert acme.tenant.id not in left and globex.tenant.id in left
    assert "No enabled gateway asks about" in lines_of(ira.get("/admin/"))
    assert any(line.id == acme.tenant.id and line.states["active"] for line in lines)


def test_a_suspended_tenant_is_told(ira: Browser, acme: Cast) -> None:
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    told = lines_of(ira.get("/admin/"))
    assert "is suspended." in told or "are suspended." in told


NOTHING = Standing(1, 1, 0, ["ten_a"], 0, None, 0, 0, 0)


def state_of(**changes: Any) -> attention.State:
    line = TenantLine("ten_a", "acme", "Acme", suspended=False)
    line.states.update(changes.pop("states", {}))
    told = {"refused": [], "standing": NOTHING, "backlog": Backlog(0, None), **changes}
    return attention.State([line], standing.total([line]), **told)


def test_nothing_waits_where_all_is_well() -> None:
    assert attention.notices(state_of(states={"active": 3})) == []


@pytest.mark.parametrize(
    ("changes", "chip"),
    [
        ({"backlog": None}, "Redis away"),
        ({"backlog": Backlog(9, now() - dt.timedelta(minutes=3))}, "Drain"),
        ({"standing": NOTHING._replace(outbox=2, outbox_since=now())}, "Not in force"),
        ({"standing": NOTHING._replace(invited=1)}, "Set-up"),
        ({"standing": NOTHING._replace(mails_failed=1)}, "Mail"),
        ({"states": {"leaked": 1}}, "Leaked"),
        ({"states": {"pending": 2}}, "Pending"),
        ({"states": {"active": 1}, "standing": NOTHING._replace(served=None)}, "No gateway"),
    ],
)
def test_what_is_wrong_is_one_line_in_words(changes: dict[str, Any], chip: str) -> None:
    (notice,) = attention.notices(state_of(**changes))
    assert notice.chip == chip
    assert (notice.before + notice.subject + notice.after).endswith(".")


def test_every_link_of_a_notice_leads_to_a_page(sol: Browser, acme: Cast, globex: Cast) -> None:
    key = acme.issue().key
    suspend_tenant(actor=OPERATOR, tenant_id=globex.tenant.id, reason="x")
    line = TenantLine(globex.tenant.id, globex.tenant.slug, "Globex", suspended=True)
    line.states.update(active=1, leaked=1, pending=1)
    line.expiring = 1
    starved = standing.Refused(key.id, "a", acme.tenant.id, "RATE_LIMITED", 9, 0)
    troubled = NOTHING._replace(served=None, invited=1, mails_failed=1)
    state = attention.State(
        [line], standing.total([line]), [starved] * 5, troubled, Backlog(0, None)
    )
    links = {n.url for n in attention.notices(state)} | {
        n.subject_url for n in attention.notices(state)
    }
    assert len(links - {""}) >= 8
    for link in links - {""}:
        assert sol.get(link).status == 200, link


def test_a_fresh_backlog_is_no_trouble() -> None:
    assert attention.notices(state_of(backlog=Backlog(900, now()))) == []


@pytest.fixture
def stalled(store: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something stands in the stream, nobody drains it, and any wait is too long."""
    monkeypatch.setattr(attention, "LATE", dt.timedelta(seconds=-5))
    held: Any = store.xadd(name("log"), {"p": "x"})
    yield
    store.xdel(name("log"), held)


def test_a_drain_that_stands_still_is_told(ira: Browser, stalled: None) -> None:
    assert "written to PostgreSQL; the oldest waits for" in lines_of(ira.get("/admin/"))


def test_the_ledger_s_last_entry_is_shown(ira: Browser, acme: Cast) -> None:
    acme.issue(name="the-very-last")
    page = ira.get("/admin/")
    assert "Ada issued key “the-very-last”" in page.text


def test_names_that_people_chose_are_escaped(ira: Browser, acme: Cast, used: Use) -> None:
    key = acme.issue(name="<script>x</script>").key
    used(key, "RATE_LIMITED", 999_000_000)
    html = ira.get("/admin/").html
    assert "<script>x" not in html and "&lt;script&gt;x" in html


def test_the_page_asks_few_questions_however_many_tenants(
    ira: Browser, acme: Cast, globex: Cast, used: Use, queries: Any
) -> None:
    for cast in (acme, globex):
        for n in range(5):
            used(cast.issue(name=f"k{n}").key, "RATE_LIMITED", 50 + n)
    for path in ("/admin/", "/admin/overview/csv/"):
        with queries() as told:
            assert ira.get(path, period="30d").status == 200
        assert len(told) <= 15, [each["sql"] for each in told]


def test_no_formula_reaches_a_spreadsheet(ira: Browser, acme: Cast) -> None:
    from portal.overview.page import COLUMNS
    from portal.tenancy.pages.lists import csv_response

    for said, cell in (("=1+1", '"\'=1+1"'), ("a;=1+1", '"a;=1+1"'), ('";=1+1', '""";=1+1"')):
        line = TenantLine("ten_a", "acme", said, suspended=False)
        told = csv_response("x", [line], COLUMNS).content.decode()  # type: ignore[list-item]
        assert cell in told.split(","), said


def test_the_first_steps_lead_to_a_key_in_order() -> None:
    empty = TenantLine("", "", "", suspended=False)
    told = steps.first_steps(OPERATOR, empty, 0, NOTHING._replace(apis=0, gateways=0))
    assert [step.state for step in told] == ["now", "off", "off", "off"]
    told = steps.first_steps(OPERATOR, empty, 1, NOTHING._replace(gateways=0))
    assert [step.state for step in told] == ["", "", "now", "off"]
    empty.states["revoked"] = 1
    assert steps.first_steps(OPERATOR, empty, 1, NOTHING) == []


def test_who_is_not_signed_in_sees_nothing(nobody: Any) -> None:
    assert nobody.get("/admin/").status_code == 302
    assert nobody.get("/admin/overview/csv/").status_code == 302
