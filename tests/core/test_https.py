"""HTTPS: sessions and credentials over it alone, by TLS of our own or by a proxy in front."""

import datetime as dt
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.ledger.reading import entries, payload_of
from audit.ledger.sentences import sentence
from keys.exposing import record_exposed
from portal.tenancy.gateways import create_gateway
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.pages.browser import Browser, staff
from tests.plugin import ROOT
from tests.processes import CheckServer, Whole

SAFE = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of our own for 127.0.0.1, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(moment - dt.timedelta(1)).not_valid_after(moment + dt.timedelta(1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return chain, secret


@pytest.fixture(scope="module")
def strict() -> Iterator[CheckServer]:
    """A portal that wants HTTPS and was told of no proxy."""
    server = CheckServer("all", SECURE="1")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def behind() -> Iterator[CheckServer]:
    """The same behind a proxy on this machine."""
    server = CheckServer("all", SECURE="1", TRUSTED_PROXIES="127.0.0.1/32")
    yield server
    server.stop()


def ask(
    server: CheckServer, gateway: str, key: str, path: str = "/v1/keys/check", **headers: str
) -> tuple[int, str]:
    """Status and code of a check."""
    told = {"Authorization": f"Bearer {gateway}", "Content-Type": "application/json"}
    sent = {**told, **{name.replace("_", "-"): value for name, value in headers.items()}}
    status, _, body = server.call(
        "POST", path, headers=sent, body=json.dumps({"key": key}).encode()
    )
    return status, json.loads(body)["code"]


def test_a_page_over_plain_http_is_a_redirect_whatever_was_sent(strict: CheckServer) -> None:
    for method, path in (("GET", "/admin/"), ("POST", "/admin/login/"), ("GET", "/setup/once-x")):
        status, headers, _ = strict.call(method, path, headers={"Cookie": "__Host-countersign=x"})
        assert (status, headers["location"]) == (301, f"https://127.0.0.1:{strict.port}{path}")
        assert headers["x-frame-options"] == "DENY" and "set-cookie" not in headers


def test_probes_need_no_https(strict: CheckServer) -> None:
    assert strict.call("GET", "/healthz", headers={})[0] == 200
    assert strict.call("GET", "/readyz", headers={})[0] == 200


def test_a_proxy_that_we_were_told_of_says_that_it_was_https_and_nobody_else(
    strict: CheckServer, behind: CheckServer
) -> None:
    assert behind.call("GET", "/admin/login/", headers=SAFE)[0] == 200
    assert strict.call("GET", "/admin/login/", headers=SAFE)[0] == 301
    assert behind.call("GET", "/admin/login/", headers={})[0] == 301
    # What the client wrote stands before what the proxy adds.
    both = {"X-Forwarded-Proto": "https, http"}
    assert behind.call("GET", "/admin/login/", headers=both)[0] == 301
    _, headers, _ = behind.call("GET", "/admin/login/", headers=SAFE)
    assert headers["strict-transport-security"] == "max-age=31536000"


def test_a_management_token_over_plain_http_is_refused_and_recorded(
    strict: CheckServer, behind: CheckServer, acme: Cast
) -> None:
    path, sent = f"/v1/tenants/{acme.tenant.slug}/keys", {"Authorization": f"Bearer {acme.token}"}
    assert behind.call("GET", path, headers={**sent, **SAFE})[0] == 200
    status, _, body = strict.call("GET", path, headers=sent)
    assert (status, json.loads(body)["code"]) == (400, "REQUEST_INVALID")
    assert "plain HTTP" in body.decode() and acme.token not in body.decode()
    assert told_of(acme) == ["management token “automation” was sent over plain HTTP"]


def told_of(cast: Cast) -> list[str]:
    with platform_scope("a test reads the ledger"):
        found = entries(tenant=cast.tenant.id, type="credential.exposed")
        return [sentence(entry, payload_of(entry)) for entry in found]


def test_a_gateway_is_heard_over_plain_http_from_its_own_addresses_alone(
    strict: CheckServer, behind: CheckServer, acme: Cast
) -> None:
    key = acme.issue(scopes=["models:read"]).secret.reveal()
    near = create_gateway(
        actor=OPERATOR, name="near", api_id=acme.api.id, tenant_ids=[acme.tenant.id],
        environments=["live"], allowed_cidrs=["127.0.0.1/32"],
    ).secret.reveal()  # fmt: skip
    for _ in range(2):  # the second time the short way, over a head that is known
        assert ask(strict, near, key) == (200, "OK")
        assert ask(strict, acme.gateway_token, key) == (401, "CREDENTIAL_INVALID")
        assert ask(strict, acme.gateway_token, key, **SAFE) == (401, "CREDENTIAL_INVALID")
        assert ask(behind, acme.gateway_token, key, **SAFE) == (200, "OK")
        assert ask(behind, acme.gateway_token, key) == (401, "CREDENTIAL_INVALID")


def test_the_short_way_asks_for_https_too(behind: CheckServer, acme: Cast) -> None:
    key = acme.issue().secret.reveal()
    wire = behind.connect()
    body = json.dumps({"key": key}).encode()
    told = {
        "Authorization": f"Bearer {acme.gateway_token}", "Content-Type": "application/json",
    }  # fmt: skip
    seen = []
    for headers in ({**told, **SAFE}, told) * 3:
        seen.append(
            behind.call("POST", "/v1/keys/check", headers=headers, body=body, connection=wire)[0]
        )
    wire.close()
    assert seen == [200, 401] * 3


def test_a_key_that_came_in_the_open_is_told_on_its_page(strict: CheckServer, acme: Cast) -> None:
    plain, query, safe = (acme.issue(name=name) for name in ("plain", "query", "safe"))
    near = create_gateway(
        actor=OPERATOR, name="near", api_id=acme.api.id, tenant_ids=[acme.tenant.id],
        environments=["live"], allowed_cidrs=["127.0.0.1/32"],
    ).secret.reveal()  # fmt: skip
    ask(strict, acme.gateway_token, plain.secret.reveal())
    ask(strict, near, "x", path=f"/v1/keys/check?key={query.secret.reveal()}")
    ask(strict, near, safe.secret.reveal())
    # A gateway that proved nothing tells nothing.
    ask(strict, near[:-1] + "x", "x", path=f"/v1/keys/check?key={safe.secret.reveal()}")
    assert sorted(recorded(acme, 2)) == [
        "api key “plain” was sent over plain HTTP",
        "api key “query” was sent in a query string",
    ]
    sol = Browser(staff("Sol", "security_admin"))
    for issued, shown in ((plain, True), (query, True), (safe, False)):
        page = sol.get(f"/admin/keys/{issued.key.id}/")
        assert ("Others could read its secret" in page.text) is shown


def test_nginx_tells_of_keys_in_the_address(checker: CheckServer, acme: Cast) -> None:
    issued = acme.issue(name="in the address")
    headers = {
        "X-Countersign-Gateway": acme.gateway_token, "X-Original-Method": "GET",
        "X-Original-URI": f"/v1/models?api-key={issued.secret.reveal()}",
    }  # fmt: skip
    assert checker.call("GET", "/v1/authorize/nginx", headers=headers)[0] == 403
    assert recorded(acme, 1) == ["api key “in the address” was sent in a query string"]


def recorded(cast: Cast, count: int) -> list[str]:
    """What is told once the worker has recorded so many notes of this tenant's keys."""
    deadline = time.monotonic() + 10
    while len(told_of(cast)) < count and time.monotonic() < deadline:
        time.sleep(0.1)
        record_exposed(actor=OPERATOR)
    return told_of(cast)


def test_it_speaks_tls_itself(certificate: tuple[Path, Path], acme: Cast) -> None:
    chain, secret = certificate
    key = acme.issue(scopes=["models:read"]).secret.reveal()
    server = CheckServer("all", SECURE="1", TLS_CERT=str(chain), TLS_KEY=str(secret))
    trusting = ssl.create_default_context(cafile=str(chain))
    trusting.check_hostname = False

    class Sealed(Whole):
        def connect(self) -> None:
            super().connect()
            self.sock = trusting.wrap_socket(self.sock)

    wire = Sealed("127.0.0.1", server.port, timeout=10)
    try:
        server.connect = lambda: wire  # type: ignore[method-assign]
        for _ in range(3):  # the long way, then the short one
            assert ask(server, acme.gateway_token, key) == (200, "OK")
        assert server.call("GET", "/admin/login/", headers={}, connection=wire)[0] == 200
        assert isinstance(wire.sock, ssl.SSLSocket)
        assert wire.sock.version() in ("TLSv1.2", "TLSv1.3")
    finally:
        wire.close()
        server.stop()


def test_half_of_a_certificate_is_refused_at_the_start(certificate: tuple[Path, Path]) -> None:
    chain, secret = certificate
    for environment, words in (
        ({"TLS_CERT": str(chain)}, "TLS_CERT and TLS_KEY go together."),
        ({"TLS_CERT": str(secret), "TLS_KEY": str(chain)}, "no certificate and the key"),
        ({"TLS_CERT": "/nowhere", "TLS_KEY": str(secret)}, "there is no such file"),
    ):
        ended = subprocess.run(
            [sys.executable, "-m", "portal.serve", "--port", "1"], cwd=ROOT,
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode != 0 and words in ended.stderr


def test_djangos_own_check_for_deployment_is_clean() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "DEBUG"], cwd=ROOT,
        env={
            **{n: v for n, v in os.environ.items() if n != "DJANGO_ALLOW_ASYNC_UNSAFE"},
            "SECURE": "1", "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SECRET_KEY": "mX9aB4cD7Kq2zL5nR8tV1wY3sF6gH0jP-mX9aB4cD7Kq2zL5nR8tV1wY3sF6gH0jP",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.count("security.W")) == (0, 0), ended.stderr


def test_https_is_wanted_unless_someone_says_otherwise() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "from portal.core import configuration as c; print(c.SECURE())"],
        cwd=ROOT, env={k: v for k, v in os.environ.items() if k != "SECURE"}, text=True,
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert told.strip() == "True"
