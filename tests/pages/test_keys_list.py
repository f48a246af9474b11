"""The list of all keys."""

import csv
import datetime as dt
import io
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from keys.models import Secret
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from portal.core.clock import now
from portal.tenancy.people import disable_person
from portal.tenancy.scope import tenant_scope
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser, Page
from tests.processes import CheckServer

Db = psycopg.Connection[Any]
LIST = "/admin/keys/"
LIMIT = {
    "name": "day", "unit": "requests", "amount": 1_000, "window": "day", "algorithm": "calendar",
    "shared_by": "key",
}  # fmt: skip


def kid_of(cast: Cast, key_id: str) -> str:
    with tenant_scope(cast.tenant.id):
        return Secret.objects.get(key_id=key_id).kid


def row(page: Page, name: str) -> str:
    """The words and titles of a key's line."""
    (line,) = [part for part in page.html.split("<tr")[1:] if f">{name}</a>" in part]
    return line


def used(db: Db, cast: Cast, key_id: str, at: dt.datetime) -> None:
    db.execute(
        "INSERT INTO keys_secretuse VALUES (%s, %s, %s, %s, NULL)",
        [kid_of(cast, key_id), cast.tenant.id, key_id, at],
    )


def asked(db: Db, cast: Cast, key_id: str, code: str, count: int, back: int = 1) -> None:
    hour = now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=back)
    db.execute(
        "INSERT INTO keys_hourlyusage VALUES (%s, %s, %s, %s, %s, '{}')",
        [cast.tenant.id, key_id, hour, code, count],
    )


def test_a_key_is_found_by_name_id_owner_and_public_id(acme: Cast, sol: Browser) -> None:
    key, other = acme.issue(name="checkout").key, acme.issue(name="billing").key
    kid = kid_of(acme, key.id)
    for text in ("CHECKOUT", "heck", key.id, kid, kid[:5], f"csk_live_{kid[:4]}…",
                 f"csk_live_{kid[:4]}...", f"csk_live_{kid}"):  # fmt: skip
        page = sol.get(LIST, q=text, tenant=acme.tenant.slug)
        assert page.status == 200, text
        assert key.id in page.html, text
        assert other.id not in page.html, text
    assert key.id not in sol.get(LIST, q=f"csk_test_{kid[:4]}…", tenant=acme.tenant.slug).html
    both = sol.get(LIST, q="ada", tenant=acme.tenant.slug)
    assert key.id in both.html and other.id in both.html


def test_the_list_holds_every_tenants_keys_and_is_narrowed_to_one(
    acme: Cast, globex: Cast, sol: Browser
) -> None:
    ours, theirs = acme.issue(name="ours").key, globex.issue(name="theirs").key
    page = sol.get(LIST)
    assert ours.id in page.html and theirs.id in page.html
    page = sol.get(LIST, tenant=acme.tenant.slug)
    assert ours.id in page.html and theirs.id not in page.html
    assert "1 active key in Acme." in page.text
    assert f"?tenant={acme.tenant.slug}" in sol.get(LIST).html


def test_a_tenant_that_is_none_is_told_and_left_out(acme: Cast, sol: Browser) -> None:
    acme.issue()
    page = sol.get(LIST, tenant="nobody-is-called-this", state="wrong", sort="secret")
    assert page.status == 400
    assert "Tenant: there is no such choice. It was left out." in page.text
    assert "State: there is no such choice." in page.text
    assert "can't be sorted by that" in page.text


@pytest.mark.parametrize("wrap", ["{}", "  {} ", "key: {}", "{}x"])
def test_a_pasted_credential_is_neither_searched_nor_shown_nor_kept(
    acme: Cast, sol: Browser, wrap: str
) -> None:
    issued = acme.issue(name="pasted")
    secret = issued.secret.reveal()
    page = sol.get(LIST, q=wrap.format(secret), tenant=acme.tenant.slug)
    assert page.status == 302
    assert secret[:24] not in page.goes_to
    assert page.goes_to == f"{LIST}?tenant={acme.tenant.slug}&pasted=1"
    page = sol.get(page.goes_to)
    assert "looks like a credential" in page.text
    assert secret[9:] not in page.html
    assert "pasted=1" not in page.html, "no link keeps the warning"


