"""`/t/<slug>/`: how a tenant's keys stand, for its own people and of its own keys alone."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from keys.revocation import revoke_key
from portal.core.clock import now
from portal.overview import own_attention, own_standing, own_steps
from portal.overview.own_attention import OwnState
from portal.overview.own_standing import Own
from portal.overview.quotas import nearest
from portal.tenancy.apis import create_api, withdraw_grant
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.gateways import disable_gateway
from portal.tenancy.memberships import disable_membership
from portal.tenancy.scope import tenant_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.invariants.traffic import Gate, body
from tests.pages.browser import Browser, Page, member
from tests.processes import CheckServer

Spend = Callable[..., None]
DAY = body("day", 100, "day", "calendar")


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def home(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/{rest}"


def strip(page: Page) -> dict[str, str]:
    """The figures on top, by their names."""
    found = re.findall(r"<dt>([^<]+)</dt><dd><b[^>]*>([^<]+)</b>", page.html)
    return dict(found)


def waits(page: Page) -> str:
    """What needs attention, in words."""
    text: str = page.text.partition("Needs attention")[2].partition("When keys are used")[0]
    return text


def used(owner_db: "psycopg.Connection[Any]", key: Any, ago: dt.timedelta) -> None:
    """What the drain would have written of a key's last use."""
    owner_db.execute(
        "INSERT INTO keys_secretuse SELECT kid, tenant_id, key_id, %s FROM keys_secret"
        " WHERE key_id = %s", [now() - ago, key.id],
    )  # fmt: skip


def test_it_is_of_the_own_keys_alone(ada: Browser, acme: Cast, globex: Cast, spent: Spend) -> None:
    mine, theirs = acme.issue(name="ours").key, globex.issue(name="theirs").key
    spent(mine, 40)
    spent(mine, 2, "IP_NOT_ALLOWED", 3)
    spent(theirs, 9_000)
    spent(theirs, 9_000, "RATE_LIMITED")
    page = ada.get(home(acme))
    assert page.status == 200
    told = strip(page)
    assert (told["Decisions"], told["Denied"], told["Active keys"]) == ("42", "2", "1")
    assert "40 requests were allowed and 2 denied in the last 24 hours." in page.text
    assert "IP_NOT_ALLOWED" in page.text and "RATE_LIMITED" not in page.text
    assert "theirs" not in page.text and globex.tenant.slug not in page.html
    assert f'href="/t/{acme.tenant.slug}/decisions/?code=IP_NOT_ALLOWED"' in page.html


def test_every_address_on_it_stays_in_the_tenant(
    ada: Browser, acme: Cast, spent: Spend, gate: Gate
) -> None:
    issued = acme.issue(name="ours", limits=[DAY])
    spent(issued.key, 30, "IP_NOT_ALLOWED")
    gate.check(issued, {"requests": 99})
    links = set(re.findall(r'(?:href|action)="(/[^"]*)"', ada.get(home(acme)).html))
    ours = {link for link in links if link.startswith(home(acme))}
    assert {link for link in links - ours if not link.startswith("/static/")} == {
        "/admin/security/", "/admin/logout/", "/t/",
    }  # fmt: skip
    for link in ours:
        assert ada.get(link.replace("&amp;", "&")).status == 200, link


@pytest.mark.parametrize(("period", "shown"), [("24h", "10"), ("7d", "110"), ("30d", "1,110")])
def test_a_period_is_chosen(
    ada: Browser, acme: Cast, spent: Spend, period: str, shown: str
) -> None:
    key = acme.issue().key
    for ago, count in ((0, 10), (100, 100), (500, 1_000)):
        spent(key, count, hours_ago=ago)
    page = ada.get(home(acme), period=period)
    assert strip(page)["Decisions"] == shown
    assert f'?period={period}" aria-current="true"' in page.html


def test_what_needs_attention_is_said_and_led_to(
    ada: Browser, acme: Cast, spent: Spend, owner_db: "psycopg.Connection[Any]"
) -> None:
    day = dt.timedelta(days=1)
    ends = {"today": day / 2, "soon": 5 * day, "later": 90 * day}
    keys = {n: acme.issue(name=n, expires_at=(now() + e).isoformat()).key for n, e in ends.items()}
    refused, busy = acme.issue(name="starved").key, acme.issue(name="busy").key
    spent(refused, 90, "SCOPE_MISSING")
    spent(refused, 10)
    spent(busy, 9_000)
    spent(busy, 200, "SCOPE_MISSING")
    for key in (*keys.values(), refused):
        used(owner_db, key, day)
    used(owner_db, busy, 40 * day)
    owner_db.execute("UPDATE keys_apikey SET created_at = now() - interval '50 days' WHERE id = %s",
                     [busy.id])  # fmt: skip
    acme.issue(name="fresh")
    page = ada.get(home(acme))
    told = waits(page)
    assert "2 keys expire within 7 days, 1 of them within 24 hours. today, soon." in told
    assert "90 % of what starved asked in 24 hours was refused. Mostly SCOPE_MISSING, 90" in told
    assert "1 active key was never used." in told
    assert "1 active key was not used for 30 days." in told
    assert "busy asked" not in told and "later" not in told
    assert strip(page)["Keys that need attention"] == "3"
    for query, names in (
        ("state=attention", {"today", "soon", "starved"}),
        ("state=active&used=never", {"fresh"}),
        ("state=active&used=idle", {"busy"}),
        ("expiry=7d", {"today", "soon"}),
    ):
        assert f"?{query}" in page.html.replace("&amp;", "&"), query
        listed = ada.get(home(acme, f"keys/?{query}"))
        every = {*keys, "starved", "busy", "fresh"}
        assert {n for n in every if f">{n}</a>" in listed.html} == names, query


