"""Who may ask: a gateway's credential, its addresses, and what it is bound to."""

import json
import subprocess
import sys
from typing import Any

import pytest
import redis

from keys.issuing import Issued
from portal.core import tokens
from portal.core.ids import base62
from portal.core.names import name
from portal.tenancy.apis import create_api, grant_api
from portal.tenancy.gateways import create_gateway, disable_gateway
from tests.cast import OPERATOR, ROUTES, SCOPES, Cast
from tests.core.test_http_protocol import Reply, talk
from tests.plugin import ROOT
from tests.processes import CheckServer

Codes = tuple[int, str]


def make_gateway(cast: Cast, **change: Any) -> str:
    """Another gateway of Acme's Api."""
    definition = {
        "name": "other", "api_id": cast.api.id, "tenant_ids": [cast.tenant.id],
        "environments": ["live", "test"], **change,
    }  # fmt: skip
    return create_gateway(actor=OPERATOR, **definition).secret.reveal()


def send(server: CheckServer, key: str, *headers: str) -> Reply:
    """A check with these very headers."""
    body = json.dumps({"key": key}).encode()
    lines = ["POST /v1/keys/check HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    (reply,) = talk(server.port, "\r\n".join(lines).encode("latin-1") + body)
    return reply


def asked(server: CheckServer, gateway: str, key: Issued) -> Codes:
    """Status and code."""
    reply = send(server, key.secret.reveal(), f"Authorization: Bearer {gateway}")
    return reply.status, reply.json["code"]


def with_other_secret(text: str) -> str:
    forged = text[:22] + base62(43)
    return forged + tokens.checksum(forged)


UNAUTHORIZED = (401, "CREDENTIAL_INVALID")
UNKNOWN = (200, "KEY_UNKNOWN")


def wrong_credentials(cast: Cast, key: Issued) -> dict[str, list[str]]:
    right = cast.gateway_token
    bearer = [
        "", "x", right[:-1], right + "x", right.upper(), with_other_secret(right),
        tokens.mint(tokens.GATEWAY, "live").secret.reveal(), key.secret.reveal(), cast.token,
        f"{right} {right}", f'"{right}"',
    ]  # fmt: skip
    return {
        f"bearer {place}": [f"Authorization: Bearer {text}"] for place, text in enumerate(bearer)
    }


def other_headers(right: str) -> dict[str, list[str]]:
    return {
        "none": [], "two": [f"Authorization: Bearer {right}"] * 2,
        "two, one empty": [f"Authorization: Bearer {right}", "Authorization:"],
        "another scheme": [f"Authorization: Basic {right}"],
        "no scheme": [f"Authorization: {right}"],
        "a list": [f"Authorization: Bearer {right}, Bearer {right}"],
        "aliases": [f"Authorization_: Bearer {right}", f"Proxy-Authorization: Bearer {right}"],
        "the dialects' header": [f"X-Countersign-Gateway: {right}"],
    }  # fmt: skip


def test_every_wrong_credential_gets_one_answer(
    acme: Cast, checker: CheckServer, store: "redis.Redis"
) -> None:
    key = acme.issue()
    assert asked(checker, acme.gateway_token, key) == (200, "OK")
    logged = store.get(name("log:decisions"))
    cases = {**wrong_credentials(acme, key), **other_headers(acme.gateway_token)}
    bodies = set()
    for case, headers in cases.items():
        reply = send(checker, key.secret.reveal(), *headers)
        assert (reply.status, reply.json["code"]) == UNAUTHORIZED, case
        assert reply.headers["www-authenticate"].startswith("bearer realm=")
        bodies.add(reply.body)
    assert len(bodies) == 1
    assert store.get(name("log:decisions")) == logged


@pytest.mark.parametrize("kind", ["csk", "csg", "csm"])
def test_a_key_can_not_ask_about_itself_in_place_of_a_gateway(
    acme: Cast, checker: CheckServer, kind: str
) -> None:
    key = acme.issue()
    credential = {"csk": key.secret.reveal(), "csg": acme.gateway_token, "csm": acme.token}[kind]
    about = {"csk": UNAUTHORIZED, "csg": (200, "KEY_MALFORMED"), "csm": UNAUTHORIZED}[kind]
    reply = send(checker, acme.gateway_token, f"Authorization: Bearer {credential}")
    assert (reply.status, reply.json["code"]) == about


def test_the_scheme_is_read_without_regard_to_case(acme: Cast, checker: CheckServer) -> None:
    for scheme in ("bearer", "BEARER", "Bearer  "):
        reply = send(
            checker, acme.issue().secret.reveal(), f"Authorization: {scheme} {acme.gateway_token}"
        )
        assert reply.json["code"] == "OK"


@pytest.mark.parametrize(
    ("cidrs", "answer"),
    [
        (["127.0.0.1/32"], (200, "OK")), (["10.0.0.0/8", "127.0.0.0/8"], (200, "OK")),
        (["10.0.0.0/8"], UNAUTHORIZED), (["::1/128"], UNAUTHORIZED),
        (["127.0.0.2/32"], UNAUTHORIZED),
    ],
)  # fmt: skip
def test_its_addresses_are_those_of_the_connection(
    acme: Cast, checker: CheckServer, cidrs: list[str], answer: Codes
) -> None:
    gateway, key = make_gateway(acme, allowed_cidrs=cidrs), acme.issue()
    claimed = [f"{header}: 10.0.0.1" for header in ("X-Forwarded-For", "X-Real-IP", "Client-IP")]
    claimed.append('Forwarded: for="10.0.0.1"')
    for headers in ([], claimed):
        reply = send(checker, key.secret.reveal(), f"Authorization: Bearer {gateway}", *headers)
        assert (reply.status, reply.json["code"]) == answer


def test_another_tenants_key_is_unknown_to_it(
    acme: Cast, globex: Cast, checker: CheckServer
) -> None:
    assert asked(checker, globex.gateway_token, acme.issue()) == UNKNOWN
    assert asked(checker, acme.gateway_token, globex.issue()) == UNKNOWN
    # Also when it is for the very Api that the gateway guards.
    grant_api(actor=OPERATOR, tenant_id=globex.tenant.id, api_id=acme.api.id)
    key = globex.issue(api=acme.api.slug)
    assert asked(checker, acme.gateway_token, key) == UNKNOWN
    bound = make_gateway(acme, tenant_ids=[acme.tenant.id, globex.tenant.id])
    assert asked(checker, bound, key) == (200, "OK")


def test_so_is_a_key_for_another_api_of_the_same_tenant(acme: Cast, checker: CheckServer) -> None:
    api = create_api(
        actor=OPERATOR,
        slug=f"other-{base62(6).lower()}",
        name="Other",
        scopes=SCOPES,
        routes=ROUTES,
    )
    key = acme.issue()
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=api.id)
    other = make_gateway(acme, api_id=api.id)
    assert asked(checker, acme.gateway_token, key) == (200, "OK")
    assert asked(checker, other, key) == UNKNOWN
    assert asked(checker, acme.gateway_token, acme.issue(api=api.slug)) == UNKNOWN