def test_a_real_credential_in_the_search_is_recorded_as_exposed(
    acme: Cast, sol: Browser, owner_db: Db
) -> None:
    issued = acme.issue(name="pasted")
    sol.get(LIST, q=issued.secret.reveal())
    kinds = owner_db.execute(
        "SELECT type, outcome FROM ledger_entry WHERE object_id = %s AND type LIKE 'cred%%'",
        [issued.key.id],
    ).fetchall()
    assert kinds == [("credential.exposed", "denied")]


def test_each_state_has_its_chip_with_what_to_do(acme: Cast, sol: Browser, owner_db: Db) -> None:
    fine, idle, stopped, ended, soon, refused, rotating, new = (
        acme.issue(name=name).key
        for name in ("fine", "idle", "stopped", "ended", "soon", "refused", "rotating", "new")
    )
    for key in (fine, soon, refused, rotating):
        used(owner_db, acme, key.id, now())
    used(owner_db, acme, idle.id, now() - dt.timedelta(days=40))
    suspend_key(actor=acme.owner, key_id=stopped.id, reason="a test")
    revoke_key(actor=acme.owner, key_id=ended.id, reason="a test")
    owner_db.execute(
        "UPDATE keys_apikey SET expires_at = now() + interval '3 hours' WHERE id = %s", [soon.id]
    )
    asked(owner_db, acme, fine.id, "OK", 100)
    asked(owner_db, acme, refused.id, "OK", 90)
    asked(owner_db, acme, refused.id, "SCOPE_MISSING", 10)
    owner_db.execute(
        "INSERT INTO keys_secret (kid, tenant_id, key_id, digest, pepper_id, issued_at, expires_at)"
        " VALUES ('Old00000' || substr(md5(%s), 1, 4), %s, %s, '', 1, now() - interval '1 day',"
        " now() + interval '6 hours')",
        [rotating.id, acme.tenant.id, rotating.id],
    )
    page = sol.get(LIST, tenant=acme.tenant.slug)
    for name, words, title in (
        ("fine", "Operational", "Nothing to do."),
        ("idle", "Idle", "Unused for 40 days. Narrow it, or revoke it."),
        ("stopped", "Suspended", "Refused with KEY_SUSPENDED."),
        ("ended", "Revoked", "Refused with KEY_REVOKED, for ever."),
        ("soon", "Expires soon", "Extend it now."),
        ("refused", "Rejections", "10.0 % refused in the last 24 hours, most with SCOPE_MISSING."),
        ("rotating", "Rotating", "The old secret works until"),
        ("new", "Never used", "Hand it over, or revoke it."),
    ):
        line = row(page, name)
        assert f">{words}</span>" in line, name
        assert title in line, name
    assert "bad-text" in row(page, "soon")
    assert "never" in row(page, "new")
    assert new.id in page.html


def test_an_owner_who_left_and_a_suspended_tenant_are_said_of_their_keys(
    acme: Cast, sol: Browser
) -> None:
    acme.issue(name="orphan")
    disable_person(actor=OPERATOR, person_id=acme.owner.id, reason="a test")
    for asked in ({}, {"state": "attention"}):
        page = sol.get(LIST, tenant=acme.tenant.slug, **asked)
        assert ">Owner disabled</span>" in row(page, "orphan")
    assert "of quotas is not searched" in page.text


