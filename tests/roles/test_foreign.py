"""Another tenant's ids answer as ids that never were: byte for byte, and after the same questions.

What an answer repeats of the request, its own id and the forms' tokens are masked; the number of
questions to the database stands for the class of its time, which no test can measure well.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.core.ids import base62, uuid7
from portal.tenancy.models import Person
from portal.tenancy.scope import platform_scope
from tests.conftest import Answer
from tests.pages.browser import Browser
from tests.roles.digest import differing, digest
from tests.roles.table import ADMIN, REST, TENANT, Row
from tests.roles.world import World, random_like

Db = psycopg.Connection[Any]
MASKED = re.compile(
    rb'(?:name="(?:csrfmiddlewaretoken|once|sealed)" value="[^"]*")|(?:<time [^>]*>[^<]*</time>)'
)


class Told(NamedTuple):
    """An answer, as far as anybody could tell it from another."""

    status: int
    body: bytes
    headers: dict[str, str]
    questions: int


def told(asked: tuple[str, ...], act: Callable[..., Any], *given: Any, **typed: Any) -> Told:
    """What a request came to, without what it repeats of `asked`."""
    with CaptureQueriesContext(connection) as questions:
        page = act(*given, **typed)
    response = page.response
    headers = {k.lower(): v for k, v in response.headers.items()}
    body = MASKED.sub(b"", response.content).replace(headers.pop("x-request-id").encode(), b"#")
    for text in (each for asked_ in asked for each in (asked_, quote_plus(asked_))):
        body = body.replace(text.encode(), b"#")
        headers = {k: v.replace(text, "#") for k, v in headers.items()}
    headers = {k: re.sub(r"-\d{8}-\d{6}", "", v) for k, v in headers.items()}
    return Told(response.status_code, body, headers, len(questions))


KINDS = (
    "key", "member", "invitation", "gateway", "decision", "entry", "own_token", "limit", "domain",
    "directory_token", "no_job",
)  # fmt: skip


def ids_of(globex: World) -> dict[str, str]:
    """Ids of Globex's that nobody else has tried, by kind."""
    found = {kind: globex.one(kind) for kind in (*KINDS, "left_member", "suspended_key")}
    with platform_scope("a test looks a request up"):
        person = Person.objects.get(id=globex.members["owner"].person_id)
    return {
        **found, "person": person.id, "email": person.email, "tenant": globex.acme.tenant.slug,
        "api": globex.acme.api.slug,
    }  # fmt: skip


@pytest.fixture(scope="module")
def theirs(worlds: tuple[World, World]) -> dict[str, str]:
    """Globex's ids, for addresses."""
    return ids_of(worlds[1])


@pytest.fixture(scope="module")
def unseen(worlds: tuple[World, World]) -> dict[str, str]:
    """Others, to search for: what somebody tried stands in the ledger, and is found there."""
    return ids_of(worlds[1])


@pytest.fixture(scope="module", autouse=True)
def warm(world: World, browsers: dict[str, Browser]) -> None:
    """A token's use is noted once a minute: not between two answers that are compared."""
    path = reverse("keys", kwargs={"tenant": world.acme.tenant.slug})
    headers = {"Authorization": f"Bearer {world.acme.token}"}
    assert Client().get(path, headers=headers).status_code == 200


def random_of(kind: str, theirs: dict[str, str]) -> str:
    """What nobody has, of the same kind and length."""
    held = theirs[kind]
    if kind == "email":
        return base62(len(held.partition("@")[0])).lower() + "@" + held.partition("@")[2]
    if kind in ("tenant", "api"):
        return base62(len(held)).lower()
    return uuid7() if kind in ("decision", "entry") else random_like(held)


