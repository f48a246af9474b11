"""/v1/authorize/nginx, asked directly."""

from typing import Any

import pytest

from portal.tenancy.gateways import change_gateway, create_gateway, disable_gateway
from tests.cast import OPERATOR, Cast
from tests.gateways.conftest import limit
from tests.processes import CheckServer

PATH = "/v1/authorize/nginx"
DOCUMENTED = [
    "x-countersign-decision", "x-countersign-code", "x-countersign-status", "x-countersign-key",
    "x-countersign-tenant", "x-countersign-assertion", "ratelimit", "ratelimit-policy",
    "retry-after",
]  # fmt: skip
Told = tuple[int, dict[str, str]]


class Door:
    """Asks as nginx would; a header given as None is left out."""

    def __init__(self, cast: Cast, checker: CheckServer) -> None:
        self.cast, self.checker = cast, checker

    def ask(self, key: str | None, using: str = "GET", /, **more: str | None) -> Told:
        headers: dict[str, str | None] = {
            "X-Countersign-Gateway": self.cast.gateway_token,
            "X-Original-Method": "GET", "X-Original-URI": "/v1/models", "X-Real-IP": "203.0.113.9",
            "Authorization": None if key is None else f"Bearer {key}",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }  # fmt: skip
        given = {name: value for name, value in headers.items() if value is not None}
        status, sent, body = self.checker.call(using, PATH, headers=given)
        assert body == b""
        assert set(DOCUMENTED) <= set(sent), "a header that is missing lets the client's own pass"
        assert sent["cache-control"] == "no-store"
        return status, sent

    def told(self, key: str | None, **more: str | None) -> tuple[int, str, str]:
        """Status, code and the status that is meant."""
        status, sent = self.ask(key, **more)
        return status, sent["x-countersign-code"], sent["x-countersign-status"]


@pytest.fixture
def door(acme: Cast, checker: CheckServer) -> Door:
    return Door(acme, checker)


def key_of(door: Door, *scopes: str, **body: Any) -> str:
    return door.cast.issue(scopes=list(scopes) or ["models:read"], **body).secret.reveal()


def test_an_allow_names_the_key_the_tenant_and_the_decision(door: Door) -> None:
    issued = door.cast.issue(scopes=["models:read"], limits=[limit(5, "hour", "calendar")])
    status, sent = door.ask(issued.secret.reveal())
    assert (status, sent["x-countersign-code"], sent["x-countersign-status"]) == (200, "OK", "200")
    assert sent["x-countersign-key"] == issued.key.id
    assert sent["x-countersign-tenant"] == door.cast.tenant.slug
    assert len(sent["x-countersign-decision"]) == 36
    assert sent["ratelimit-policy"] == '"hour";q=5;w=3600'
    assert sent["ratelimit"].startswith('"hour";r=4;t=')
    assert sent["retry-after"] == sent["x-countersign-assertion"] == ""


def test_refusals_of_an_unproved_key_name_nothing(door: Door) -> None:
    for key in (None, "csk_live_x", key_of(door)[:-1] + "!"):
        status, sent = door.ask(key)
        assert status == 401
        empty = set(DOCUMENTED) - {"x-countersign-code", "x-countersign-status"}
        assert {sent[name] for name in empty} == {""}


def test_a_missing_key_is_challenged_without_an_error(door: Door) -> None:
    assert door.ask(None)[1]["www-authenticate"] == 'Bearer realm="countersign"'
    assert 'error="invalid_token"' in door.ask("csk_live_x")[1]["www-authenticate"]
    assert door.told("") == (401, "KEY_MISSING", "401")
    assert door.told(None, Authorization="Basic YTpi") == (401, "KEY_MALFORMED", "401")


def test_a_429_is_a_403_that_says_so(door: Door) -> None:
    key = key_of(door, limits=[limit(1, "hour", "calendar")])
    door.ask(key)
    status, sent = door.ask(key)
    assert (status, sent["x-countersign-status"]) == (403, "429")
    assert sent["x-countersign-code"] == "QUOTA_EXCEEDED"
    assert 0 < int(sent["retry-after"]) <= 3600
    assert sent["x-countersign-decision"]


def test_a_refusal_that_is_no_limits_has_no_retry_after(door: Door) -> None:
    key = key_of(door, "chat:write", limits=[limit(1, "hour", "calendar")])
    status, sent = door.ask(key)
    assert (status, sent["x-countersign-code"]) == (403, "SCOPE_MISSING")
    assert sent["retry-after"] == ""
    assert sent["ratelimit"].startswith('"hour";r=1;'), "a refusal spends nothing"