def test_filters_leave_what_they_say(acme: Cast, sol: Browser, owner_db: Db) -> None:
    names = ("plain", "test", "idle", "ending", "ended", "stopped", "refused", "leaked")
    keys = {
        name: acme.issue(name=name, environment="test" if name == "test" else "live").key
        for name in names
    }
    ends = {"ending": "3 days", "ended": "-1 day"}
    for name, away in ends.items():
        owner_db.execute(
            "UPDATE keys_apikey SET expires_at = now() + %s::interval WHERE id = %s",
            [away, keys[name].id],
        )
    owner_db.execute("UPDATE keys_apikey SET state = 'leaked' WHERE id = %s", [keys["leaked"].id])
    owner_db.execute(
        "UPDATE keys_apikey SET created_at = now() - interval '90 days' WHERE id = %s",
        [keys["idle"].id],
    )
    suspend_key(actor=acme.owner, key_id=keys["stopped"].id, reason="a test")
    used(owner_db, acme, keys["plain"].id, now())
    used(owner_db, acme, keys["idle"].id, now() - dt.timedelta(days=40))
    asked(owner_db, acme, keys["refused"].id, "QUOTA_EXCEEDED", 60)
    asked(owner_db, acme, keys["refused"].id, "OK", 60)
    for asked_for, left in (
        ({"environment": "test"}, {"test"}),
        ({"state": "suspended"}, {"stopped"}),
        ({"state": "expired"}, {"ended"}),
        ({"state": "leaked"}, {"leaked"}),
        ({"state": "attention"}, {"leaked", "refused", "ending", "ended"}),
        ({"state": "active"}, {"plain", "test", "idle", "ending", "refused"}),
        ({"expiry": "7d"}, {"ending"}),
        ({"expiry": "24h"}, set()),
        ({"used": "idle"}, {"idle"}),
        ({"used": "never"}, set(names) - {"plain", "idle"}),
        ({"owner": acme.memberships["owner"].id}, set(names)),
    ):
        page = sol.get(LIST, tenant=acme.tenant.slug, **asked_for)
        assert page.status == 200
        assert {name for name in names if keys[name].id in page.html} == left, asked_for


def test_an_owner_is_chosen_without_their_tenant(acme: Cast, globex: Cast, sol: Browser) -> None:
    ours, theirs = acme.issue().key, globex.issue().key
    page = sol.get(LIST, owner=acme.memberships["owner"].id)
    assert ours.id in page.html and theirs.id not in page.html
    assert "owner: Ada" in page.text
    assert sol.get(LIST, owner="mem_nobody").status == 400


def test_it_is_sorted_by_name_creation_and_end(acme: Cast, sol: Browser, owner_db: Db) -> None:
    made = [acme.issue(name=name).key for name in ("bravo", "alpha", "charlie")]
    for key, days in zip(made, (5, 9, 1), strict=True):
        owner_db.execute(
            "UPDATE keys_apikey SET expires_at = now() + %s * interval '1 day' WHERE id = %s",
            [days, key.id],
        )

    def order(sort: str) -> list[str]:
        page = sol.get(LIST, tenant=acme.tenant.slug, sort=sort)
        return sorted(("bravo", "alpha", "charlie"), key=lambda name: page.html.index(f">{name}<"))

    assert order("name") == ["alpha", "bravo", "charlie"]
    assert order("-name") == ["charlie", "bravo", "alpha"]
    assert order("-created") == order("") == ["charlie", "alpha", "bravo"]
    assert order("created") == ["bravo", "alpha", "charlie"]
    assert order("expires") == ["charlie", "bravo", "alpha"]