def test_keys_that_can_t_be_used_are_told(
    ada: Browser, acme: Cast, owner_db: "psycopg.Connection[Any]"
) -> None:
    key = acme.issue(name="orphan", owner=acme.memberships["developer"].id).key
    assert "No gateway" not in waits(ada.get(home(acme)))
    assert "Owner disabled" not in waits(ada.get(home(acme)))
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="x")
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, reason="left",
        membership_id=acme.memberships["developer"].id,
    )  # fmt: skip
    told = waits(ada.get(home(acme)))
    assert "No gateway asks about 1 active key." in told
    assert "Nobody answers for 1 active key: the owner is disabled." in told
    owner_db.execute("UPDATE keys_apikey SET expires_at = now() - interval '1 min' WHERE id = %s",
                     [key.id])  # fmt: skip
    page = ada.get(home(acme))
    assert "1 key has come to an end." in waits(page) and "No gateway" not in waits(page)
    assert "No key is active." in page.text


def test_the_quota_nearest_its_end_is_told(ada: Browser, acme: Cast, gate: Gate) -> None:
    one = acme.issue(name="one", limits=[DAY, body("calm", 1_000, "month", "calendar")])
    gone = acme.issue(name="gone", limits=[body("spent", 10, "hour", "calendar")])
    revoked = acme.issue(name="revoked", limits=[body("dead", 10, "day", "calendar")])
    gate.check(one, {"requests": 60})
    gate.check(revoked, {"requests": 10})
    revoke_key(actor=acme.owner, key_id=revoked.key.id, reason="x")
    page = ada.get(home(acme))
    assert strip(page)["Quota nearest its end"] == "40 %"
    assert 'left of <a href="/t/' in page.html and ">day</a>" in page.html
    gate.check(gone, {"requests": 10})
    page = ada.get(home(acme))
    assert strip(page)["Quota nearest its end"] == "0 %"
    assert "The limit spent of gone has 0 % left. Used up. There is more from" in waits(page)
    with tenant_scope(acme.tenant.id):
        quotas = nearest(acme.tenant.id)
    assert [quota.name for quota in quotas or []] == ["spent", "day", "calm"]


def test_where_nobody_knows_what_is_left_that_is_said(
    ada: Browser, acme: Cast, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keys import asking

    acme.issue(limits=[DAY])
    monkeypatch.setattr(asking, "_text", lambda value: "another run")
    assert strip(ada.get(home(acme)))["Quota nearest its end"] == "unknown"


def test_the_last_entry_is_for_who_may_read_the_ledger(
    ada: Browser, ben: Browser, acme: Cast, globex: Cast
) -> None:
    acme.issue(name="the-very-last")
    globex.issue(name="elsewhere")
    page = ada.get(home(acme))
    assert "Ada issued key “the-very-last”" in page.text
    assert "elsewhere" not in page.text
    page = ben.get(home(acme))
    assert page.status == 200
    assert "issued key" not in page.text and "/ledger/" not in page.html


def test_the_way_to_the_first_decision_is_shown_until_a_key_was_used(
    ada: Browser, vera: Browser, acme: Cast, gate: Gate, drained: Callable[[], None]
) -> None:
    way = "The way to the first decision"
    page = ada.get(home(acme))
    assert way in page.text and "There is no key yet." in page.text
    assert f'href="{home(acme, "keys/new/")}"' in page.html
    assert f'href="{home(acme, "keys/new/")}"' not in vera.get(home(acme)).html
    issued = acme.issue(scopes=["chat:write"])
    assert "No key was used yet." in ada.get(home(acme)).text
    gate.check(issued, scopes=["chat:write"])
    drained()
    assert way not in ada.get(home(acme)).text


def test_of_the_first_steps_one_is_next() -> None:
    def states(**changes: Any) -> list[str]:
        told = own_steps.own_steps(OPERATOR, nothing(**changes), lambda name, *_: f"/{name}")
        return [step.state for step in told]

    assert states(apis=0) == ["now", "off", "off", "off"]
    assert states() == ["", "now", "off", "off"]
    assert states(states={"active": 1}, active=1, unasked=1) == ["", "", "now", "off"]
    assert states(states={"active": 1}, active=1) == ["", "", "", "now"]
    assert states(ever=True) == []


def nothing(**changes: Any) -> Own:
    from collections import Counter

    counts = Counter(changes.pop("states", {}))
    return Own(counts, 0, 0, 0, 0, 0, 0, 0, None, False, 1, 0, [], [])._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "chip"),
    [
        ({"states": {"leaked": 1}}, "Leaked"),
        ({"states": {"active": 3}, "active": 1}, "Expired"),
        ({"unanswered": 1}, "Owner disabled"),
        ({"expiring": 1, "soon": ["key_a"], "soon_names": ["a"]}, "Expiring"),
        ({"expiring": 9, "today": 9, "soon": ["k"] * 3, "soon_names": ["a"] * 3}, "Expiring"),
        ({"unasked": 2}, "No gateway"),
        ({"never": 2}, "Never used"),
        ({"idle": 2}, "Idle"),
        ({"states": {"pending": 2}}, "Pending"),
    ],
)
def test_what_is_wrong_is_one_line_in_words(changes: dict[str, Any], chip: str) -> None:
    state = OwnState(nothing(**changes), [], [], lambda name, *_: f"/{name}/")
    (notice,) = own_attention.own_notices(state)
    assert notice.chip == chip
    assert (notice.before + notice.subject + notice.after).endswith(".") and notice.url


