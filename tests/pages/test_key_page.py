"""One key's page: what it may do, what became of it, what is left, and why it would be refused."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from keys import remaining
from keys.asking import CountersAway
from keys.issuing import Issued
from keys.suspension import suspend_key
from tests.cast import Cast
from tests.invariants.traffic import Gate, body
from tests.pages.browser import Browser, Page
from tests.processes import CheckServer

CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}
NARROW: dict[str, Any] = {
    "scopes": ["chat:write"], "allowed_cidrs": ["203.0.113.0/24"], "allowed_models": ["gpt-4o"],
    "limits": [body("day", 10, "day", "calendar")], "metadata": {"team": "<checkout>"},
}  # fmt: skip


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def address(key: Issued) -> str:
    return f"/admin/keys/{key.key.id}/"


def part(page: Page, heading: str) -> str:
    """The words of one card."""
    card = next(c for c in page.html.split("<section")[1:] if f">{heading}</h2>" in c)
    return " ".join(re.sub(r"<[^>]*>", " ", card.split("</section>")[0].partition(">")[2]).split())


def test_a_key_says_in_words_what_it_may_do(acme: Cast, sol: Browser) -> None:
    key = acme.issue(**NARROW, name="<b>checkout</b>", expires_at="2999-01-02T00:00:00Z")
    page = sol.get(address(key))
    assert page.status == 200
    assert "&lt;b&gt;checkout&lt;/b&gt;" in page.html
    assert "<b>checkout</b>" not in page.html
    words = part(page, "What this key may do")
    for told in ("chat:write", "Only with gpt-4o", "203.0.113.0/24", "2 Jan 2999", "any purpose"):
        assert told in words
    assert "&lt;checkout&gt;" in page.html
    kid = key.secret.reveal().split("_")[2]
    assert f"csk_live_{kid[:4]}…" in page.text
    assert key.secret.reveal() not in page.html


def test_what_is_not_restricted_is_said_to_be_open(acme: Cast, sol: Browser) -> None:
    words = part(sol.get(address(acme.issue())), "What this key may do")
    for told in ("any model", "any address", "without an end", "no", "Unbounded"):
        assert told in words
    assert "No limits" in sol.get(address(acme.issue())).text


def test_what_was_asked_is_counted_by_code_and_listed(
    acme: Cast, gate: Gate, drained: Callable[[], None], sol: Browser
) -> None:
    key = acme.issue(**NARROW)
    for _ in range(3):
        assert gate.check(key, request=CHAT).body["allowed"]
    assert gate.check(key, request={**CHAT, "ip": "198.51.100.7"}).body["code"] == "IP_NOT_ALLOWED"
    drained()
    page = sol.get(address(key))
    table = part(page, "Allowed and denied")
    assert "OK 3 75.00 %" in table
    assert "IP_NOT_ALLOWED 1 25.00 %" in table
    assert 'class="up"' in page.html and 'class="s-rule"' in page.html
    assert part(page, "Recent decisions").count("203.0.113.9") == 3
    denied = part(sol.get(address(key), show="denied"), "Recent decisions")
    assert "198.51.100.7" in denied and "203.0.113.9" not in denied
    allowed = part(sol.get(address(key), show="allowed"), "Recent decisions")
    assert "198.51.100.7" not in allowed and "203.0.113.9" in allowed
    assert "7 of 10" in part(page, "Quota left")
    assert "from 203.0.113.9" in part(page, "Secrets")
    assert "3 requests a day will fail with KEY_REVOKED" in part(page, "Danger zone")
    for period in ("7d", "30d", "nonsense"):
        assert "OK 3" in part(sol.get(address(key), period=period), "Allowed and denied")


def test_a_key_that_was_never_used_says_so(acme: Cast, sol: Browser) -> None:
    page = sol.get(address(acme.issue()))
    assert "It was never used" in page.text
    assert "nothing that works now will fail" in page.text


def test_without_redis_what_is_left_is_unknown(
    acme: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Any) -> Any:
        raise CountersAway

    monkeypatch.setattr(remaining, "ask", away)
    page = sol.get(address(acme.issue(**NARROW)))
    assert page.status == 200
    assert "Unknown: Redis" in part(page, "Quota left")


def test_why_a_request_would_be_refused_is_told_part_by_part(
    acme: Cast, checker: CheckServer, sol: Browser
) -> None:
    key = acme.issue(**NARROW)
    page = sol.send(
        address(key), request="POST /v1/files", address="198.51.100.7", model="gpt-4o",
        usage="requests=11",
    )  # fmt: skip
    assert page.status == 200
    words = part(page, "Why would this be refused?")
    assert "Refused 3 reasons" in words
    order = ["IP_NOT_ALLOWED", "SCOPE_MISSING", "QUOTA_EXCEEDED"]
    assert [c for c in re.findall(r"[A-Z]+(?:_[A-Z]+)+", words)] == order
    assert "gpt-4o is on its list" in words
    assert f"/admin/keys/{key.key.id}/edit/" in page.html
    assert page.fields("#try")["request"] == ["POST /v1/files"]
    allowed = sol.send(
        address(key), request="POST /v1/chat/completions", address="203.0.113.9", model="gpt-4o"
    )
    assert "Allowed" in part(allowed, "Why would this be refused?")
    assert "10 of 10" in part(allowed, "Quota left"), "it spends nothing"


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("request", "/v1/models", "A method and a path are needed"),
        ("request", "GET /" + 5000 * "a", "length"),
        ("address", "nowhere", "not an IP address"),
        ("model", 129 * "m", "length"),
        ("subject", 257 * "s", "length"),
        ("subject", "user-42", "A subject needs a purpose"),
        ("purpose", "a\u200bb", "invisible"),
        ("scopes", " ".join(65 * ["a:b"]), "length"),
        ("usage", "many", "Units and whole numbers"),
        ("usage", "requests=-1", "Units and whole numbers"),
        ("usage", "requests=1 requests=2", "Units and whole numbers"),
        ("usage", "requests=9999999999999", "1000000000000"),
        ("model", "a\x00b", "Null characters"),
    ],
)
def test_what_can_not_be_asked_is_told_beside_its_field_and_stays(
    acme: Cast, sol: Browser, field: str, typed: str, words: str
) -> None:
    key = acme.issue()
    page = sol.send(address(key), **{field: typed})
    assert page.status == 400
    wrong = [f for f in page.html.split('<div class="field') if f.startswith(" wrong")]
    assert len(wrong) == 1
    assert words in wrong[0]
    if "\x00" not in typed:
        assert typed in page.fields("#try")[field]


def test_a_key_that_is_typed_into_the_form_is_not_shown_again(acme: Cast, sol: Browser) -> None:
    key = acme.issue()
    for field in ("request", "address", "model", "subject", "purpose", "scopes", "usage"):
        page = sol.send(address(key), **{field: f"GET /{key.secret.reveal()}"})
        assert page.status in (200, 400)
        assert key.secret.reveal().split("_")[3] not in page.html


def test_a_trial_changes_nothing_and_needs_the_forms_token(acme: Cast, sol: Browser) -> None:
    from django.test import Client

    key = acme.issue()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["countersign"] = sol.client.cookies["countersign"].value
    assert strict.post(address(key), {"request": "GET /v1/models"}).status_code == 403
    before = part(sol.get(address(key)), "History")
    sol.send(address(key), request="GET /v1/models")
    assert part(sol.get(address(key)), "History") == before


def test_the_auditor_sees_all_and_is_offered_nothing(acme: Cast, ira: Browser) -> None:
    key = acme.issue(**NARROW)
    page = ira.get(address(key))
    assert page.status == 200
    for name in ("edit", "suspend", "resume", "revoke"):
        assert f"{address(key)}{name}/" not in page.html
    assert "Danger zone" not in page.text
    told = ira.send(address(key), address="198.51.100.7")
    assert "IP_NOT_ALLOWED" in told.text
    assert f"{address(key)}edit/" not in told.html


def test_a_suspended_key_can_be_resumed_and_a_revoked_one_not_changed(
    acme: Cast, sol: Browser, owner_db: "psycopg.Connection[Any]"
) -> None:
    key = acme.issue()
    suspend_key(actor=acme.owner, key_id=key.key.id, reason="a test")
    page = sol.get(address(key))
    assert f"{address(key)}resume/" in page.html
    assert f"{address(key)}suspend/" not in page.html
    assert "KEY_SUSPENDED" in sol.send(address(key)).text
    owner_db.execute("UPDATE keys_apikey SET state = 'leaked' WHERE id = %s", [key.key.id])
    page = sol.get(address(key))
    assert f"{address(key)}edit/" not in page.html
    assert "Leaked" in page.text


def test_history_is_what_the_ledger_has_of_the_key(acme: Cast, sol: Browser) -> None:
    key = acme.issue(name="watched")
    suspend_key(actor=acme.owner, key_id=key.key.id, reason="a test")
    page = sol.get(address(key))
    assert "2 entries" in part(page, "History")
    assert "suspended" in part(page, "History")
    assert f"/admin/ledger/?target={key.key.id}" in page.html


def test_a_key_that_is_not_there_is_not_found(sol: Browser, nobody: Any) -> None:
    for path in ("/admin/keys/key_nothere/", "/admin/keys/key_0/"):
        assert sol.get(path).status == 404
        assert sol.post(path, request="GET /").status == 404
        assert nobody.get(path).status_code == 302


def test_the_page_asks_few_questions(
    acme: Cast, gate: Gate, drained: Callable[[], None], sol: Browser, queries: Any
) -> None:
    key = acme.issue(**NARROW)
    for _ in range(15):
        gate.check(key, request=CHAT)
    drained()
    sol.get(address(key))
    with queries() as told:
        assert sol.get(address(key)).status == 200
    assert len(told) <= 15, [q["sql"][:90] for q in told.captured_queries]


def pasted(page: Page, caption: str) -> str:
    """What the figure under this caption would copy."""
    import html

    found = re.search(rf"<figcaption>{caption} .*?<pre[^>]*>(.*?)</pre>", page.html, re.DOTALL)
    assert found
    return html.unescape(found[1])


def test_what_is_ready_to_paste_works_as_it_stands(
    acme: Cast, checker: CheckServer, sol: Browser, tmp_path: Path
) -> None:
    key = acme.issue(
        scopes=["chat:write"], allowed_cidrs=["203.0.113.0/24"], allowed_models=["it's {gpt}"]
    )
    page = sol.get(address(key))
    secrets = {"GATEWAY": acme.gateway_token, "KEY": key.secret.reveal()}
    environment = {"PATH": os.environ["PATH"], **secrets}
    portal = re.search(r"curl (\S+)/v1", pasted(page, "curl"))
    assert portal

    def here(text: str) -> str:
        return text.replace(portal[1], f"http://127.0.0.1:{checker.port}")

    curl = here(pasted(page, "curl")).replace("curl ", "curl -s ", 1)
    answer = subprocess.run(["bash", "-c", curl], env=environment, capture_output=True, check=True)
    assert json.loads(answer.stdout)["code"] == "OK"
    program = tmp_path / "ask.py"
    program.write_text(here(pasted(page, "Python")) + "\nprint(verdict['code'])\n")
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, check=True
    )
    assert done.stdout == b"OK\n"


def test_nginx_in_short_is_made_of_the_recipes_lines(acme: Cast, sol: Browser) -> None:
    recipe = Path(__file__).parents[2] / "deploy" / "gateways" / "nginx.conf"
    known = {" ".join(line.split("#")[0].split()) for line in recipe.read_text().splitlines()}
    for line in pasted(sol.get(address(acme.issue())), "nginx").splitlines():
        line = " ".join(line.split())
        assert line in known or line.endswith("/v1/authorize/nginx;"), line
