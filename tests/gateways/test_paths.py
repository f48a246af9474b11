"""What reaches the upstream is, byte for byte, what was authorised, however it is read."""

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from tests.gateways.conftest import Edge, bearer

PLAIN = [
    "/v1/models",
    "/v1/models/small-1",
    "/v1/models?limit=2",
    "/v1/models/a%20b",
    "/v1/models/a.b",
]
TRICKS = [
    "//v1/models", "/v1//models", "/v1/models//small-1", "/v1/models/", "/v1/models//",
    "/./v1/models", "/v1/./models", "/v1/models/.", "/v1/models/..", "/v1/models/../files",
    "/v1/models/x/../../files", "/v1/models/%2e%2e/files", "/v1/models/%2E%2E/files",
    "/v1/models/.%2e/files", "/v1/models/%2e./files", "/v1/models/..%2ffiles",
    "/v1/models/..%2Ffiles", "/v1/models%2fsmall-1", "/v1/models/..%5cfiles",
    "/v1/models/..\\files", "/v1\\models", "/v1/models/..;/files", "/v1/models;/../files",
    "/v1/models/x;y=1", "/v1/models/small-1%00", "/v1/models/%00/../files", "/v1/models/x%2500",
    "/v1/models/%252e%252e/files", "/v1/models/..%252ffiles", "/v1/models/..%c0%affiles",
    "/v1/models/x%0d%0aX-Evil:1", "/v1/models/x%09", "/V1/MODELS", "/v1/Models", "/v1/models.",
    "/v1/models/x?/../../files", "/v1/models?/../files", "/v1/models%3f/../files", "/v1/models?a?b",
    "/v1/models#/../files", "/v1/models/x#/../../files", "/v1/models/x#", "/v1/models%23/../files",
    "/v1/models/x%2f..%2f..%2ffiles", "/v1/models/\x80\xff", "/v1/models/\xe2\x80\xae",
    "/_countersign", "//_countersign", "/v1/../_countersign", "/%5fcountersign", "/_countersign/",
    "/../v1/models", "/..%2fv1/models", "*", "v1/models", "", "?",
    "http://elsewhere.example/v1/models", "http://elsewhere.example/v1/files",
    "http://elsewhere.example", "http://elsewhere.example?/v1/models", "HTTP://x//v1/models",
    "http://elsewhere.example/v1/models/../files", "@elsewhere.example/v1/models",
    "/v1/models/http://elsewhere.example/", "/v1/models/\x7f", "/v1/models/a b", "/v1/models\t/x",
]  # fmt: skip


def readings(target: str) -> Iterator[str]:
    """The paths that some program might take from this target."""
    for cut in (target, target.partition("?")[0], target.partition("#")[0]):
        for text in (cut, unquote(cut, "latin-1"), unquote(cut, "utf-8")):
            for separated in (text, text.replace("\\", "/")):
                bare = separated.partition("?")[0]
                yield posixpath.normpath(bare)
                yield posixpath.normpath("/".join(p.partition(";")[0] for p in bare.split("/")))


@pytest.mark.parametrize("target", PLAIN)
def test_a_plain_path_reaches_the_upstream_as_it_was_sent(edge: Edge, target: str) -> None:
    assert edge.send("GET", target, bearer(edge.key())).status == 200
    assert edge.passed().target == target
    assert edge.asked().value("X-Original-URI") == target


@pytest.mark.parametrize("target", TRICKS)
def test_a_trick_never_reaches_another_path_than_was_authorised(edge: Edge, target: str) -> None:
    reply = edge.send("GET", target, bearer(edge.key()))
    if reply.status != 200:
        assert edge.upstream.received == []
        assert 400 <= reply.status < 500
        return
    passed = edge.passed()
    assert passed.target == edge.asked().value("X-Original-URI")
    if not target.lower().startswith("http:"):
        assert passed.target == target
    read = set(readings(passed.target))
    assert all(path.startswith("/v1/models") for path in read), read


def test_the_checks_own_location_is_not_there_from_outside(edge: Edge) -> None:
    assert edge.send("GET", "/_countersign", bearer(edge.key())).status == 404
    assert edge.spy.received == []


def test_a_refused_path_is_a_route_unknown(edge: Edge) -> None:
    reply = edge.send("GET", "/v1/models/..%2ffiles", bearer(edge.key()))
    assert (reply.status, reply.error["code"]) == (403, "ROUTE_UNKNOWN")


@pytest.mark.parametrize(
    "host", ["evil.example/?", "a b", "[::1", "x:y:z", "countersign", "..", "a,b", "\x00", "é"]
)
def test_the_host_header_decides_nothing(edge: Edge, host: str) -> None:
    key = edge.key("models:read")
    assert edge.send("GET", "/v1/files", bearer(key), host=host).status in (400, 403)
    assert edge.upstream.received == []
    allowed = edge.send("GET", "/v1/models", bearer(key), host=host)
    assert allowed.status in (200, 400)
    if allowed.status == 200:
        assert edge.passed().value("Host") == "countersign_upstream"
    assert {asked.value("Host") for asked in edge.spy.received} <= {"countersign"}
