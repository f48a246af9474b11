"""What is allowed reaches the upstream whole, and its answers reach the client untouched."""

import json
import os

import openai
import pytest

from tests.gateways.conftest import CHAT, Edge, bearer, limit
from tests.gateways.servers import OWN_ERRORS

CHATS = "/v1/chat/completions"


@pytest.mark.parametrize("path", OWN_ERRORS)
def test_the_upstreams_own_errors_are_left_alone(edge: Edge, path: str) -> None:
    status, body = OWN_ERRORS[path]
    reply = edge.send("GET", path, bearer(edge.key()))
    assert reply.status == status
    assert json.loads(reply.content) == body
    assert reply.values("X-Should-Retry") == reply.values("Retry-After") == []


def test_the_client_raises_them_as_it_would_without_us(edge: Edge) -> None:
    client = edge.client(edge.key())
    with pytest.raises(openai.PermissionDeniedError) as denied:
        client.models.retrieve("own-403")
    assert denied.value.code == "own_403"
    with pytest.raises(openai.InternalServerError) as failed:
        client.models.retrieve("own-500")
    assert failed.value.code == "own_500"


def test_the_upstream_does_not_steer_nginx(edge: Edge) -> None:
    path = "/v1/models/steering"
    assert json.loads(edge.send("GET", path, bearer(edge.key())).content)["id"] == "small-1"
    assert [seen.target for seen in edge.upstream.received] == [path]


def test_the_upstreams_rate_limit_headers_do_not_mix_with_the_keys(edge: Edge) -> None:
    reply = edge.models(edge.key(limits=[limit(9, "day", "calendar")]))
    assert (reply.value("RateLimit") or "").startswith('"day";r=8;')
    assert edge.models(edge.key()).values("RateLimit") == []


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND", "FOO"])
def test_the_original_method_is_what_is_judged(edge: Edge, method: str) -> None:
    reply = edge.send(method, "/v1/models", bearer(edge.key()))
    assert reply.status == 403
    if method != "HEAD":
        assert reply.error["code"] == "ROUTE_UNKNOWN"
    assert edge.asked().method == "GET"
    assert edge.asked().value("X-Original-Method") == method
    assert edge.upstream.received == []


def test_a_preflight_without_a_key_is_refused_too(edge: Edge) -> None:
    reply = edge.send("OPTIONS", CHATS, ("Origin", "https://page.example"))
    assert (reply.status, reply.error["code"]) == (401, "KEY_MISSING")
    assert reply.value("WWW-Authenticate") == 'Bearer realm="countersign"'


def test_a_big_body_reaches_the_upstream_and_never_the_checker(edge: Edge) -> None:
    body = json.dumps({**CHAT, "padding": os.urandom(4_000_000).hex()}).encode()
    assert edge.send("POST", CHATS, bearer(edge.key()), body=body).status == 200
    assert edge.passed().body == body
    asked = edge.asked()
    assert asked.body == b""
    assert asked.values("Content-Length") == asked.values("Transfer-Encoding") == []


def test_a_chunked_body_does_too(edge: Edge) -> None:
    body = json.dumps(CHAT).encode()
    request = (
        f"POST {CHATS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {edge.key()}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    reply = edge.raw(request + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert reply.status == 200
    assert edge.passed().body == body
    asked = edge.asked()
    assert asked.body == b""
    assert asked.values("Content-Length") == asked.values("Transfer-Encoding") == []


def test_a_refused_body_is_not_passed_on(edge: Edge) -> None:
    reply = edge.send("POST", CHATS, bearer("csk_live_x"), body=b"x" * 2_000_000)
    assert (reply.status, reply.error["code"]) == (401, "KEY_MALFORMED")
    assert edge.upstream.received == []


def test_a_megabyte_of_headers_is_the_clients_400(edge: Edge) -> None:
    headers = [(f"X-Long-{n}", "a" * 4000) for n in range(256)]
    assert edge.models(edge.key(), *headers).status == 400
    assert edge.spy.received == []


def test_the_longest_headers_that_nginx_takes_do_not_choke_the_checker(edge: Edge) -> None:
    key, statuses = edge.key(), set()
    for count in (2, 3, 4, 5, 7):
        for size in (4000, 8000):
            headers = [(f"X-Long-{n}", "a" * size) for n in range(count)]
            for target in ("/v1/models", "/v1/models?" + "a" * size):
                statuses.add(edge.send("GET", target, bearer(key), *headers).status)
    assert statuses == {200, 400}


def test_connections_to_the_checker_are_kept(edge: Edge) -> None:
    key = edge.key()
    edge.models(key)
    before = edge.spy.connections
    for _ in range(10):
        assert edge.models(key).status == 200
    assert edge.spy.connections == before
