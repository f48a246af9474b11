"""An authenticator in software, as far as tests need one: ES256, "none" attestation, and lies."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 1, 4, 8, 16, 64
"""Flags of authenticator data: present, verified, may be copied, is copied, has a credential."""


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")


def cbor(value: Any) -> bytes:
    """RFC 8949, of it what an authenticator writes."""

    def head(major: int, number: int) -> bytes:
        size = next(n for n in (0, 1, 2, 4) if number < (24 if n == 0 else 256**n))
        if size == 0:
            return bytes([major << 5 | number])
        return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[size]]) + number.to_bytes(size, "big")

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    assert isinstance(value, dict)
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


@dataclass
class Authenticator:
    """One credential of one device. What a method is given beside the options is a lie."""

    origin: str = "http://localhost:8000"
    rp: str = "localhost"
    flags: int = UP | UV
    count: int = 1
    """The counter; 0 stays 0, as a password manager's does."""
    id: bytes = field(default_factory=lambda: os.urandom(32))
    handle: bytes = b""
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def key(self, **lies: Any) -> dict[int, Any]:
        """The public key (COSE, RFC 9053)."""
        numbers = self.private.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return {1: 2, 3: lies.get("alg", -7), -1: 1, -2: lies.get("x", x), -3: lies.get("y", y)}

    def data(self, attested: bytes = b"", **lies: Any) -> bytes:
        rp = hashlib.sha256(str(lies.get("rp", self.rp)).encode()).digest()
        flags = lies.get("flags", self.flags) | (AT if attested else 0)
        count = int(lies.get("count", self.count))
        return rp + bytes([flags]) + count.to_bytes(4, "big") + attested

    def client(self, usual: str, options: dict[str, Any], **lies: Any) -> bytes:
        told = {
            "type": lies.get("kind", usual),
            "challenge": lies.get("challenge", options["challenge"]),
            "origin": lies.get("origin", self.origin), "crossOrigin": lies.get("framed", False),
        }  # fmt: skip
        return json.dumps(told).encode()

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to `navigator.credentials.create`."""
        self.handle = raw(options["user"]["id"])
        id = lies.get("id", self.id)
        key = cbor(lies["cose"] if "cose" in lies else self.key(**lies))
        attested = bytes(16) + len(id).to_bytes(2, "big") + id + key + lies.get("after", b"")
        data = self.data(attested, **lies)
        made = {"fmt": lies.get("fmt", "none"), "attStmt": lies.get("stmt", {}), "authData": data}
        response = {
            "clientDataJSON": b64(self.client("webauthn.create", options, **lies)),
            "attestationObject": b64(lies.get("object", cbor(made))),
            "transports": lies.get("transports", ["internal"]),
        }  # fmt: skip
        return self._said(id, response, lies)

    def get(self, options: dict[str, Any], **lies: Any) -> str:
        """The answer to `navigator.credentials.get`."""
        if self.count and "count" not in lies:
            self.count += 1
        data = lies.get("data") or self.data(**lies)
        client = self.client("webauthn.get", options, **lies)
        signed = data + hashlib.sha256(client).digest()
        signature = self.private.sign(signed, ec.ECDSA(SHA256()))
        handle = lies.get("handle", self.handle)
        response = {
            "clientDataJSON": b64(client), "authenticatorData": b64(data),
            "signature": b64(lies.get("signature", signature)),
            **({} if handle is None else {"userHandle": b64(handle)}),
        }  # fmt: skip
        return self._said(lies.get("id", self.id), response, lies)

    def _said(self, id: bytes, response: dict[str, Any], lies: dict[str, Any]) -> str:
        told = {
            "id": b64(id), "rawId": b64(id), "type": lies.get("public", "public-key"),
            "response": response, "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }  # fmt: skip
        return json.dumps({**told, **lies.get("more", {})})
