"""POST /v1/keys/check, asked what no gateway of ours asks: a clear 4xx, nothing spent or stored."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from keys.decision.question import Invalid, parse
from keys.issuing import Issued
from portal.core.names import name
from tests.cast import Cast, make_cast
from tests.core.test_http_protocol import Reply, talk
from tests.invariants.traffic import body as limit
from tests.invariants.traffic import seeded
from tests.processes import CheckServer

FACTS = b'{"method":"POST","path":"/v1/chat/completions"}'
LARGE = 16 * 1024


class Asker:
    """Sends what it is told to, byte for byte, and sees that nothing comes of it."""

    def __init__(self, server: CheckServer, cast: Cast, store: "redis.Redis") -> None:
        self.server, self.cast, self.store = server, cast, store
        self.key: Issued = cast.issue(
            scopes=["chat:write"], limits=[limit("three", 3, "month", "calendar")]
        )
        self.text = self.key.secret.reveal()

    def send(
        self, body: bytes, *headers: str, target: str = "/v1/keys/check", method: str = "POST",
        media: str | None = "application/json", bearer: str | None = None, chunked: bool = False,
    ) -> Reply:  # fmt: skip
        lines = [f"{method} {target} HTTP/1.1", *headers]
        if not any(header.lower().startswith("host:") for header in headers):
            lines.append("Host: gateway.example")
        lines += [f"Authorization: Bearer {bearer or self.cast.gateway_token}"]
        lines += [f"Content-Type: {media}"] if media else []
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            parts = [body[at : at + 5000] for at in range(0, len(body), 5000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
        (reply,) = talk(self.server.port, head + body)
        return reply

    def question(self, more: bytes = b"") -> bytes:
        return b'{"key":"%s"%s}' % (self.text.encode(), more)

    def waiting(self) -> Any:
        return self.store.mget(name("log:decisions"), name("log:bytes"))


@pytest.fixture(scope="module")
def ada() -> Cast:
    """One Acme for all of them."""
    return make_cast("acme", owner="Ada")


@pytest.fixture
def asker(ada: Cast, checker: CheckServer, store: "redis.Redis") -> Iterator[Asker]:
    asking = Asker(checker, ada, store)
    assert asking.send(asking.question()).json["limits"][0]["remaining"] == 2
    before = asking.waiting()
    yield asking
    assert asking.waiting() == before
    # Nothing was spent either: the allowed check before and this one are all that counts.
    assert asking.send(asking.question()).json["limits"][0]["remaining"] == 1


def is_problem(asker: Asker, reply: Reply, status: int, code: str) -> None:
    """It is this one, and echoes no secret."""
    assert (reply.status, reply.json["code"], reply.json["status"]) == (status, code, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    said = reply.body.decode() + repr(reply.headers)
    assert asker.text[22:].lower() not in said.lower()
    assert asker.cast.gateway_token[22:].lower() not in said.lower()


def pointer(reply: Reply) -> str:
    (error,) = reply.json["errors"]
    return str(error["pointer"])


MEMBERS = {
    "a number for a text": (b',"subject":7', "/subject"),
    "a text for an object": (b',"request":"GET /"', "/request"),
    "a text for a flag": (b',"dry_run":"yes"', "/dry_run"),
    "a number for a flag": (b',"dry_run":1', "/dry_run"),
    "null for a list": (b',"scopes":null', "/scopes"),
    "an unknown member": (b',"tenant":"x"', "/tenant"),
    "an unknown member below": (b',"request":{"host":"x"}', "/request/host"),
    "a member with another case": (b',"Usage":{}', "/Usage"),
    "a member in full width": (b',"\xef\xbd\x95sage":{}', "/ｕsage"),
    "a prototype": (b',"__proto__":{}', "/__proto__"),
    "a negative amount": (b',"usage":{"requests":-1}', "/usage"),
    "a negative zero": (b',"usage":{"requests":-0.0}', "/usage"),
    "a fraction": (b',"usage":{"requests":0.5}', "/usage"),
    "an exponent": (b',"usage":{"requests":1e2}', "/usage"),
    "an amount beyond 10^12": (b',"usage":{"requests":1000000000001}', "/usage"),
    "an amount beyond 64 bit": (b',"usage":{"requests":18446744073709551616}', "/usage"),
    "an amount of 400 digits": (b',"usage":{"requests":' + b"9" * 400 + b"}", "/usage"),
    "a unit in capitals": (b',"usage":{"Tokens":1}', "/usage"),
    "a unit in full width": ('\x2c"usage":{"ｔokens":1}'.encode(), "/usage"),
    "a unit of 33 letters": (b',"usage":{"' + b"u" * 33 + b'":1}', "/usage"),
    "seventeen units": (
        b',"usage":{' + b",".join(b'"u%d":1' % n for n in range(17)) + b"}", "/usage"
    ),
    "65 scopes": (b',"scopes":[' + b",".join([b'"a"'] * 65) + b"]", "/scopes"),
    "a scope of 65 letters": (b',"scopes":["' + b"s" * 65 + b'"]', "/scopes/0"),
    "a subject of 257 letters": (b',"subject":"' + b"s" * 257 + b'","purpose":"p"', "/subject"),
    "an empty subject": (b',"subject":"","purpose":"p"', "/subject"),
    "NUL in a subject": (b',"subject":"a\\u0000","purpose":"p"', "/subject"),
    "bidi in a purpose": (b',"subject":"a","purpose":"\\u202ep"', "/purpose"),
    "a tab in a model": (b',"request":{"model":"a\\tb"}', "/request/model"),
    "zero width in a method": (b',"request":{"method":"GE\\u200bT"}', "/request/method"),
    "bidi in a scope": (b',"scopes":["a","\\u2066b"]', "/scopes"),
    "a path of 4097": (b',"request":{"path":"/' + b"p" * 4096 + b'"}', "/request/path"),
    "a full-width address": ('\x2c"request":{"ip":"１.2.3.4"}'.encode(), "/request/ip"),
    "an octal address": (b',"request":{"ip":"010.0.0.1"}', "/request/ip"),
    "a short address": (b',"request":{"ip":"10.1"}', "/request/ip"),
    "a number as address": (b',"request":{"ip":"167772161"}', "/request/ip"),
    "an address and port": (b',"request":{"ip":"10.0.0.1:80"}', "/request/ip"),
    "a list of addresses": (b',"request":{"ip":"10.0.0.1, 10.0.0.2"}', "/request/ip"),
    "a network": (b',"request":{"ip":"10.0.0.0/8"}', "/request/ip"),
    "a zone": (b',"request":{"ip":"fe80::1%eth0"}', "/request/ip"),
    "another environment": (b',"environment":"LIVE"', "/environment"),
    "a member twice": (b',"dry_run":false,"dry_run":false', ""),
    "the key twice": (b',"key":"csk_live_x"', ""),
    "a member twice, escaped": (b',"scopes":[],"sc\\u006fpes":["chat:write"]', ""),
    "a member twice below": (b',"request":{"ip":"10.0.0.1","ip":"10.0.0.2"}', ""),
    "a unit twice": (b',"usage":{"requests":0,"requests":1}', ""),
    "deep lists": (b',"subject":' + b"[" * 3000 + b"]" * 3000, "/subject"),
    "deep objects": (b',"usage":' + b'{"a":' * 2500 + b"1" + b"}" * 2500, "/usage"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_member_that_is_not_understood_is_named(asker: Asker, kind: str) -> None:
    more, where = MEMBERS[kind]
    reply = asker.send(asker.question(more))
    is_problem(asker, reply, 400, "REQUEST_INVALID")
    assert pointer(reply).startswith(where) if where in ("/scopes", "/usage") else (
        pointer(reply) == where
    )  # fmt: skip


TEXTS = {
    "nothing": b"", "white space": b" \r\n", "a list": b"[]", "a text": b'"x"', "null": b"null",
    "half of it": b'{"key":', "two": b'{"key":"x"}{"key":"y"}', "a comment": b'{"key":"x"}//',
    "single quotes": b"{'key':'x'}", "a trailing comma": b'{"key":"x",}', "NaN": b'{"key":NaN}',
    "a byte order mark": b'\xef\xbb\xbf{"key":"x"}', "UTF-16": '{"key":"x"}'.encode("utf-16"),
    "bad UTF-8": b'{"key":"\xff"}', "overlong UTF-8": b'{"key":"\xc0\xaf"}',
    "half a surrogate": b'{"key":"\\ud800"}', "a raw control": b'{"key":"a\x01"}',
    "a form": b"key=csk_live_x", "XML": b"<key>x</key>", "deep": b"[" * 16_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
def test_what_is_no_json_object_is_refused_as_a_whole(asker: Asker, kind: str) -> None:
    reply = asker.send(TEXTS[kind])
    is_problem(asker, reply, 400, "REQUEST_INVALID")
    assert pointer(reply) == ""


@pytest.mark.parametrize("value", [b"null", b"7", b"[]", b'{"a":1}', b"true"])
def test_a_key_that_is_no_text_is_named(asker: Asker, value: bytes) -> None:
    reply = asker.send(b'{"key":%s}' % value)
    is_problem(asker, reply, 400, "REQUEST_INVALID")
    assert pointer(reply) == "/key"


def test_a_key_of_another_shape_is_malformed_and_costs_nothing(asker: Asker) -> None:
    text = asker.text
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in text)
    shapes = [
        wide, text + "\0", "\u202e" + text, text + "\n", f" {text}", text.upper(), text[:-1],
        text.replace("_", "-"), text * 2, "k" * 15_000, f"Bearer {text}", "' OR 1=1 --",
    ]  # fmt: skip
    for shape in shapes:
        reply = asker.send(json.dumps({"key": shape}).encode())
        assert (reply.status, reply.json["code"], reply.json["key"]) == (200, "KEY_MALFORMED", None)
        assert text[22:] not in reply.body.decode()
    assert asker.send(b'{"key":""}').json["code"] == "KEY_MISSING"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_16_kib_is_a_413(asker: Asker, chunked: bool) -> None:
    for size in (LARGE + 1, 64 * 1024, 1_000_000):
        filled = asker.question(b',"subject":"%s"' % (b"s" * size))[:size]
        is_problem(asker, asker.send(filled, chunked=chunked), 413, "BODY_TOO_LARGE")
    just = b'{"key":"' + b"k" * (LARGE - 10) + b'"}'
    assert len(just) == LARGE
    assert asker.send(just, chunked=chunked).json["code"] == "KEY_MALFORMED"


@pytest.mark.parametrize(
    "media",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp",
     "application/vnd.api+json", "multipart/form-data; boundary=x"],
)  # fmt: skip
def test_another_media_type_is_a_415(asker: Asker, media: str | None) -> None:
    is_problem(asker, asker.send(asker.question(), media=media), 415, "MEDIA_TYPE")


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
def test_another_method_is_a_405_that_names_the_right_one(asker: Asker, method: str) -> None:
    reply = asker.send(asker.question(), method=method)
    is_problem(asker, reply, 405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"].upper() == "POST"


def test_a_key_in_a_query_string_is_refused(asker: Asker) -> None:
    for query in (f"?key={asker.text}", f"?{asker.text}", f"?a=b&x={asker.cast.gateway_token}"):
        reply = asker.send(asker.question(), target=f"/v1/keys/check{query}")
        is_problem(asker, reply, 400, "REQUEST_INVALID")


@pytest.mark.parametrize(
    "path",
    ["/v1/keys/check/", "//v1/keys/check", "/V1/keys/check", "/v1/keys/check;a", "/v1/keys/./check",
     "/v1/keys/check%00", "/v1/keys/check%2f", "/x/../v1/keys/check", "/v1\\keys\\check"],
)  # fmt: skip
def test_a_path_that_only_looks_like_it_is_a_404(asker: Asker, path: str) -> None:
    reply = asker.send(asker.question(), target=path)
    is_problem(asker, reply, 404, "NOT_FOUND")


HEADERS = {
    "a host of another world": ["Host: evil.example/?x"],
    "two hosts": ["Host: a", "Host: b"],
    "an empty host": ["Host:"],
    "a host that is no name": ["Host: [::1"],
    "forwarded headers": [
        "X-Forwarded-For: 10.0.0.1, ::1", "Forwarded: for=_x;host=y", "X-Real-IP: 10.0.0.1",
        "X-Forwarded-Host: evil/", "X-Forwarded-Proto: gopher", "X-Forwarded-Prefix: /v1",
        "X-Original-URL: /admin", "X-Rewrite-URL: /admin", "X-HTTP-Method-Override: DELETE",
    ],
    "aliases with underscores": [
        "X_Countersign_Gateway: x", "Authorization_: x", "Content_Type: text/plain",
        "Content_Length: 0", "X_Forwarded_For: 10.0.0.1",
    ],
    "a dry run by header": ["X-Dry-Run: true", "Sec-GPC: 1", "X-Countersign-Subject: someone"],
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_that_are_not_read_change_nothing(asker: Asker, kind: str) -> None:
    ended = b',"dry_run":true,"request":' + FACTS
    reply = asker.send(asker.question(ended), *HEADERS[kind])
    assert (reply.status, reply.json["code"]) == (200, "OK")


def test_duplicates_are_found_wherever_they_are(asker: Asker) -> None:
    """The quick look that most bodies get is never wrong: against a slow one, 20 000 bodies."""
    chance = seeded()
    found = {True: 0, False: 0}
    for _ in range(20_000):
        text, doubled = some_question(chance)
        try:
            parse(text.encode())
        except Invalid as error:
            assert doubled, (text, error)
        else:
            assert not doubled, text
        found[doubled] += 1
    assert min(found.values()) > 2_000


def some_question(chance: random.Random) -> tuple[str, bool]:
    """A body that is right but for members that are given twice; and whether there are any."""
    colons = ["a", "a:b", ":", "::", 'x\\"y', "\\u003a"]
    members = {
        "key": lambda: f'"{chance.choice(colons)}"',
        "scopes": lambda: chance.choice(["[]", '["a:b"]', '["a","b:c:d"]']),
        "request": lambda: one("path", "model"),
        "usage": lambda: one("requests", "tokens", value=lambda: "1"),
        "environment": lambda: '"live"', "gpc": lambda: chance.choice(["true", "false"]),
        "dry_run": lambda: chance.choice(["true", "false"]),
    }  # fmt: skip
    doubled = False

    def one(*names: str, value: Any = lambda: f'"{chance.choice(colons)}"') -> str:
        nonlocal doubled
        chosen = chance.choices(names, k=chance.choice([0, 1, 1, 2]))
        doubled |= len(set(chosen)) < len(chosen)
        return "{" + ",".join(f'"{given}":{value()}' for given in chosen) + "}"

    chosen = ["key", *chance.choices([*members], k=chance.choice([0, 1, 2, 3]))]
    text = ",".join(f'"{given}":{members[given]()}' for given in chosen)
    return "{" + text + "}", doubled or len(set(chosen)) < len(chosen)
