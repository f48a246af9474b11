"""POST /v1/keys/check, from outside."""

import json

import pytest

from tests.cast import Cast
from tests.processes import CheckServer

CHAT = {"method": "POST", "path": "/v1/chat/completions", "ip": "203.0.113.9", "model": "gpt-4o"}


def test_a_key_with_the_routes_scope_is_allowed(acme: Cast, checker: CheckServer) -> None:
    issued = acme.issue(scopes=["chat:write"])
    answer = checker.check(acme.gateway_token, issued.secret.reveal(), request=CHAT)
    assert answer["allowed"] is True
    assert answer["code"] == "OK"
    assert answer["key"]["id"] == issued.key.id
    assert answer["key"]["tenant"] == acme.tenant.slug
    assert answer["limits"] == []
    assert answer["consent"] is None
    assert answer["obligations"] == {}
    assert answer["retry_after"] is None


def test_a_key_without_it_is_not(acme: Cast, checker: CheckServer) -> None:
    secret = acme.issue(scopes=["models:read"]).secret.reveal()
    assert checker.check(acme.gateway_token, secret, request=CHAT)["code"] == "SCOPE_MISSING"
    models = {**CHAT, "method": "GET", "path": "/v1/models"}
    assert checker.check(acme.gateway_token, secret, request=models)["code"] == "OK"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"key":"x","kye":1}', "/kye"),
        (b'{"key":7}', "/key"),
        (b'{"usage":{}}', "/key"),
        (b'{"key":"x","usage":{"requests":-1}}', "/usage"),
        (b'{"key":"x","usage":{"requests":1.5}}', "/usage"),
        (b'{"key":"x","usage":{"requests":1.0}}', "/usage"),
        (b'{"key":"x","usage":{"requests":1000000000001}}', "/usage"),
        (b'{"key":"x","usage":{"requests":true}}', "/usage"),
        (b'{"key":"x","usage":{"Requests":1}}', "/usage"),
        (b'{"key":"x","request":{"ip":"1.2.3"}}', "/request/ip"),
        (b'{"key":"x","request":{"ip":"fe80::1%eth0"}}', "/request/ip"),
        (b'{"key":"x","request":{"model":"a\\u0000b"}}', "/request/model"),
        (b'{"key":"x","subject":"\\u202euser","purpose":"p"}', "/subject"),
        (b'{"key":"x","subject":"user"}', "/purpose"),
        (b'{"key":"x","environment":"prod"}', "/environment"),
        (b'{"key":"x","scopes":"chat:write"}', "/scopes"),
        (b'{"key":"x","scopes":[1]}', "/scopes/0"),
        (b'{"key":"a","key":"b"}', ""),
        (b'{"key":"a","request":{"path":"/a","path":"/b"}}', ""),
        (b'{"key":"\\ud800"}', ""),
        (b"[]", ""),
        (b"{", ""),
        (b'{"key":"\xff"}', ""),
        (b'{"key":' + b"[" * 5000, "/key"),
    ],
)
def test_what_is_not_understood_is_a_400_that_names_the_member(
    acme: Cast, checker: CheckServer, body: bytes, pointer: str
) -> None:
    headers = {"Authorization": f"Bearer {acme.gateway_token}", "Content-Type": "application/json"}
    status, sent, content = checker.call("POST", "/v1/keys/check", headers=headers, body=body)
    problem = json.loads(content)
    assert status == 400
    assert sent["content-type"] == "application/problem+json"
    assert problem["code"] == "REQUEST_INVALID"
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