@pytest.mark.parametrize("using", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_any_method_may_ask(door: Door, using: str) -> None:
    assert door.ask(key_of(door), using)[0] == 200


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("name", ["X-Original-Method", "X-Original-URI"])
def test_an_original_method_or_uri_that_is_missing_is_no_route(
    door: Door, name: str, value: str | None
) -> None:
    assert door.told(key_of(door), **{name: value}) == (403, "ROUTE_UNKNOWN", "403")


@pytest.mark.parametrize(
    "uri",
    ["//v1/models", "/v1/models/..", "/v1/models%2Fx", "/v1/models/%5c", "/v1/models/%00",
     "/v1/models;x", "v1/models", "http://x/v1/models", "/v1/models/\\", "/v1/models/%2E", "?", "*",
     "/v1/models#x"],
)  # fmt: skip
def test_a_path_that_may_be_read_differently_is_no_route(door: Door, uri: str) -> None:
    assert door.told(key_of(door), X_Original_URI=uri) == (403, "ROUTE_UNKNOWN", "403")


def test_only_nginx_own_headers_are_read(door: Door) -> None:
    others = {
        "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/v1/models",
        "X-Original-URL": "/v1/models", "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "x", "Forwarded": "for=203.0.113.9",
    }  # fmt: skip
    key = key_of(door, allowed_cidrs=["203.0.113.0/24"])
    assert door.told(key, **others) == (200, "OK", "200")
    hidden: dict[str, str | None] = {**others, "X-Original-URI": None}
    assert door.told(key, **hidden) == (403, "ROUTE_UNKNOWN", "403")
    assert door.told(key, **others, X_Real_IP=None) == (403, "IP_NOT_ALLOWED", "403")
    assert door.told(key, **others, X_Real_IP="198.51.100.1") == (403, "IP_NOT_ALLOWED", "403")


@pytest.mark.parametrize(
    "address", ["1.2.3", "unix:", "203.0.113.9, 10.0.0.1", "fe80::1%eth0", "x"]
)
def test_what_is_no_address_is_malformed(door: Door, address: str) -> None:
    assert door.told(key_of(door), X_Real_IP=address) == (403, "REQUEST_INVALID", "400")


@pytest.mark.parametrize("name", ["X-Original-URI", "X-Original-Method", "X-Real-IP"])
def test_a_header_given_twice_is_malformed(door: Door, name: str) -> None:
    connection = door.checker.connect()
    connection.putrequest("GET", PATH)
    for given, value in {
        "X-Countersign-Gateway": door.cast.gateway_token, "Authorization": f"Bearer {key_of(door)}",
        "X-Original-Method": "GET", "X-Original-URI": "/v1/models", "X-Real-IP": "203.0.113.9",
    }.items():  # fmt: skip
        connection.putheader(given, value)
        if given == name:
            connection.putheader(given, value)
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    assert (response.status, response.headers["X-Countersign-Status"]) == (403, "400")


def test_a_wrong_gateway_is_one_answer_whatever_is_wrong(door: Door, globex: Cast) -> None:
    disabled = create_gateway(
        actor=OPERATOR, name="old", api_id=door.cast.api.id, tenant_ids=[door.cast.tenant.id],
        environments=["live"],
    )  # fmt: skip
    disable_gateway(actor=OPERATOR, gateway_id=disabled.gateway.id, reason="old")
    elsewhere = create_gateway(
        actor=OPERATOR, name="far", api_id=door.cast.api.id, tenant_ids=[door.cast.tenant.id],
        environments=["live"], allowed_cidrs=["198.51.100.0/24"],
    )  # fmt: skip
    key, answers = key_of(door), []
    for credential in (
        None, "", "x", key, door.cast.token, disabled.secret.reveal(), elsewhere.secret.reveal(),
    ):  # fmt: skip
        status, sent = door.ask(key, X_Countersign_Gateway=credential)
        answers.append(
            (status, {n: v for n, v in sent.items() if n not in ("x-request-id", "date")})
        )
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 401
    assert answers[0][1]["x-countersign-code"] == "CREDENTIAL_INVALID"
    # Another tenant's gateway is a gateway, and does not know the key.
    told = door.told(key, X_Countersign_Gateway=globex.gateway_token)
    assert told == (401, "KEY_UNKNOWN", "401")


def test_a_subject_that_the_gateway_does_not_declare_is_the_clients_and_not_read(
    door: Door,
) -> None:
    claimed = {"X-Countersign-Subject": "user-1", "X-Countersign-Purpose": "x" * 9999}
    assert door.told(key_of(door), **claimed) == (200, "OK", "200")


def test_a_declared_subject_counts(door: Door) -> None:
    change_gateway(
        actor=OPERATOR, gateway_id=door.cast.gateway.id,
        declared_headers=["X-Countersign-Subject", "X-Countersign-Purpose"],
    )  # fmt: skip
    key = key_of(door)
    both = {"X-Countersign-Subject": "user-1", "X-Countersign-Purpose": "billing"}
    # No purpose is known yet; a declared one that is empty is none.
    assert door.told(key, **both) == (403, "PURPOSE_UNKNOWN", "403")
    assert door.told(key, X_Countersign_Subject="", X_Countersign_Purpose="") == (200, "OK", "200")
    assert door.told(key, X_Countersign_Subject="user-1") == (403, "REQUEST_INVALID", "400")
    for subject in ("u" * 257, "\xff", "a\tb", "\u202euser".encode().decode("latin-1")):
        both["X-Countersign-Subject"] = subject
        assert door.told(key, **both) == (403, "REQUEST_INVALID", "400")
    both["X-Countersign-Subject"] = "müller".encode().decode("latin-1")
    assert door.told(key, **both)[1] == "PURPOSE_UNKNOWN"


def test_a_declaration_counts_from_the_very_next_request(door: Door) -> None:
    key, claimed = key_of(door), {"X-Countersign-Subject": "u", "X-Countersign-Purpose": "p"}
    assert door.told(key, **claimed)[1] == "OK"
    change_gateway(
        actor=OPERATOR, gateway_id=door.cast.gateway.id,
        declared_headers=["x-countersign-subject", "x-countersign-purpose"],
    )  # fmt: skip
    assert door.told(key, **claimed)[1] == "PURPOSE_UNKNOWN"
    change_gateway(actor=OPERATOR, gateway_id=door.cast.gateway.id, declared_headers=[])
    assert door.told(key, **claimed)[1] == "OK"
