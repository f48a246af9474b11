"""The frame of every page: its headers, its navigation, its weight."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from portal.admin_site import PAGES
from portal.core.ids import base62
from portal.core.middleware import CSP
from portal.navigation import PLATFORM
from portal.tenancy.gateways import create_gateway
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR, Cast, person
from tests.pages.app import someone
from tests.pages.browser import Browser

STRICT = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FILES = ("/static/countersign.css", "/static/countersign.js", "/static/logo.svg")
PASSKEYS = "/static/passkeys.js"
"""On those pages alone that ask a browser for one."""
FIRST_LOAD = 100 * 1024


def addresses() -> Iterator[str]:
    """Every page that needs no id."""
    for page in PAGES:
        try:
            yield reverse(f"admin:{page.name}")
        except NoReverseMatch:
            continue


def read(answer: Any) -> Any:
    """The answer with its whole body, also where it was a file."""
    body = b"".join(answer) if answer.streaming else answer.content
    answer.close()
    answer.body = body
    return answer


def missing(headers: Any) -> dict[str, str]:
    """What of the strict headers an answer lacks."""
    told = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in STRICT.items() if told.get(name) != value}


@pytest.mark.parametrize("path", sorted(set(addresses())))
def test_every_page_has_the_strict_headers_and_nothing_inline(
    sol: Browser, acme: Cast, path: str
) -> None:
    page = sol.get(path)
    assert page.status in (200, 302), page.status
    assert missing(page.headers) == {}
    assert "no-store" in page.headers["cache-control"]
    assert page.headers["x-request-id"]
    for inline in (
        r"\sstyle=",
        r"<style",
        r"<script(?![^>]*\ssrc=)",
        r"<[^>]*\son[a-z]+=",
        r"javascript:",
    ):
        assert not re.search(inline, page.html, re.IGNORECASE), inline


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/", 200), ("get", "/v1/docs", 200), ("get", "/admin/", 302),
        ("get", "/nothing", 404), ("get", "/admin/nothing/", 302), ("put", "/", 405),
        ("post", "/v1/docs", 405), ("get", "/static/passkeys.js", 200),
        *(("get", file, 200) for file in FILES),
    ],
)  # fmt: skip
def test_so_has_everything_that_anyone_may_ask_for(
    nobody: Client, method: str, path: str, status: int
) -> None:
    answer = read(getattr(nobody, method)(path))
    assert answer.status_code == status
    assert missing(answer.headers) == {}
    assert "access-control-allow-credentials" not in answer.headers


def test_pages_are_stored_nowhere_and_files_for_a_while(nobody: Client) -> None:
    assert "no-store" in nobody.get("/admin/login/").headers["cache-control"]
    assert "max-age" in read(nobody.get(FILES[0])).headers["cache-control"]


def test_the_navigation_leads_somewhere_and_says_where_one_is(sol: Browser) -> None:
    for _, entries in PLATFORM:
        for name, words, _ in entries:
            path = reverse(f"admin:{name}")
            page = sol.get(path)
            assert page.status == 200, name
            (here,) = re.findall(r'<a href="([^"]+)" aria-current="page">([^<]+)</a>', page.html)
            assert here == (path, words)


def test_every_page_has_one_main_heading_and_a_way_past_the_navigation(sol: Browser) -> None:
    for path in addresses():
        page = sol.get(path)
        if page.status == 200 and "attachment" not in page.headers.get("content-disposition", ""):
            assert page.html.count("<h1") == 1, path
            assert ('class="skip-to-content-link"' in page.html) >= ('class="side"' in page.html)
            assert re.search(r"<title>[^<]+ · Countersign</title>", page.html), path


def weight(client: Client, path: str) -> int:
    """Bytes of an answer as a browser gets it."""
    answer = read(client.get(path, headers={"Accept-Encoding": "gzip"}))
    assert answer.status_code == 200, path
    return len(answer.body)


WEIGHED_BY_NOBODY = ("/admin/login/", "/admin/login/passkey/", "/admin/login/forgot/")
"""Who is signed in is sent on from there."""
NOT_FIRST = {
    "/admin/login/code/": "a password comes before it",
    "/admin/login/code/passkey/": "a password comes before it",
    "/admin/login/recovery/": "a password comes before it",
    "/admin/overview/csv/": "a file",
    "/admin/security/factor/": "for who has none",
}
"""What needs no id and is no page that a visit could begin with."""


@pytest.fixture
def full(acme: Cast) -> None:
    """More of everything than one page of a list shows."""
    for n in range(60):
        acme.issue(name=f"service {n}", scopes=["chat:write", "models:read"])
        person(acme.tenant, f"person-{n}", "developer")
        create_tenant(actor=OPERATOR, slug=f"full-{base62(8)}".lower(), name=f"Tenant {n}")
        create_gateway(
            actor=OPERATOR, name=f"gateway {n}", api_id=acme.api.id, tenant_ids=[acme.tenant.id],
            environments=["live", "test"],
        )  # fmt: skip


def test_a_first_visit_to_any_page_loads_less_than_100_kib(nobody: Client, full: None) -> None:
    sol = Browser(someone().person)  # with a second factor: there are pages about it
    files = sum(weight(nobody, file) for file in FILES)
    css = b"".join(read(nobody.get(file)).body for file in FILES if file.endswith(".css"))
    others = re.findall(rb"@import[^;]+|url\(['\"]?([^'\")]+)", css)
    assert all(each.startswith(b"data:") for each in others), "a file that nobody weighed"
    weighed = {}
    for path in set(addresses()) - set(NOT_FIRST):
        client = nobody if path in WEIGHED_BY_NOBODY else sol.client
        html = read(client.get(path)).body.decode()
        linked = re.findall(r'<(?:link|script|img|iframe)\b[^>]*(?:href|src)="([^"]+)"', html)
        assert set(linked) - {PASSKEYS} == set(FILES), path
        more = weight(nobody, PASSKEYS) if PASSKEYS in linked else 0
        weighed[path] = files + more + weight(client, path)
    heavy = {path: size for path, size in weighed.items() if size >= FIRST_LOAD}
    assert not heavy
    assert {"/admin/", "/admin/keys/", "/admin/people/", "/admin/tenants/"} <= set(weighed)


def test_without_compression_the_overview_is_light_enough_too(sol: Browser, acme: Cast) -> None:
    files = sum(len(read(sol.client.get(file)).body) for file in FILES)
    assert files + len(sol.get("/admin/").html.encode()) < FIRST_LOAD


def test_pages_are_compressed_but_never_an_answer_to_a_form(sol: Browser) -> None:
    asked = {"Accept-Encoding": "gzip"}
    page = sol.client.get("/admin/records/", headers=asked)
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    assert b"<h1>Records</h1>" in gzip.decompress(page.content)
    sent = sol.client.post("/admin/records/", headers=asked)
    assert sent.status_code == 405 and "content-encoding" not in sent.headers
    program = sol.client.get("/v1/openapi.json", headers=asked)
    assert "content-encoding" not in program.headers


@pytest.mark.parametrize(
    "path",
    [
        "/admin/keys/?owner=%00", "/admin/keys/?tenant=%00", "/admin/keys/?page=9999999999",
        "/admin/apis/?page=1000000000", "/admin/apis/?page=0000000001",
        "/admin/people/?page=" + "1" * 99,
        "/admin/apis/?page=%D9%A1", "/admin/limits/?page=0000000000000000001",
        "/admin/tenants/?page=201",
    ],
)  # fmt: skip
def test_no_address_breaks_a_page(acme: Cast, sol: Browser, path: str) -> None:
    assert sol.get(path).status in (200, 400)


def test_djangos_own_end_of_a_changed_password_is_not_there(sol: Browser) -> None:
    assert sol.get("/admin/password_change/done/").status == 404
