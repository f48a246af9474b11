"""/v1/authorize/nginx, header bytes in: 200, 401 or 403, every header, no allow undeserved."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cast import Cast, make_cast
from tests.fuzz.effort import EXAMPLES, effort
from tests.fuzz.kinds import NEEDS, Kinds, deserves, issue_kinds
from tests.fuzz.wire import Reply, edited, talk
from tests.gateways.test_nginx_dialect import DOCUMENTED
from tests.processes import CheckServer

HEAD = b"GET /v1/authorize/nginx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
KEYS = [b"x-api-key", b"api-key", b"x-goog-api-key", b"authorization"]
OTHERS = [
    b"X-Forwarded-Uri: /v1/models", b"X-Forwarded-Method: GET", b"X-Original-URL: /v1/models",
    b"X_Original_URI: /v1/models", b"X-Original-Uri : /v1/models", b"X-Countersign-Subject: a",
    b"X-Countersign-Purpose: b", b"X-Countersign-Code: OK", b"Sec-GPC: 1", b"Expect: 100-continue",
    b"X-Original-Method: GET", b"X-Original-URI: /v1/models", b"X-Real-IP: 203.0.113.9",
]  # fmt: skip
PIECES = [
    b"%2f", b"%5C", b"%00", b"//", b"/..", b"/.", b";", b"\\", b"?", b"#", b"%", b"%25", b"\0",
    b"*",    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\xff", b"\xc3\xa9", b" ", b"\t", b",", b":", b"http://x",
]  # fmt: skip
Lines = list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def acme() -> Cast:
    return make_cast("acme", owner="Ada")


@pytest.fixture(scope="module")
def kinds(acme: Cast) -> Kinds:
    return issue_kinds(acme, make_cast("globex", owner="Cy"))


def requests_of(acme: Cast, kinds: Kinds) -> st.SearchStrategy[bytes]:
    """Heads that nginx may send, edited here and there, with lines that it does not send."""
    good = [text.encode() for text in kinds.good.values()]
    never = [text.encode() for text in kinds.never]
    key = st.sampled_from([*good * 3, *never])
    keys = st.lists(st.tuples(st.sampled_from(KEYS), key), min_size=1, max_size=2)
    route = st.sampled_from([(m.encode(), path.encode()) for m, path in NEEDS] * 2 + [(b"", b"")])
    query = st.sampled_from([b"", b"?a=b", b"?/v1/files"])
    address = st.sampled_from([b"203.0.113.9", b"", b"2001:db8::1", b"10.0.0.1"])
    gateways = [acme.gateway_token.encode()] * 8 + [acme.token.encode(), b"csg_live_x", b""]

    def lines(
        gateway: bytes, route: tuple[bytes, bytes], query: bytes, ip: bytes, keys: Lines
    ) -> Lines:
        return [
            (b"X-Countersign-Gateway", gateway), (b"X-Original-Method", route[0]),
            (b"X-Original-URI", route[1] + query), (b"X-Real-IP", ip),
            *((name, b"Bearer " * (name == b"authorization") + value) for name, value in keys),
        ]  # fmt: skip

    told = st.builds(lines, st.sampled_from(gateways), route, query, address, keys)
    head = told.map(lambda told: b"".join(b"%s: %s\r\n" % line for line in told))
    more = st.lists(st.sampled_from(OTHERS), max_size=1)
    added = st.builds(lambda head, more: head + b"".join(b"%s\r\n" % x for x in more), head, more)
    return st.one_of(head, added, edited(added, PIECES))


def understood(head: bytes) -> dict[bytes, list[str]]:
    """The headers up to the first empty line, as generously as anybody may read them."""
    found: dict[bytes, list[str]] = {}
    for line in re.split(b"\r\n|\r|\n", head.partition(b"\r\n\r\n")[0]):
        name, _, value = line.partition(b":")
        found.setdefault(name.strip().lower(), []).append(value.decode("latin-1").strip(" \t"))
    return found


def deserved(found: dict[bytes, list[str]], acme: Cast, kinds: Kinds) -> bool:
    """Whether these headers may get an allow."""
    keys = {
        re.sub("(?i)^bearer *", "", value) for name in KEYS for value in found.get(name, [])
    } - {""}
    names = [b"x-countersign-gateway", b"x-original-method", b"x-original-uri", b"x-real-ip"]
    once = [found.get(name) or [""] for name in names]
    if len(keys) != 1 or any(len(values) > 1 for values in once):
        return False
    gateway, method, uri, ip = (values[0] for values in once)
    asked = {"key": keys.pop(), "request": {"method": method, "path": uri, "ip": ip or None}}
    return gateway == acme.gateway_token and deserves(kinds, asked)


def assert_in_form(reply: Reply) -> None:
    """What nginx understands, with every documented header; or what is not HTTP, as a problem."""
    if reply.status in (400, 431):
        assert reply.headers["content-type"] == "application/problem+json"
        return
    assert reply.status in (200, 401, 403), reply
    assert set(DOCUMENTED) <= set(reply.headers)
    assert reply.body == b""
    assert reply.headers["cache-control"] == "no-store"
    assert (reply.headers["x-countersign-status"] == "200") is (reply.status == 200)
    assert (reply.headers["x-countersign-code"] == "ok") is (reply.status == 200)


def test_no_header_gets_an_allow_that_its_key_does_not_deserve(
    checker: CheckServer, acme: Cast, kinds: Kinds
) -> None:
    met: Counter[str] = Counter()

    @effort(10 * EXAMPLES)
    @given(head=requests_of(acme, kinds))
    def in_form(head: bytes) -> None:
        told = talk(checker.port, HEAD + head + b"\r\n", wait=0.1)
        assert len(told) <= 1, (head, told)
        for reply in told:
            assert_in_form(reply)
            met[reply.headers.get("x-countersign-code", "not http")] += 1
            due = deserved(understood(head), acme, kinds)
            assert due or reply.status != 200, (head, reply)

    in_form()
    print(dict(met))
    assert met["ok"] > EXAMPLES / 4
    assert met["scope_missing"] > EXAMPLES / 10
    assert met["route_unknown"] > EXAMPLES / 10