@pytest.mark.parametrize("environment", ["live", "test"])
def test_so_is_a_key_of_another_environment(
    acme: Cast, checker: CheckServer, environment: str
) -> None:
    gateway = make_gateway(acme, environments=[environment])
    other = "test" if environment == "live" else "live"
    assert asked(checker, gateway, acme.issue(environment=environment)) == (200, "OK")
    assert asked(checker, gateway, acme.issue(environment=other)) == UNKNOWN


def test_a_foreign_key_is_answered_exactly_as_a_random_one(
    acme: Cast, globex: Cast, checker: CheckServer
) -> None:
    bearer = f"Authorization: Bearer {acme.gateway_token}"
    nobodys = tokens.mint("csk", "live").secret.reveal()
    foreign, own = globex.issue(), acme.issue()
    told = [
        send(checker, text, bearer)
        for text in (nobodys, foreign.secret.reveal(), with_other_secret(own.secret.reveal()))
    ]
    assert len({reply.body for reply in told}) == 1
    assert told[0].json == {
        "allowed": False, "code": "KEY_UNKNOWN", "decision_id": None, "key": None, "limits": [],
        "consent": None, "obligations": {}, "retry_after": None,
    }  # fmt: skip


def test_a_disabled_one_is_refused_as_a_wrong_one_and_another_goes_on(
    acme: Cast, checker: CheckServer
) -> None:
    key, other = acme.issue(), make_gateway(acme)
    assert asked(checker, acme.gateway_token, key) == (200, "OK")
    disable_gateway(actor=OPERATOR, gateway_id=acme.gateway.id, reason="stolen")
    assert asked(checker, acme.gateway_token, key) == UNAUTHORIZED
    assert asked(checker, other, key) == (200, "OK")


def test_a_fault_of_the_body_is_told_to_a_proven_gateway_only(
    acme: Cast, checker: CheckServer
) -> None:
    for credential, status in (
        (acme.gateway_token, 400),
        (with_other_secret(acme.gateway_token), 401),
    ):
        headers = {"Authorization": f"Bearer {credential}", "Content-Type": "application/json"}
        answered, _, _ = checker.call("POST", "/v1/keys/check", headers=headers, body=b"{")
        assert answered == status


def test_the_check_role_imports_neither_admin_nor_drf_nor_django_itself() -> None:
    program = """
import asyncio, json, sys
from portal.serve import application
async def main():
    (app, _), sent = application("check"), []
    steps = iter(["startup", "shutdown"])
    async def receive():
        return {"type": "lifespan." + next(steps)}
    async def send(message):
        sent.append(message)
        if len(sent) == 1:
            await app(scope, body, send)
    async def body():
        return {"type": "http.request", "body": b"{}"}
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/keys/check", "headers": headers,
             "query_string": b"", "client": None}
    await app({"type": "lifespan"}, receive, send)
    assert sent[1]["status"] == 401, sent
asyncio.run(main())
print(json.dumps(sorted(sys.modules)))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True
    )  # fmt: skip
    modules: set[str] = set(json.loads(ended.stdout.splitlines()[-1]))
    assert "keys.decision.decider" in modules
    packages = {module.partition(".")[0] for module in modules}
    assert packages & {"django", "rest_framework", "celery", "audit", "consent"} == set()
    assert {
        m for m in modules if m.startswith(("portal.tenancy", "keys.models", "keys.api"))
    } == set()
