"""The ledger's pages: entries are found, read and exported, and an export is an entry too."""

import csv
import io
import json
from typing import Any

import pytest
from django.utils import timezone

from audit.ledger.events import Event
from audit.ledger.models import Entry, Payload
from audit.ledger.recording import record
from audit.ledger.refusals import record_refusal
from audit.ledger.target import Target
from audit.ledger.who import Who
from keys.revocation import revoke_key
from portal.core.ids import new_id, uuid7
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.cast import Cast
from tests.pages.browser import Browser

LEDGER = "/admin/ledger/"
EXPORT = "/admin/ledger/export/"


def entry_of(event: Event, target: str) -> Entry:
    with platform_scope("test"):
        return Entry.objects.filter(type=event.type, object_id=target).latest("occurred_at")


@pytest.fixture
def revoked(acme: Cast) -> Any:
    """A key of Acme's that Ada issued and revoked."""
    key = acme.issue(name="billing").key
    revoke_key(actor=acme.owner, key_id=key.id, reason="no longer needed")
    return key


def recorded(tenant: Cast, count: int, **changes: Any) -> list[Entry]:
    """`count` entries of one actor in this tenant, the oldest first."""
    who = Who(kind="user", id=new_id("per"), label="Ada", request_id=uuid7())
    with tenant_scope(tenant.tenant.id):
        return [
            record(
                Event.KEY_CHANGED, actor=who, tenant=tenant.tenant.id,
                target=Target("key", new_id("key"), f"key {n}"), **changes,
            )
            for n in range(count)
        ]  # fmt: skip


def test_an_entry_is_a_sentence_with_the_event_beneath(ira: Browser, revoked: Any) -> None:
    page = ira.get(LEDGER, target=revoked.id)
    assert page.status == 200
    assert "<b>Ada</b> revoked" in page.html
    told = page.text.partition("What happened")[2]
    assert "key “billing”: no longer needed key.revoked" in told.replace("” :", "”:")
    assert told.index("key.revoked") < told.index("key.issued")


@pytest.mark.parametrize("name", ["q", "target"])
def test_entries_are_found_by_what_they_are_about(
    ira: Browser, revoked: Any, globex: Cast, name: str
) -> None:
    other = globex.issue(name="other").key
    page = ira.get(LEDGER, **{name: revoked.id})
    assert "billing" in page.text and other.id not in page.html
    assert ira.get(LEDGER, **{name: other.id}).text.count("key.issued") > 0


def test_entries_are_found_by_event_tenant_outcome_actor_and_request(
    ira: Browser, acme: Cast, globex: Cast, revoked: Any
) -> None:
    there = "no longer needed"
    for asked in (
        {"type": "key.revoked", "tenant": acme.tenant.id},
        {"tenant": acme.tenant.id, "outcome": "success"},
        {"actor": acme.owner.id},
        {"q": acme.owner.id},
    ):
        assert there in ira.get(LEDGER, **asked).text, asked
    for asked in (
        {"type": "key.suspended", "tenant": acme.tenant.id},
        {"tenant": globex.tenant.id},
        {"tenant": "platform"},
        {"tenant": acme.tenant.id, "outcome": "denied"},
        {"actor": globex.owner.id},
        {"request": uuid7()},
        {"tenant": acme.tenant.id, "until": "2020-01-01"},
    ):
        assert there not in ira.get(LEDGER, **asked).text, asked
    assert "Nothing found" in ira.get(LEDGER, q=there).text, "a reason is not searched"


def test_a_person_is_found_by_their_address(ira: Browser, acme: Cast, revoked: Any) -> None:
    with platform_scope("test"):
        email = acme.memberships["owner"].person.email
    assert "no longer needed" in ira.get(LEDGER, q=email.upper()).text
    assert "Nothing found" in ira.get(LEDGER, q="nobody@example.com").text


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "key.eaten"}, {"tenant": "ten_nobody"}, {"outcome": "maybe"}, {"since": "soon"},
        {"actor": "<script>"}, {"q": "x" * 257}, {"q": "a\0b"}, {"before": uuid7()},
        {"after": "\0"},
    ],
)  # fmt: skip
def test_what_is_unknown_is_told_and_left_out(ira: Browser, asked: dict[str, str]) -> None:
    page = ira.get(LEDGER, **asked)
    assert page.status == 400
    assert 'role="alert"' in page.html
    assert "<script>" not in page.html


