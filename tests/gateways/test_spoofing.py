"""Nothing that a client says about itself changes the decision or reaches the upstream as true."""

import pytest

from tests.gateways.conftest import Edge, bearer

KEY_HEADERS = ["Authorization", "x-api-key", "api-key", "x-goog-api-key"]
IDENTITY = [
    "X-Countersign-Key", "X-Countersign-Tenant", "X-Countersign-Decision",
    "X-Countersign-Assertion", "X-Countersign-Subject", "X-Countersign-Purpose",
    "X-Countersign-Gateway", "X-Countersign-Code", "X-Countersign-Status", "X-Countersign-Scopes",
    "X-Original-URI", "X-Original-URL", "X-Original-Method", "X-Rewrite-URL", "X-Real-IP",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Uri",
    "X-Forwarded-Method", "X-Forwarded-Prefix", "X-Forwarded-User", "X-Forwarded-Port",
    "Forwarded", "X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "api-key",
]  # fmt: skip
ALIASES = [
    *[name.replace("-", "_") for name in IDENTITY if name.startswith("X-")],
    "X_Countersign-Key", "X.Countersign.Key", "X_Api_Key", "Authorization_", "X-Countersign-Key ",
]  # fmt: skip
SPOOFED = "spoofed"


def test_identity_headers_of_the_clients_reach_nobody(edge: Edge) -> None:
    names = [name for name in IDENTITY if name != "api-key"]
    assert edge.models(edge.key(), *[(name, SPOOFED) for name in names]).status == 200
    assert SPOOFED not in str(edge.passed().headers)
    asked = edge.asked()
    assert asked.value("X-Original-URI") == "/v1/models"
    assert asked.value("X-Original-Method") == "GET"
    assert asked.value("X-Real-IP") == "127.0.0.1"
    assert asked.value("X-Countersign-Gateway") == edge.cast.gateway_token
    assert asked.values("X-Countersign-Subject") == asked.values("X-Countersign-Purpose") == []


def test_cookies_are_the_upstreams_and_not_the_checkers(edge: Edge) -> None:
    assert edge.models(edge.key(), ("Cookie", "session=1")).status == 200
    assert edge.passed().value("Cookie") == "session=1"
    assert edge.asked().values("Cookie") == []


@pytest.mark.parametrize("name", ALIASES)
def test_aliases_with_underscores_and_dots_reach_nobody(edge: Edge, name: str) -> None:
    reply = edge.models(edge.key(), (name, SPOOFED))
    assert reply.status in (200, 400)
    assert SPOOFED not in str([seen.headers for seen in edge.upstream.received])
    assert SPOOFED not in str([seen.headers for seen in edge.spy.received])


def test_the_upstream_is_told_who_it_is_by_the_decision(edge: Edge) -> None:
    issued = edge.cast.issue(scopes=["models:read"])
    reply = edge.models(
        issued.secret.reveal(), ("X-Countersign-Tenant", "globex"),
        ("Connection", "X-Countersign-Tenant, X-Countersign-Key, X-Real-IP"),
    )  # fmt: skip
    assert reply.status == 200
    passed = edge.passed()
    assert passed.value("X-Countersign-Key") == issued.key.id
    assert passed.value("X-Countersign-Tenant") == edge.cast.tenant.slug
    assert passed.value("X-Countersign-Decision") == reply.value("X-Countersign-Decision")
    assert passed.value("X-Real-IP") == passed.value("X-Forwarded-For") == "127.0.0.1"


@pytest.mark.parametrize("name", KEY_HEADERS)
def test_the_key_is_taken_wherever_clients_put_it_and_ends_at_the_edge(
    edge: Edge, name: str
) -> None:
    key = edge.key()
    value = f"Bearer {key}" if name == "Authorization" else key
    assert edge.send("GET", "/v1/models", (name, value)).status == 200
    passed = edge.passed()
    assert key not in str(passed)
    assert passed.value("Authorization") == "Bearer sk-upstream"
    assert [passed.value(other) for other in KEY_HEADERS[1:]] == [None, None, None]


def test_a_claimed_address_does_not_open_an_address_list(edge: Edge) -> None:
    key = edge.key(allowed_cidrs=["203.0.113.0/24"])
    forged = [
        (n, "203.0.113.9") for n in ("X-Real-IP", "X-Forwarded-For", "X_Real_IP", "X-Client-IP")
    ]
    reply = edge.models(key, *forged, ("Forwarded", "for=203.0.113.9"))
    assert (reply.status, reply.error["code"]) == (403, "IP_NOT_ALLOWED")


@pytest.mark.parametrize(
    "forged",
    [
        [("X-Original-URI", "/v1/models"), ("X-Original-Method", "GET")],
        [("X_Original_URI", "/v1/models"), ("X_Original_Method", "GET")],
        [("X-Forwarded-Uri", "/v1/models"), ("X-Forwarded-Method", "GET")],
        [("X-Original-URL", "/v1/models"), ("X-Rewrite-URL", "/v1/models")],
        [("X-HTTP-Method-Override", "GET")],
    ],
)
def test_a_claimed_path_or_method_does_not_open_a_route(
    edge: Edge, forged: list[tuple[str, str]]
) -> None:
    reply = edge.send("POST", "/v1/chat/completions", bearer(edge.key("models:read")), *forged)
    assert (reply.status, reply.error["code"]) == (403, "SCOPE_MISSING")


@pytest.mark.parametrize("first", KEY_HEADERS)
@pytest.mark.parametrize("second", KEY_HEADERS)
def test_two_different_keys_are_refused(edge: Edge, first: str, second: str) -> None:
    sent = []
    for name in (first, second):
        key = edge.key()
        sent.append((name, f"Bearer {key}" if name == "Authorization" else key))
    reply = edge.send("GET", "/v1/models", *sent)
    # Two Authorization headers nginx refuses itself.
    assert reply.status == (400 if first == second == "Authorization" else 401)
    if reply.status == 401:
        assert reply.error["code"] == "KEY_MALFORMED"
    assert edge.upstream.received == []


def test_one_key_in_two_places_is_one_key(edge: Edge) -> None:
    key = edge.key()
    assert edge.models(key, ("x-api-key", key)).status == 200


def test_a_key_in_the_query_string_is_refused_and_not_logged(edge: Edge) -> None:
    key = edge.key()
    for more in ([], [bearer(key)]):
        reply = edge.send("GET", f"/v1/models?key={key}", *more)
        assert (reply.status, reply.error["code"]) == (400, "REQUEST_INVALID")
        assert reply.value("X-Should-Retry") == "false"
    assert edge.upstream.received == []
    assert key not in edge.nginx.access_log(" 400 code=REQUEST_INVALID ")
