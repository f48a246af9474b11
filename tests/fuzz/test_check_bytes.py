"""POST /v1/keys/check, bytes in: an answer in the documented form, and no allow undeserved."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cast import Cast, make_cast
from tests.fuzz.effort import EXAMPLES, effort
from tests.fuzz.kinds import NEEDS, Kinds, deserves, issue_kinds, read
from tests.fuzz.wire import Reply, Wire, edited, talk
from tests.processes import CheckServer

MEMBERS = [b'"key":"x",', b'"dry_run":true,', b'"scopes":["files:write"],', b'"k\\u0065y":"x",']
PIECES = [
    *MEMBERS,
    b'"', b"\\", b"\\u0000", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"1e9", b"-",
    b"\0", b"\xff", b"\xc0\xaf", b'"usage":{"requests":0},', b"/", b"..", b"%2f", b"\xef\xbb\xbf",
    b"9" * 400, b" ", b"\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def acme() -> Cast:
    return make_cast("acme", owner="Ada")


@pytest.fixture(scope="module")
def kinds(acme: Cast) -> Kinds:
    return issue_kinds(acme, make_cast("globex", owner="Cy"))


@pytest.fixture(scope="module")
def wire(checker: CheckServer) -> Iterator[Wire]:
    held = Wire(checker)
    yield held
    held.close()


def questions(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that are right in form; what they ask is as often granted as not."""
    scopes = st.lists(st.sampled_from(["chat:write", "models:read", "files:write"]), max_size=2)
    routes = st.sampled_from([*NEEDS, ("POST", "/v1/models"), ("GET", "/v1/models?x=/v1/files")])
    stated = st.fixed_dictionaries(
        {},
        optional={
            "ip": st.sampled_from(["203.0.113.9", "::ffff:203.0.113.1", "2001:db8::1", "10.0.0.1"]),
            "model": st.sampled_from(["small", "large"]),
        },
    )

    def facts(stated: dict[str, str], route: tuple[str, str] | None) -> dict[str, str]:
        return stated | (dict(zip(("method", "path"), route, strict=True)) if route else {})

    return st.fixed_dictionaries(
        {"key": st.sampled_from(keys)},
        optional={
            "scopes": scopes, "request": st.builds(facts, stated, st.none() | routes),
            "environment": st.sampled_from(["live", "test"]), "gpc": st.booleans(),
            "usage": st.dictionaries(st.sampled_from(["requests", "tokens"]), st.integers(0, 2)),
            "purpose": st.just("training"), "dry_run": st.booleans(),
        },
    )  # fmt: skip


def assert_in_form(reply: Reply, statuses: set[int]) -> None:
    """A documented status in the documented media type, never kept by a cache."""
    assert reply.status in statuses, reply
    media = "application/json" if reply.status == 200 else "application/problem+json"
    assert reply.headers["content-type"] == media
    assert reply.headers["cache-control"] == "no-store"
    assert reply.status == 200 or reply.json["status"] == reply.status
    assert reply.status != 200 or reply.json["allowed"] is (reply.json["code"] == "OK")


def test_no_body_gets_an_allow_that_its_key_does_not_deserve(
    wire: Wire, acme: Cast, kinds: Kinds
) -> None:
    head = (
        "POST /v1/keys/check HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {acme.gateway_token}\r\n"
    ).encode()
    asked = questions([*kinds.good.values()] * 3 + kinds.never)
    bodies = asked.map(lambda question: json.dumps(question).encode())
    doubled = st.builds(
        lambda twice, body: b"{" + twice + body[1:], st.sampled_from(MEMBERS), bodies
    )
    met: Counter[str] = Counter()

    @effort(10 * EXAMPLES)
    @given(body=st.one_of(edited(bodies, PIECES), bodies, doubled, st.binary(max_size=300)))
    def in_form(body: bytes) -> None:
        reply = wire.ask(head, body)
        if reply.json["code"] == "TOO_MANY_REQUESTS":  # dry runs, 50 a second
            assert b"dry_run" in body
            return
        assert_in_form(reply, {200, 400})
        met[reply.json["code"]] += 1
        question = read(body)
        due = deserves(kinds, question)
        assert due or not reply.json.get("allowed")
        if due and reply.status == 200 and question["key"] == kinds.good["any"]:
            assert reply.json["allowed"], "what is due is not refused either"

    in_form()
    print(dict(met))
    assert met["OK"] > EXAMPLES / 2
    assert met["SCOPE_MISSING"] > EXAMPLES / 10


NAMES = [
    "Authorization", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Host",
    "Expect", "Upgrade", "X-Real-IP", "X-Forwarded-For", "X-Countersign-Gateway", "Cookie", "",
]  # fmt: skip
VALUES = [
    b"Bearer ", b"application/json", b"text/plain", b"0", b"5", b"chunked", b"close", b"upgrade",
    b"100-continue", b"h2c", b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b":", b"\xff",
    b"x" * 40_000,
]  # fmt: skip


def test_no_header_gets_an_allow_either(checker: CheckServer, acme: Cast, kinds: Kinds) -> None:
    """Beside a question that is not granted, or without a credential that may ask it."""
    refused = json.dumps({"key": kinds.good["limited"], "scopes": ["models:read"]}).encode()
    granted = json.dumps({"key": kinds.good["any"]}).encode()
    values = edited(st.sampled_from(VALUES), VALUES)
    lines = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=4)
    asked = st.one_of(
        st.tuples(st.just(acme.gateway_token), st.just(refused)),
        st.tuples(st.sampled_from([acme.token, kinds.good["any"], "csg_live_x"]), st.just(granted)),
    )
    met: Counter[int] = Counter()

    @effort()
    @given(asked=asked, lines=lines)
    def closed(asked: tuple[str, bytes], lines: list[tuple[str, bytes]]) -> None:
        token, body = asked
        told = [b"%s: %s" % (name.encode(), value) for name, value in lines]
        head = b"\r\n".join(
            [
                b"POST /v1/keys/check HTTP/1.1", b"Connection: close", b"Host: x",
                b"Content-Type: application/json", b"Authorization: Bearer " + token.encode(),
                b"Content-Length: %d" % len(body), *told, b"", b"",
            ]
        )  # fmt: skip
        for reply in talk(checker.port, head + body, wait=0.1):
            if reply.status == 100:
                continue
            assert_in_form(reply, {200, 400, 401, 404, 405, 415, 431})
            assert not reply.json.get("allowed"), (head, reply)
            met[reply.status] += 1

    closed()
    print(dict(met))
    assert min(met[200], met[401]) > EXAMPLES / 50