def test_nothing_waits_where_all_is_well() -> None:
    state = OwnState(nothing(states={"active": 3}, active=3), [], [], lambda name, *_: f"/{name}/")
    assert own_attention.own_notices(state) == []


def test_an_api_counts_if_it_may_be_used(acme: Cast) -> None:
    def apis() -> int:
        with tenant_scope(acme.tenant.id):
            return own_standing.own(acme.tenant.id).apis

    assert apis() == 1
    create_api(
        actor=OPERATOR, slug=f"own-{acme.tenant.slug}", name="Own", tenant_id=acme.tenant.id,
        scopes=[ScopeDefinition("a:b", "low", "")],
    )  # fmt: skip
    assert apis() == 2
    withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="x")
    assert apis() == 1


def test_a_suspended_tenant_says_so_on_every_page(ada: Browser, acme: Cast) -> None:
    paths = ("", "keys/", "decisions/", "usage/", "limits/")
    assert not any("is suspended" in ada.get(home(acme, path)).text for path in paths)
    acme.issue()
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    for path in paths:
        page = ada.get(home(acme, path))
        assert page.status == 200 and "Acme is suspended." in page.text, path
        assert "Create key" not in page.text, path


def test_when_keys_are_used_is_drawn_with_a_table_behind_it(
    ada: Browser, acme: Cast, spent: Spend
) -> None:
    key = acme.issue().key
    page = ada.get(home(acme))
    assert "Nothing was allowed in the last 7 days." in page.text
    spent(key, 77_123, hours_ago=26)
    spent(key, 5, "RATE_LIMITED")
    page = ada.get(home(acme))
    assert 'aria-labelledby="heat-title"' in page.html and '<path class="h-4"' in page.html
    assert page.html.count(">77,123<") == 1
    assert "77,123." in page.text.partition("Allowed requests an hour")[2][:60]


def test_names_that_people_chose_are_escaped(
    ada: Browser, acme: Cast, spent: Spend, gate: Gate
) -> None:
    evil = "<script>x</script>"
    issued = acme.issue(name=evil, limits=[{**DAY, "name": evil}])
    spent(issued.key, 99, "RATE_LIMITED")
    gate.check(issued, {"requests": 99})
    html = ada.get(home(acme)).html
    assert "<script>x" not in html and html.count("&lt;script&gt;x") >= 3


def test_every_role_sees_it_and_nobody_else(
    acme: Cast, ada: Browser, ben: Browser, vera: Browser, globex: Cast, sol: Browser
) -> None:
    for browser in (ada, ben, vera):
        assert browser.get(home(acme)).status == 200
    for browser in (member(globex, "owner"), sol):
        assert browser.get(home(acme)).status == 404


def test_it_asks_few_questions_however_many_keys(
    ada: Browser, acme: Cast, spent: Spend, queries: Any, gate: Gate
) -> None:
    for place in range(12):
        soon = (now() + dt.timedelta(days=place)).isoformat() if place else None
        key = acme.issue(name=f"k{place}", limits=[DAY], expires_at=soon).key
        spent(key, 50 + place, "RATE_LIMITED")
    ada.get(home(acme))
    with queries() as told:
        assert ada.get(home(acme), period="30d").status == 200
    assert len(told) <= 15, [each["sql"][:90] for each in told]