@pytest.mark.parametrize(
    "asked", [{"since": "0001-01-01"}, {"until": "9999-12-31"}, {"since": "9999-12-31"}]
)
def test_the_ends_of_time_are_days_too(ira: Browser, asked: dict[str, str]) -> None:
    assert ira.get(LEDGER, **asked).status == 200


def test_pages_are_turned_without_losing_or_repeating_an_entry(ira: Browser, acme: Cast) -> None:
    made = [entry.id for entry in recorded(acme, 120)]
    with platform_scope("test"):
        actor = Entry.objects.get(id=made[0]).actor_id
    seen: list[str] = []
    path, pages = f"{LEDGER}?actor={actor}", 0
    while path:
        page = ira.get(path)
        here = [id for id in made if f"{LEDGER}{id}/" in page.html]
        seen += reversed(here)
        path, pages = link(page.html, "next"), pages + 1
    assert (pages, seen) == (3, made[::-1])
    assert "of 120 entries" in page.text
    back = ira.get(link(page.html, "prev"))
    assert [id for id in made if f"{LEDGER}{id}/" in back.html] == made[20:70]
    first = ira.get(link(back.html, "prev"))
    assert [id for id in made if f"{LEDGER}{id}/" in first.html] == made[70:]
    assert not link(first.html, "prev")


def link(html: str, rel: str) -> str:
    """Where the pager leads."""
    before, found, _ = html.partition(f'" rel="{rel}"')
    return before.rpartition('href="')[2].replace("&amp;", "&") if found else ""


def test_an_entry_tells_who_how_whence_and_what_differs(
    ira: Browser, acme: Cast, revoked: Any
) -> None:
    entry = entry_of(Event.KEY_REVOKED, revoked.id)
    page = ira.get(f"{LEDGER}{entry.id}/")
    assert page.status == 200
    assert f".{entry.occurred_at.microsecond // 1000:03d} UTC" in page.text.replace("  ", " ")
    assert "Ada, person, by password and authenticator code" in page.text
    assert "no longer needed" in page.text
    assert "<del>active</del> <ins>revoked</ins>" in page.html
    assert f"?target={revoked.id}" in page.html and f"?actor={acme.owner.id}" in page.html
    assert entry.envelope_digest.hex() in page.html


def test_one_request_s_entries_are_found_from_any_of_them(ira: Browser, acme: Cast) -> None:
    first, second = recorded(acme, 2)
    page = ira.get(f"{LEDGER}{first.id}/")
    assert f"{first.request_id} , 2 entries" in page.text
    both = ira.get(LEDGER, request=str(first.request_id))
    assert all(f"{LEDGER}{entry.id}/" in both.html for entry in (first, second))


def test_an_erased_entry_says_so_and_tells_nothing_personal(
    ira: Browser, acme: Cast, revoked: Any
) -> None:
    entry = entry_of(Event.KEY_REVOKED, revoked.id)
    with tenant_scope(acme.tenant.id):
        Payload.objects.filter(entry=entry).update(body=None, salt=None, erased_at=timezone.now())
    page = ira.get(f"{LEDGER}{entry.id}/")
    assert "Its personal part was erased" in page.text
    detail = page.html.partition('id="detail"')[2]
    assert "no longer needed" not in detail and "<ins>" not in detail and "Ada" not in detail
    assert f"key {revoked.id}" in detail


def test_an_entry_that_is_not_there_is_not_found(ira: Browser) -> None:
    assert ira.get(f"{LEDGER}{uuid7()}/").status == 404
    assert ira.get(f"{LEDGER}nonsense/").status == 404


def test_what_people_wrote_is_escaped(ira: Browser, acme: Cast) -> None:
    key = acme.issue(name="<script>alert(1)</script>{actor}").key
    revoke_key(actor=acme.owner, key_id=key.id, reason='"><img src=x>')
    for path in (f"{LEDGER}?target={key.id}", f"{LEDGER}{entry_of(Event.KEY_REVOKED, key.id).id}/"):
        html = ira.get(path).html
        assert "<script>alert" not in html and "<img src=x" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{actor}" in html