def test_the_scarcest_limit_is_shown_with_what_is_left(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    acme.issue(name="limited", limits=[LIMIT])
    acme.issue(name="free")
    page = sol.get(LIST, tenant=acme.tenant.slug)
    assert "100 % of today" in row(page, "limited")
    assert 'aria-label="100 percent left"' in row(page, "limited")
    assert "no limits" in row(page, "free")


def test_a_limit_that_is_nearly_used_up_is_low_quota(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    issued = acme.issue(name="scarce", scopes=["models:read"], limits=[{**LIMIT, "amount": 20}])
    for _ in range(18):
        secret = issued.secret.reveal()
        assert checker.check(acme.gateway_token, secret, scopes=["models:read"])["allowed"]
    line = row(sol.get(LIST, tenant=acme.tenant.slug), "scarce")
    assert "10 % of today" in line
    assert "10 % left of its scarcest limit." in line
    assert ">Low quota</span>" in line


def test_without_redis_what_is_left_is_unknown_and_the_list_still_there(
    acme: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.issue(name="limited", limits=[LIMIT])
    monkeypatch.setattr("keys.pages.list.remaining_of", lambda keys: None)
    page = sol.get(LIST, tenant=acme.tenant.slug)
    assert page.status == 200
    assert ">unknown</span>" in row(page, "limited")


def test_many_keys_cost_no_more_queries_than_one(
    acme: Cast, sol: Browser, queries: Callable[[], Any], owner_db: Db
) -> None:
    for place in range(60):
        soon = (now() + dt.timedelta(days=3)).isoformat()
        key = acme.issue(
            name=f"key {place}", limits=[LIMIT] if place % 2 else [], expires_at=soon
        ).key
        asked(owner_db, acme, key.id, "OK", 7)
    with queries() as told:
        page = sol.get(LIST, q="ada", tenant=acme.tenant.slug, used="never", state="attention")
    assert "1 to 25 of 60 keys" in page.text
    assert len(told) <= 15, [query["sql"][:90] for query in told]
    with queries() as told:
        page = sol.get(LIST, tenant=acme.tenant.slug)
    assert len(told) <= 15, [query["sql"][:90] for query in told]
    assert "1 to 25 of 60 keys" in page.text
    assert "51 to 60 of 60 keys" in sol.get(LIST, tenant=acme.tenant.slug, page=3).text


def test_the_file_holds_what_is_filtered_and_nothing_computes_in_it(
    acme: Cast, globex: Cast, sol: Browser, owner_db: Db
) -> None:
    issued = acme.issue(name="=HYPERLINK(1)", scopes=["chat:write", "models:read"])
    globex.issue(name="elsewhere")
    used(owner_db, acme, issued.key.id, now())
    page = sol.get(LIST, tenant=acme.tenant.slug, format="csv")
    assert page.headers["content-type"] == "text/csv; charset=utf-8"
    (line,) = csv.DictReader(io.StringIO(page.html))
    assert line["id"] == issued.key.id
    assert line["name"] == "'=HYPERLINK(1)"
    assert line["scopes"] == "chat:write models:read"
    assert line["public_id"] == kid_of(acme, issued.key.id)
    assert line["last_used_at"].startswith(f"{now():%Y-%m-%d}")
    assert issued.secret.reveal()[22:] not in page.html


def test_a_tenant_without_keys_is_told_how_to_make_one(
    acme: Cast, sol: Browser, ira: Browser
) -> None:
    page = sol.get(LIST, tenant=acme.tenant.slug)
    assert "No keys in Acme yet. " in page.text and "Nothing found" not in page.text
    assert f'href="/admin/keys/new/?tenant={acme.tenant.slug}">Create key' in page.html
    assert f"/v1/tenants/{acme.tenant.slug}/keys" in page.text
    acme.issue()
    for asked in ({"q": "no such thing"}, {"page": "390"}):
        page = sol.get(LIST, tenant=acme.tenant.slug, **asked)
        assert "No keys match" in page.text and "first service" not in page.text
    assert sol.get("/admin/keys/new/").status == 200
    assert "Create key" not in ira.get(LIST).text


def test_what_people_wrote_is_text(acme: Cast, sol: Browser) -> None:
    nasty = "</a><script>alert(1)</script><img src=x onerror=alert(1)>"
    acme.issue(name=nasty)
    page = sol.get(LIST, tenant=acme.tenant.slug, q="<script>")
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    assert "&lt;script&gt;alert(1)" in page.html


def test_a_file_is_not_made_of_what_was_asked_for_wrongly(sol: Browser, acme: Cast) -> None:
    wrong = dict.fromkeys(("tenant", "status", "role", "period", "state"), "no-such")
    lists = ("keys", "tenants", "people", "decisions", "usage", "gateways", "apis", "outbox")
    for name in lists:
        page = sol.get(f"/admin/{name}/", format="csv", **wrong)
        assert (page.status, page.headers["content-type"][:9]) == (400, "text/html"), name
        assert 'href="/v1/docs#REQUEST_INVALID"' in page.html


def test_the_file_is_in_the_order_of_the_list(sol: Browser, acme: Cast) -> None:
    for name in ("b", "c", "a"):
        acme.issue(name=name)
    told = sol.get(LIST, format="csv", tenant=acme.tenant.slug, sort="-name").html.splitlines()
    assert [line.split(",")[1] for line in told[1:]] == ['"c"', '"b"', '"a"']
