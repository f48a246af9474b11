"""Errors as pages: what happened, whether anything was changed, what to do; in every trouble."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import redis
from django.db import connection
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils.html import escape
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.core import error_pages
from portal.core.error_pages import WORDS, error_response
from portal.core.ids import uuid7
from portal.core.problem_codes import PROBLEMS
from portal.core.refusals import Refusal
from portal.tenancy.pages.apis import Apis
from tests.cast import Cast
from tests.pages.browser import Browser
from tests.pages.test_frame import missing
from tests.plugin import ROOT


def asked(path: str = "/admin/", method: str = "get") -> HttpRequest:
    request: HttpRequest = getattr(RequestFactory(), method)(path)
    return request


@pytest.mark.parametrize("code", WORDS)
def test_every_error_says_what_happened_its_code_and_the_way_on(code: str) -> None:
    page = error_response(asked(), code)
    html = page.content.decode()
    assert page.status_code == PROBLEMS[code].status
    assert f"<b>{PROBLEMS[code].status}</b>" in html and escape(WORDS[code].title) in html
    assert f'href="/v1/docs#{code}"' in html and 'href="/admin/"' in html
    assert "oops" not in html.lower()


@pytest.mark.parametrize("code", WORDS)
def test_programs_get_a_problem_instead(code: str) -> None:
    answer = error_response(asked("/v1/nothing"), code)
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["code"] == code


def test_trying_again_is_offered_where_it_may_help_and_never_leads_away() -> None:
    def offered(code: str, path: str = "/admin/?a=1", method: str = "get") -> bool:
        return "Try again</a>" in error_response(asked(path, method), code).content.decode()

    assert offered("STORE_UNAVAILABLE") and offered("INTERNAL")
    assert not offered("NOT_FOUND") and not offered("INTERNAL", method="post")
    elsewhere = asked()
    elsewhere.path = "//evil.example/"
    assert "evil.example" not in error_response(elsewhere, "INTERNAL").content.decode()
    html = error_response(asked('/a"><i>?c="'), "INTERNAL").content.decode()
    assert '"><i>' not in html


def test_an_address_that_is_not_there(nobody: Client) -> None:
    page = nobody.get("/nothing/<script>")
    assert page.status_code == 404
    assert b"There is no such page, or it is not yours to see" in page.content
    assert b"<script>" not in page.content and missing(page.headers) == {}


def test_an_id_of_nothing_and_an_address_of_nothing_are_one_answer(sol: Browser) -> None:
    one, two = sol.get(f"/admin/ledger/{uuid7()}/"), sol.get("/admin/nothing/")
    assert one.status == two.status == 404

    def words(page: Any) -> str:
        return str(page.text).replace(page.headers["x-request-id"], "")

    assert words(one) == words(two)


def test_a_method_that_no_page_takes(sol: Browser) -> None:
    for method in ("post", "put", "delete", "patch", "options"):
        page = getattr(sol.client, method)("/admin/tenants/")
        assert page.status_code == 405, method
        assert page["Allow"] == "GET, HEAD"
        assert b"This address is not used that way" in page.content
        assert missing(page.headers) == {}


def test_a_form_that_is_not_ours(sol: Browser) -> None:
    strict = Client(enforce_csrf_checks=True, raise_request_exception=False)
    strict.cookies["countersign"] = sol.client.cookies["countersign"].value
    page = strict.post("/admin/ledger/export/", {"format": "csv"})
    assert page.status_code == 403
    assert b"This form is not from a page that is open here" in page.content
    assert missing(page.headers) == {}


def test_a_form_that_is_too_large(sol: Browser) -> None:
    page = sol.client.post("/admin/ledger/export/", {"format": "x" * (1024 * 1024 + 1)})
    assert page.status_code == 413
    assert b"That was too much at once" in page.content
    assert missing(page.headers) == {}


def test_a_form_with_too_many_fields_or_a_broken_body(sol: Browser) -> None:
    many = sol.client.post("/admin/ledger/export/", {f"f{n}": "" for n in range(1100)})
    broken = sol.client.generic(
        "POST", "/admin/ledger/export/", b"no boundary", "multipart/form-data; boundary=\xe9"
    )
    for page in (many, broken):
        assert page.status_code == 400
        assert b"The request can&#x27;t be read" in page.content
        assert missing(page.headers) == {}


def test_a_host_that_is_not_ours(nobody: Client) -> None:
    page = nobody.get("/admin/login/", headers={"Host": "evil.example"})
    assert page.status_code == 400
    assert b"evil.example" not in page.content and missing(page.headers) == {}


def test_a_bug_is_told_with_its_request_id_and_nothing_of_itself(
    sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("internal words")

    monkeypatch.setattr("portal.overview.page.figures", fails)
    page = sol.get("/admin/")
    assert page.status == 500
    assert page.headers["x-request-id"] in page.text
    assert "internal words" not in page.html and "ZeroDivisionError" not in page.html
    assert missing(page.headers) == {}


def test_a_refusal_says_its_own_words_escaped() -> None:
    refusal = Refusal("CONFLICT", "<b>It is in use.</b>")
    html = error_pages.refusal_page(asked(), refusal).content.decode()
    assert "&lt;b&gt;It is in use.&lt;/b&gt; Nothing was changed." in html


AWAY = """
import time, django, json
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
client.cookies["countersign"] = "a" * 32
told = []
for path in ("/admin/ledger/", "/"):
    begun = time.monotonic()
    page = client.get(path)
    told.append([path, page.status_code, time.monotonic() - begun, dict(page.headers),
                 b"The database does not answer" in page.content])
print(json.dumps(told))
"""


def test_with_postgresql_away_pages_say_so_within_seconds() -> None:
    nowhere = "postgresql://nobody@/nothing?host=/nonexistent"
    environment = {
        **os.environ,
        "DATABASE_URL": nowhere,
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", AWAY], cwd=ROOT, env=environment, capture_output=True, timeout=90,
        check=True,
    )  # fmt: skip
    told = {path: rest for path, *rest in json.loads(done.stdout.splitlines()[-1])}
    status, seconds, headers, said = told["/admin/ledger/"]
    assert (status, said) == (503, True)
    assert headers["Retry-After"] and missing(headers) == {}
    assert seconds < 30, "a page that hangs is worse than one that says so"
    assert told["/"][0] == 200


def test_with_redis_away_the_overview_still_says_how_things_stand(
    sol: Browser, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("portal.overview.standing.client", lambda: lost)
    page = sol.get("/admin/")
    assert page.status == 200
    assert "Redis does not answer. Every check is refused with STORE_UNAVAILABLE." in page.text


def test_a_question_that_takes_too_long_is_given_up_and_says_so(
    sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Apis) -> dict[str, Any]:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 50")
            cursor.execute("SELECT pg_sleep(5)")
        return {}

    monkeypatch.setattr(Apis, "context", slow)
    page = sol.get("/admin/apis/")
    assert page.status == 503
    assert "Choose less time, or filter more" in page.text and "STORE_UNAVAILABLE" in page.text


def test_the_web_process_gives_up_after_twenty_seconds_and_a_command_does_not() -> None:
    asked = (
        "import django; django.setup(); from django.db import connection as c;"
        "x = c.cursor(); x.execute('SHOW statement_timeout'); print(x.fetchone()[0])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", f"{first}{asked}"], cwd=ROOT, check=True, text=True,
            capture_output=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"},
        ).stdout.strip()
        for first in ("import portal.asgi;", "")
    ]  # fmt: skip
    assert told == ["20s", "0"]