def test_so_is_an_event_s_own_data(ira: Browser, acme: Cast) -> None:
    who = Who(kind="user", id=new_id("per"), label="Ada")
    with tenant_scope(acme.tenant.id):
        entry = record_refusal(
            actor=who, tenant=acme.tenant.id, target=Target("key", new_id("key")),
            action="<i>keys:write</i>", code="FORBIDDEN",
        )  # fmt: skip
    page = ira.get(f"{LEDGER}{entry.id}/")
    assert "<i>keys" not in page.html and "&lt;i&gt;keys:write&lt;/i&gt;" in page.html
    assert "Refused" in page.text and "FORBIDDEN" in page.text


def test_a_page_asks_few_questions_however_many_entries(
    ira: Browser, acme: Cast, queries: Any
) -> None:
    made = recorded(acme, 60, before={"state": "a"}, after={"state": "b"})
    for path in (LEDGER, f"{LEDGER}{made[30].id}/", EXPORT):
        with queries() as told:
            assert ira.get(path, tenant=acme.tenant.id).status == 200
        assert len(told) <= 15, [each["sql"] for each in told]


def test_a_file_holds_what_was_asked_for_and_that_it_left_is_recorded(
    ira: Browser, acme: Cast, globex: Cast, revoked: Any
) -> None:
    globex.issue(name="foreign")
    page = ira.send(EXPORT, to=f"{EXPORT}?tenant={acme.tenant.id}&type=key.revoked")
    assert page.headers["content-type"].startswith("text/csv")
    assert "attachment" in page.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(page.html))
    assert row["sentence"] == "Ada revoked key “billing”: no longer needed"
    assert row["target_id"] == revoked.id and json.loads(row["after"])["state"] == "revoked"
    told = entry_of(Event.LEDGER_EXPORTED, acme.tenant.id)
    with platform_scope("test"):
        data = json.loads(Payload.objects.get(entry=told).body or "")["data"]
    assert told.actor_id == ira.person.id and told.tenant_id == acme.tenant.id
    assert data["entries"] == 1 and "type=key.revoked" in data["filter"]


def test_json_lines_say_the_same(ira: Browser, acme: Cast, revoked: Any) -> None:
    page = ira.send(EXPORT, to=f"{EXPORT}?target={revoked.id}", format="jsonl")
    lines = [json.loads(line) for line in page.html.splitlines()]
    assert [line["type"] for line in lines] == ["key.revoked", "key.issued"]
    assert lines[0]["tenant"] == acme.tenant.id


def test_no_cell_is_a_formula(ira: Browser, acme: Cast) -> None:
    key = acme.issue(name="a").key
    revoke_key(actor=acme.owner, key_id=key.id, reason="x")
    who = Who(kind="user", id=new_id("per"), label="=HYPERLINK(1)")
    with tenant_scope(acme.tenant.id):
        record(Event.KEY_CHANGED, actor=who, tenant=acme.tenant.id, target=Target("key", key.id))
    page = ira.send(EXPORT, to=f"{EXPORT}?target={key.id}")
    rows = list(csv.DictReader(io.StringIO(page.html)))
    assert rows[0]["actor"] == "'=HYPERLINK(1)" and rows[0]["sentence"].startswith("'=")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"format": "pdf"}), ("", {"format": ""}), ("type=key.eaten", {}),
        ("since=2020-01-01&until=2026-01-01", {}), ("since=2026-02-01&until=2026-01-01", {}),
    ],
)  # fmt: skip
def test_what_can_t_be_exported_is_told_and_not_recorded(
    ira: Browser, query: str, fields: dict[str, str]
) -> None:
    page = ira.send(EXPORT, to=f"{EXPORT}?{query}", **fields)
    assert page.status == 400
    assert "Nothing was exported." in page.text
    with platform_scope("test"):
        entries = Entry.objects.filter(type="ledger.exported", actor_id=ira.person.id)
        assert not entries.exists()


def test_looking_at_the_export_exports_nothing(ira: Browser, revoked: Any) -> None:
    page = ira.get(EXPORT, target=revoked.id)
    assert page.status == 200 and "2 entries from" in page.text
    with platform_scope("test"):
        entries = Entry.objects.filter(type="ledger.exported", actor_id=ira.person.id)
        assert not entries.exists()


def test_nobody_without_a_role_sees_it(nobody: Any) -> None:
    for path in (LEDGER, EXPORT, f"{LEDGER}{uuid7()}/"):
        assert nobody.get(path).status_code == 302
    assert nobody.post(EXPORT).status_code in (302, 403)
