"""The log of decisions: bounded in time, found by what an index carries, told as it is stored."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from keys.pages import asked
from portal.core.clock import now
from portal.core.ids import uuid7
from tests.cast import Cast
from tests.invariants.traffic import Gate
from tests.pages.browser import Browser
from tests.processes import CheckServer

LOG = "/admin/decisions/"
CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}
INSERT = """
INSERT INTO keys_decision (id, tenant_id, at, key_id, kid, gateway_id, code, units, address, method,
    route, model, subject_ref, purpose)
VALUES (%(id)s, %(tenant)s, %(at)s, %(key)s, %(kid)s, %(gateway)s, %(code)s, %(units)s, %(address)s,
    %(method)s, '/v1/models', '', %(subject)s, '')
"""


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


@pytest.fixture
def write(acme: Cast, owner_db: "psycopg.Connection[Any]") -> Callable[..., str]:
    """Write one decision as the drain would; its id."""

    def insert(**members: Any) -> str:
        row = {
            "id": str(uuid4()), "tenant": acme.tenant.id, "at": now(), "key": "key_gone",
            "kid": "AAAAAAAAAAAA", "gateway": acme.gateway.id, "code": "OK",
            "units": '{"requests": 1}', "address": None, "method": "GET", "subject": "", **members,
        }  # fmt: skip
        owner_db.execute(INSERT, row)
        return str(row["id"])

    return insert


def test_a_decision_is_told_as_it_is_stored(
    acme: Cast, gate: Gate, drained: Callable[[], None], sol: Browser
) -> None:
    key = acme.issue(name="<i>checkout</i>", scopes=["chat:write"])
    decision = gate.check(key, request=CHAT, subject="user-42", purpose="support").body
    drained()
    page = sol.get(LOG, key=key.key.id)
    assert page.status == 200
    assert "&lt;i&gt;checkout&lt;/i&gt;" in page.html
    assert decision["decision_id"] in page.html
    one = sol.get(f"{LOG}{decision['decision_id']}/")
    assert one.status == 200
    for told in (
        "Refused", "PURPOSE_UNKNOWN", "The tenant has no such purpose.", "203.0.113.9",
        "POST /v1/chat/completions", "gpt-4o", "support", "requests: 1", "edge",
    ):  # fmt: skip
        assert told in one.text
    assert "user-42" not in one.html + page.html
    assert key.secret.reveal() not in one.html + page.html


def test_each_filter_leaves_what_it_says(
    acme: Cast, globex: Cast, write: Callable[..., str], sol: Browser
) -> None:
    key = acme.issue()
    kid = key.secret.reveal().split("_")[2]
    subject = uuid4().hex
    mine = write(
        key=key.key.id, kid=kid, code="RATE_LIMITED", address="203.0.113.77", subject=subject
    )
    other = write(tenant=globex.tenant.id, gateway=globex.gateway.id, address="198.51.100.1")
    rotated = write(key=key.key.id, kid="BBBBBBBBBBBB", code="RATE_LIMITED")
    asked_for = {
        "key": key.key.id, "kid": kid, "address": "203.0.113.77", "subject": subject,
        "tenant": acme.tenant.slug, "gateway": acme.gateway.id,
    }  # fmt: skip
    for name, value in asked_for.items():
        page = sol.get(LOG, **{name: value})
        assert page.status == 200, page.text[:300]
        assert mine in page.html, name
        assert other not in page.html, name
    assert rotated not in sol.get(LOG, kid=kid).html
    narrowed = {"tenant": acme.tenant.slug}
    assert mine in sol.get(LOG, code="RATE_LIMITED", **narrowed).html
    assert mine not in sol.get(LOG, code="OK", **narrowed).html
    assert mine in sol.get(LOG, outcome="denied", **narrowed).html
    assert mine not in sol.get(LOG, outcome="allowed", **narrowed).html


def test_a_search_is_understood_by_its_shape(
    acme: Cast, write: Callable[..., str], sol: Browser
) -> None:
    key = acme.issue()
    kid = key.secret.reveal().split("_")[2]
    subject = uuid4().hex
    id = write(key=key.key.id, kid=kid, address="2001:db8::77", subject=subject)
    other = write()
    for text in (key.key.id, kid, f"csk_live_{kid}", f"csk_live_{kid}…", "2001:DB8:0::77", subject):
        page = sol.get(LOG, q=text)
        assert page.status == 200, text
        assert id in page.html, text
        assert other not in page.html, text
    assert sol.get(LOG, q=id).goes_to == f"{LOG}{id}/"
    wrong = sol.get(LOG, q="who knows")
    assert wrong.status == 400
    assert "none of them" in wrong.text


def test_a_key_in_the_address_is_taken_out_of_it(acme: Cast, sol: Browser) -> None:
    secret = acme.issue().secret.reveal()
    for path in (LOG, "/admin/usage/"):
        page = sol.get(path, q=secret, key=secret)
        assert page.status == 302
        assert secret not in page.goes_to
        assert "looks like a credential" in sol.get(page.goes_to).text


def test_the_log_is_always_bounded_in_time(write: Callable[..., str], sol: Browser) -> None:
    key = f"key_{uuid4().hex[:12]}"
    hour, day, old = (
        write(key=key, at=now() - dt.timedelta(hours=back)) for back in (2, 30, 24 * 29)
    )
    told = {period: sol.get(LOG, key=key, period=period).html for period in ("1h", "", "7d", "30d")}
    found = {p: [id in text for id in (hour, day, old)] for p, text in told.items()}
    assert found == {
        "1h": [False, False, False], "": [True, False, False], "7d": [True, True, False],
        "30d": [True, True, True],
    }  # fmt: skip
    since = (now() - dt.timedelta(days=29)).date()
    assert old in sol.get(LOG, key=key, since=f"{since - dt.timedelta(1)}", until=f"{since}").html
    assert day in sol.get(LOG, key=key, since=f"{since}").html


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"since": "2026-01-01", "until": "2026-02-01"}, "At most 31 days"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "ends before it begins"),
        ({"since": "yesterday"}, "A day is written as"),
        ({"until": "9999-12-31"}, ""),
        ({"until": "0001-01-01"}, ""),
        ({"period": "2y"}, "no such choice"),
        ({"code": "NOPE"}, "no such choice"),
        ({"tenant": "nobody"}, "no such choice"),
        ({"gateway": "'; --"}, "no such choice"),
        ({"key": 65 * "a"}, "This is no key"),
        ({"key": "a\x00"}, "This is no key"),
        ({"address": "10.0.0.0/8"}, "This is no address"),
        ({"address": "nowhere"}, "not an IP address"),
        ({"older": "long ago"}, "no such place"),
        ({"older": f"{17 * '9'}~a"}, ""),
        ({"newer": "1~"}, "no such place"),
        ({"q": 257 * "a"}, "at most 256"),
        ({"q": "a\x00"}, "NUL"),
    ],
)
def test_what_can_not_be_asked_is_told_and_left_out(
    sol: Browser, query: dict[str, str], words: str
) -> None:
    page = sol.get(LOG, **query)
    assert page.status == (400 if words else 200)
    assert words in page.text


def test_pages_follow_each_other_without_gap_or_repeat(
    write: Callable[..., str], sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, at = f"key_{uuid4().hex[:12]}", now() - dt.timedelta(minutes=5)
    # Three at each moment: the id decides among them.
    ids = [write(key=key, at=at + dt.timedelta(microseconds=n // 3)) for n in range(120)]

    def shown(page: Any) -> list[str]:
        return sorted((id for id in ids if id in page.html), key=page.html.index)

    def link(page: Any, rel: str) -> str:
        tag = next((t for t in page.html.split("<a ") if f'rel="{rel}"' in t), "")
        return LOG + tag.split('href="')[1].split('"')[0].replace("&amp;", "&") if tag else ""

    pages = [sol.get(LOG, key=key)]
    while address := link(pages[-1], "next"):
        pages.append(sol.get(address))
    assert [len(shown(page)) for page in pages] == [50, 50, 20]
    seen = [id for page in pages for id in shown(page)]
    assert len(set(seen)) == 120
    assert "50 of 120" in pages[0].text
    assert not link(pages[0], "prev")
    back = sol.get(link(pages[2], "prev"))
    assert shown(back) == shown(pages[1])
    first = sol.get(link(back, "prev"))
    assert shown(first) == shown(pages[0])
    assert "Newest" in back.text


def test_the_file_has_what_the_list_has_with_its_cells_defused(
    acme: Cast, write: Callable[..., str], sol: Browser
) -> None:
    key = f"key_{uuid4().hex[:12]}"
    ids = [write(key=key, code=code, method="=cmd") for code in ("OK", "RATE_LIMITED")]
    answer = sol.get(LOG, key=key, format="csv", code="RATE_LIMITED")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.html)))
    assert [row["id"] for row in rows] == ids[1:]
    assert rows[0]["method"] == "'=cmd"
    assert rows[0]["gateway_id"] == acme.gateway.id


def test_a_decision_is_found_by_its_id_alone_and_a_day_that_is_gone_is_not(
    write: Callable[..., str], sol: Browser
) -> None:
    id = write(id=uuid7(), at=now() - dt.timedelta(hours=3))
    assert sol.get(f"{LOG}{id}/").status == 200
    other, at = str(uuid4()), now() - dt.timedelta(days=20)
    write(id=other, at=at)
    assert sol.get(f"{LOG}{other}/").status == 404
    moment = (at - asked.EPOCH) // asked.MICROSECOND
    assert sol.get(f"{LOG}{other}/?at={moment}").status == 200
    for path in (f"{LOG}{uuid7()}/", f"{LOG}{uuid4()}/?at=1", f"{LOG}{other}/?at={17 * '9'}",
                 f"{LOG}ffffffff-ffff-7fff-8fff-ffffffffffff/", f"{LOG}nothing/"):  # fmt: skip
        assert sol.get(path).status == 404, path


def test_what_takes_too_long_is_given_up_and_said(
    write: Callable[..., str], sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = write()
    monkeypatch.setattr(asked, "ROWS", 1)
    slow = "SELECT 1 FROM pg_sleep(0.2)"
    wanted = asked.Asked.wanted
    monkeypatch.setattr(
        asked.Asked, "wanted", lambda self: wanted(self).extra(where=[f"EXISTS ({slow})"])
    )
    page = sol.get(LOG)
    assert page.status == 400
    assert "took too long" in page.text
    assert id not in page.html
    monkeypatch.setattr(asked, "ROWS", 30_000)
    monkeypatch.setattr(asked, "COUNT", 1)
    page = sol.get(LOG, older="9000000000000000~a")
    assert page.status == 200
    assert "of many" in page.text


def test_an_empty_log_says_how_to_fill_it(sol: Browser) -> None:
    page = sol.get(LOG, key="key_never", since="2026-01-01", until="2026-01-02")
    assert page.status == 200
    assert "Nothing found" in page.text


def test_the_list_asks_few_questions(
    acme: Cast, write: Callable[..., str], sol: Browser, ira: Browser, queries: Any
) -> None:
    keys = [acme.issue().key.id for _ in range(5)]
    for place in range(60):
        write(key=keys[place % 5])
    query = {"tenant": acme.tenant.slug, "outcome": "allowed", "gateway": acme.gateway.id}
    sol.get(LOG, **query)
    for browser in (sol, ira):
        with queries() as told:
            assert browser.get(LOG, **query).status == 200
        assert len(told) <= 15, [q["sql"][:90] for q in told.captured_queries]


def test_who_is_not_signed_in_sees_none_of_it(nobody: Any) -> None:
    for path in (LOG, f"{LOG}{uuid4()}/", f"{LOG}?format=csv", "/admin/usage/?format=csv"):
        assert nobody.get(path).status_code == 302