NAMED = [
    pytest.param(name, kind, id=name)
    for name, row in TENANT.items() for kind in row.ids.values() if kind not in ("guide_file",)
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_a_page_of_theirs_is_no_page(
    world: World, browsers: dict[str, Browser], database: Db, theirs: dict[str, str],
    name: str, kind: str,
) -> None:  # fmt: skip
    before = digest(database)
    for role in ("owner", "viewer"):
        answers = []
        for id in (theirs[kind], random_of(kind, theirs)):
            more = {"file": "check.sh"} if "file" in TENANT[name].ids else {}
            path = reverse(
                f"tenant:{name}", kwargs={"slug": world.acme.tenant.slug, "id": id, **more}
            )
            shown = told((id,), browsers[role].get, path)
            sent = told((id,), browsers[role].post, path, reason="x", role="viewer")
            answers.append((shown, sent))
        assert answers[0] == answers[1], (role, name)
        assert answers[0][0].status in (403, 404)
        assert answers[0][1].status in (403, 404) or not TENANT[name].send
    assert differing(before, digest(database)) == []


MIXED = [name for name, row in ADMIN.items() if "slug" in row.ids and "id" in row.ids]


@pytest.mark.parametrize("name", MIXED)
def test_nor_is_it_one_of_ours_in_the_admin(
    world: World, browsers: dict[str, Browser], theirs: dict[str, str], name: str
) -> None:
    kind = {"token": "own_token"}.get(ADMIN[name].ids["id"], ADMIN[name].ids["id"])
    answers = []
    for id in (theirs[kind], random_of(kind, theirs)):
        path = reverse(f"admin:{name}", kwargs={"slug": world.acme.tenant.slug, "id": id})
        answers.append(told((id,), browsers["security_admin"].get, path))
    assert answers[0] == answers[1]
    assert answers[0].status == 404


SEARCHED = ("key", "email", "tenant")
ASKED: dict[str, dict[str, tuple[str, ...]]] = {
    "index": {"key": ("key",), "owner": ("member",)},
    "keys": {"q": (*SEARCHED, "member"), "owner": ("member",), "tenant": ("tenant",)},
    "decisions": {
        "q": SEARCHED, "key": ("key",), "gateway": ("gateway",), "tenant": ("tenant",),
        "kid": ("key",),
    },
    "usage": {"key": ("key",), "gateway": ("gateway",), "tenant": ("tenant",)},
    "limits": {"q": (*SEARCHED, "limit"), "key": ("key",), "tenant": ("tenant",)},
    "ledger": {
        "q": (*SEARCHED, "entry"), "actor": ("person",), "target": ("key", "member"),
        "request": ("entry",), "before": ("entry",), "after": ("entry",), "tenant": ("tenant",),
    },
    "members": {"q": (*SEARCHED, "member", "person")},
    "invitations": {"q": (*SEARCHED, "invitation")},
    "jobs": {"q": (*SEARCHED, "no_job")},
    "tokens": {"q": (*SEARCHED, "own_token", "member")},
    "guide": {"gateway": ("gateway",)},
}  # fmt: skip
"""What each list takes of an address, and what of theirs could stand there."""
FILES = {"keys", "jobs", "decisions", "members", "invitations", "tokens", "limits"}
"""Those that are also kept as a file."""


def lists(row: Row, name: str) -> bool:
    """Whether it is a page that takes something of its address."""
    return not row.ids and not row.send and not name.startswith("sso")


def test_every_list_is_asked() -> None:
    assert set(ASKED) == {name for name, row in TENANT.items() if lists(row, name)}


@pytest.mark.parametrize("name", ASKED)
def test_no_search_no_filter_and_no_file_tells_of_theirs(
    world: World, browsers: dict[str, Browser], unseen: dict[str, str], name: str
) -> None:
    path = reverse(f"tenant:{name}", kwargs={"slug": world.acme.tenant.slug})
    for parameter, kinds in ASKED[name].items():
        for kind in kinds:
            for more in ({}, {"format": "csv"}) if name in FILES else ({},):
                pair = [
                    told((id,), browsers["owner"].get, path, **{parameter: id}, **more)
                    for id in (unseen[kind], random_of(kind, unseen))
                ]
                assert pair[0] == pair[1], (parameter, kind, more)


@pytest.mark.parametrize("query", ["q", "actor", "target", "request"])
def test_nor_does_an_export(
    world: World, browsers: dict[str, Browser], unseen: dict[str, str], query: str
) -> None:
    path = reverse("tenant:ledger-export", kwargs={"slug": world.acme.tenant.slug})
    kind = {"actor": "person", "request": "entry"}.get(query, "key")
    for format in ("csv", "jsonl"):
        pair = [
            told((id,), browsers["owner"].post, f"{path}?{query}={id}", format=format)
            for id in (unseen[kind], random_of(kind, unseen))
        ]
        assert pair[0] == pair[1]
        assert pair[0].status == 200


NESTED = [
    ("key-new", "owner", "member", "?tenant={tenant}&api={api}"), ("key-new", "api", "api", ""),
    ("token-new", "creator", "member", ""), ("token-new", "creator", "email", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "field", "kind", "query"), NESTED)
def test_nothing_of_theirs_can_be_named_in_a_form(
    world: World, browsers: dict[str, Browser], database: Db, theirs: dict[str, str],
    name: str, field: str, kind: str, query: str,
) -> None:  # fmt: skip
    row = TENANT[name]
    path = reverse(f"tenant:{name}", kwargs={"slug": world.acme.tenant.slug})
    path += (query or row.query).format(**world.words())
    typed = row.typed(world, "owner") if callable(row.typed) else row.typed
    fields = {**browsers["owner"].get(path).fields(), **typed}
    before = digest(database)
    pair = [
        told((id,), browsers["owner"].post, path, **{**fields, field: id})
        for id in (theirs[kind], random_of(kind, theirs))
    ]
    if field != "api":  # it is the address' to say
        assert pair[0] == pair[1]
        assert pair[0].status == 400
        assert differing(before, digest(database)) == []


def test_to_invite_tells_nothing_of_who_exists(
    world: World, browsers: dict[str, Browser], unseen: dict[str, str]
) -> None:
    at = {"slug": world.acme.tenant.slug}
    path, listed = (
        reverse("tenant:member-invite", kwargs=at),
        reverse("tenant:invitations", kwargs=at),
    )
    pair = []
    for email in (unseen["email"], random_of("email", unseen)):
        fields = {**browsers["owner"].get(path).fields(), "email": email, "role": "viewer"}
        sent = told((email,), browsers["owner"].post, path, **fields)
        shown = told((email,), browsers["owner"].get, listed, q=email)
        pair.append((sent, re.sub(rb"jn_[0-9A-Za-z]{12}", b"#", shown.body), shown.questions))
    assert pair[0] == pair[1]
    assert pair[0][0].status == 302


REST_IDS = [pytest.param(n, m, row, id=f"{m} {n}") for (n, m), row in REST.items() if row.ids]


def asked_of_rest(
    api: Callable[..., Answer], world: World, path: str, method: str = "GET", body: Any = None
) -> Told:
    headers = {"If-Match": '"1"'} if method == "PATCH" else {}
    asked = [part for part in re.split(r"[/?=&]", path) if "_" in part or "-" in part]
    return told(tuple(asked), api, method, path, body, token=world.acme.token, headers=headers)


@pytest.mark.parametrize(("name", "method", "row"), REST_IDS)
def test_by_rest_theirs_is_none_either(
    api: Callable[..., Answer], world: World, database: Db, theirs: dict[str, str],
    name: str, method: str, row: Any,
) -> None:  # fmt: skip
    kind = row.ids["id"]
    before = digest(database)
    pair = [
        asked_of_rest(
            api, world, reverse(name, kwargs={"tenant": world.acme.tenant.slug, "id": id}), method,
            None if method == "GET" else row.typed,
        )
        for id in (theirs[kind], random_of(kind, theirs))
    ]  # fmt: skip
    assert pair[0] == pair[1]
    assert pair[0].status == 404
    assert differing(before, digest(database)) == []


@pytest.mark.parametrize(
    ("name", "parameter", "kind"),
    [
        ("keys", "q", "key"), ("keys", "owner", "member"), ("limits", "key", "key"),
        ("usage", "key", "key"), ("audit-events", "target", "key"),
        ("audit-events", "actor", "person"), ("audit-events", "request_id", "entry"),
    ],
)  # fmt: skip
def test_nor_by_a_filter_of_rest(
    api: Callable[..., Answer], world: World, unseen: dict[str, str],
    name: str, parameter: str, kind: str,
) -> None:  # fmt: skip
    path = reverse(name, kwargs={"tenant": world.acme.tenant.slug})
    pair = [
        asked_of_rest(api, world, f"{path}?{parameter}={id}")
        for id in (unseen[kind], random_of(kind, unseen))
    ]
    assert pair[0] == pair[1]
    assert pair[0].status == 200


@pytest.mark.parametrize(("member", "kind"), [("owner", "member"), ("api", "api")])
def test_nor_in_the_body_of_a_new_key(
    api: Callable[..., Answer], world: World, theirs: dict[str, str], member: str, kind: str
) -> None:
    path = reverse("keys", kwargs={"tenant": world.acme.tenant.slug})
    body = {"name": "x", "environment": "live", "scopes": []}
    pair = [
        asked_of_rest(api, world, path, "POST", {**body, member: id})
        for id in (theirs[kind], random_of(kind, theirs))
    ]
    assert pair[0] == pair[1]
    assert pair[0].status == 400


def test_a_foreign_tenant_is_one_that_is_not(
    world: World, worlds: tuple[World, World], browsers: dict[str, Browser]
) -> None:
    globex = worlds[1]
    for name, row in TENANT.items():
        ids = {n: globex.a(kind) for n, kind in row.ids.items()}
        pair = []
        for slug in (globex.acme.tenant.slug, base62(len(globex.acme.tenant.slug)).lower()):
            path = reverse(f"tenant:{name}", kwargs={"slug": slug, **ids})
            for role in ("owner", "security_admin"):
                pair.append(told((slug,), browsers[role].get, path))
        assert pair[:2] == pair[2:], name
        assert {each.status for each in pair} == {404}
