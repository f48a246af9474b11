"""A provider of our own on loopback: right unless a test bends it, and then as wrong as can be."""

import base64
import hashlib
import hmac
import json
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from portal.core.ids import base62

RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SHORT = RSAKey.generate_key(1024, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
KEYS: dict[str, Key] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}
CLIENT, SECRET = "countersign client", "a secret with : and ü".replace("ü", "%")


@dataclass
class Said:
    """What goes out instead of the right answer."""

    body: bytes = b""
    status: int = 200
    media: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0
    """Seconds between two bytes."""


Endpoint = Callable[["Idp", dict[str, str]], Said]


class Idp:
    """One issuer. `instead` replaces whole answers, `bend` changes the ID token's claims."""

    def __init__(self, server: "Server") -> None:
        self.path = f"/{base62(8)}"
        self.issuer = f"{server.base}{self.path}"
        self.algorithm, self.key, self.header = "RS256", RSA, {"kid": "rsa"}
        self.published: list[Key] = [RSA, EC, ED]
        self.subject, self.person = base62(12), {"name": "Grace Hopper"}
        self.bend: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.instead: dict[str, Said] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.access = base62(20)
        server.issuers[self.path] = self

    def approve(self, address: str, **changes: str | None) -> str:
        """Somebody signs in at the address that the portal sent them to: where they go back."""
        told = dict(parse_qsl(urlsplit(address).query))
        assert address.startswith(f"{self.issuer}/authorize?"), address
        assert (told["response_type"], told["client_id"]) == ("code", CLIENT)
        assert told["code_challenge_method"] == "S256" and "openid" in told["scope"].split()
        code = base62(20)
        self.codes[code] = told
        back = {"code": code, "state": told["state"], "iss": self.issuer, **changes}
        path = urlsplit(told["redirect_uri"]).path
        return f"{path}?{urlencode({name: value for name, value in back.items() if value})}"

    def claims(self, told: dict[str, str]) -> dict[str, Any]:
        """The ID token's, bent; a member that is None is left out."""
        moment = int(time.time())
        right = {
            "iss": self.issuer, "aud": CLIENT, "sub": self.subject, "iat": moment,
            "exp": moment + 300, "nonce": told["nonce"], "at_hash": self.at_hash(), **self.person,
        }  # fmt: skip
        bent = {**right, **self.bend}
        return {name: value for name, value in bent.items() if value is not None}

    def at_hash(self) -> str:
        """Of its access token: half of the hash that the signature goes with."""
        name = "sha512" if self.algorithm == "EdDSA" else "sha256"
        whole = hashlib.new(name, self.access.encode()).digest()
        return b64(whole[: len(whole) // 2])

    def id_token(self, told: dict[str, str]) -> str:
        """Signed as it is set; `none` is not."""
        if self.algorithm == "none":
            parts = ({"alg": "none"}, self.claims(told))
            return ".".join(b64(json.dumps(part).encode()) for part in parts) + "."
        header = {"alg": self.algorithm, **self.header}
        if self.algorithm == "HS256":
            # The trick of CVE-2015-9235: the public key, taken for a shared secret.
            signed = ".".join(
                b64(json.dumps(each).encode()) for each in (header, self.claims(told))
            )
            secret = RSA.as_pem(private=False)
            return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"
        if self.algorithm == "EdDSA":  # by hand: RFC 9864 has another name for it
            signed = ".".join(
                b64(json.dumps(each).encode()) for each in (header, self.claims(told))
            )
            return f"{signed}.{b64(ED.private_key.sign(signed.encode()))}"  # type: ignore[union-attr]
        return jwt.encode(header, self.claims(told), self.key, algorithms=[self.algorithm])

    def answer(self, endpoint: str, form: dict[str, str], headers: Any) -> Said:
        """What it says at one of its addresses."""
        self.asked.append(endpoint)
        if endpoint in self.instead:
            return self.instead[endpoint]
        if endpoint == "/.well-known/openid-configuration":
            return said(self.about())
        if endpoint == "/keys":
            keys = [key.as_dict(private=False) for key in self.published]
            return said({"keys": keys})
        if endpoint == "/userinfo" and self.userinfo is not None:
            right = headers.get("Authorization") == f"Bearer {self.access}"
            return said(self.userinfo) if right else Said(status=401)
        return self.token(form, headers) if endpoint == "/token" else Said(status=404)

    def about(self) -> dict[str, Any]:
        """Its metadata."""
        told = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        }  # fmt: skip
        more = {} if self.userinfo is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}
        return {**told, **more, **self.metadata}

    def token(self, form: dict[str, str], headers: Any) -> Said:
        """As careful as a provider has to be: a wrong client, code or verifier gets nothing."""
        told = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(f"countersign+client:{quoted(SECRET)}".encode()).decode()
        if headers.get("Authorization") != f"Basic {basic}" or told is None:
            return said({"error": "invalid_client"}, 401)
        digest = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if digest != told["code_challenge"] or form.get("redirect_uri") != told["redirect_uri"]:
            return said({"error": "invalid_grant"}, 400)
        answer = {"access_token": self.access, "token_type": "Bearer"}
        return said({**answer, "id_token": self.id_token(told)})


def quoted(text: str) -> str:
    """As RFC 6749 has a client's secret encoded."""
    return urlencode({"": text})[1:]


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def said(told: Any, status: int = 200) -> Said:
    return Said(json.dumps(told).encode(), status)


class Server:
    """All issuers of a test run, on one port."""

    def __init__(self) -> None:
        self.issuers: dict[str, Idp] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.serve(self, {})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                form = parse_qs(self.rfile.read(length).decode())
                server.serve(self, {name: values[0] for name, values in form.items()})

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def serve(self, handler: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        """One answer."""
        path = urlsplit(handler.path).path
        idp = next((i for p, i in self.issuers.items() if path.startswith(f"{p}/")), None)
        told = Said(status=404)
        if idp is not None:
            told = idp.answer(path.removeprefix(idp.path), form, handler.headers)
        handler.send_response(told.status)
        for name, value in {"Content-Type": told.media, **told.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        try:
            for at in range(len(told.body)) if told.drip else ():
                handler.wfile.write(told.body[at : at + 1])
                handler.wfile.flush()
                time.sleep(told.drip)
            if not told.drip:
                handler.wfile.write(told.body)
        except OSError:
            pass  # the portal heard enough

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
