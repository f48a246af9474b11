"""I4 for people: what they hold and type is in no table, no Redis key and no log."""

import base64
import contextlib
import html
import json
import os
import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
import redis

from tests.authenticator import Authenticator, raw
from tests.invariants.test_no_secret_at_rest import Place, keys_of_redis, tables
from tests.pages.app import PASSWORD, code_of, someone
from tests.pages.browser import Page
from tests.processes import CheckServer

Db = psycopg.Connection[Any]
EMAIL = "canary@countersign.example"
NEW = "a yellow bird that sings at dawn"


class Answer:
    """What `Page` reads of a response."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status_code, self.headers, self.content = status, headers, content


class Wire:
    """A browser over a real connection, with its cookies as they were set."""

    def __init__(self, server: CheckServer, **headers: str) -> None:
        self.headers = headers
        self.server, self.cookies, self.set = server, dict[str, str](), list[str]()
        self.every: set[str] = set()

    def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Page:
        connection = self.server.connect()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        sent |= {name.replace("_", "-"): value for name, value in self.headers.items()}
        body = urlencode(fields, doseq=True) if fields is not None else None
        connection.request(method, path, body=body, headers=sent)
        response = connection.getresponse()
        told = response.getheaders()
        page = Page(Answer(response.status, dict(told), response.read()))
        connection.close()
        for name, value in told:
            if name.lower() == "set-cookie":
                self.set.append(value)
                for morsel in SimpleCookie(value).values():
                    self.cookies[morsel.key] = morsel.value
                    if morsel.value and not morsel.key.endswith("-form"):
                        self.every.add(morsel.value)
        return page

    def send(self, path: str, **fields: str) -> Page:
        """Look at the form at `path`, fill it in and send it."""
        page = self.ask("GET", path)
        return self.ask("POST", path, {**page.fields(), **fields})


@contextlib.contextmanager
def portal(**environment: str) -> Iterator[CheckServer]:
    """A portal, ended in peace: what it had to say stands in its log."""
    server = CheckServer("all", **environment)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)
        server.stop()


@pytest.fixture
def link(owner_db: Db) -> str:
    from portal.tenancy.signing_in.inviting import invite_first
    from tests.cast import OPERATOR

    owner_db.execute("UPDATE tenancy_person SET platform_role = '' WHERE password NOT LIKE '!%'")
    owner_db.execute("UPDATE tenancy_person SET email = id WHERE email = %s", [EMAIL])
    owner_db.execute("DELETE FROM tenancy_tries")
    return "/setup/" + invite_first(actor=OPERATOR).link.reveal().rpartition("/")[2]


def key_of(page: Page) -> str:
    return page.html.partition('<span class="mono">')[2].partition("<")[0]


def codes_of(page: Page) -> list[str]:
    return re.findall(r"<li>([0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4})</li>", page.html)


def forget_step(database: Db) -> None:
    """Let a minute pass for every app."""
    database.execute("UPDATE tenancy_totp SET last_step = 0")


def live(wire: Wire, link: str, owner_db: Db) -> tuple[str, list[str], list[str]]:
    """Set up, sign out and in both ways, fail, change everything: the seed, codes and forms."""
    page = wire.ask("GET", link)
    key, codes, sealed = key_of(page), codes_of(page), page.fields()["sealed"]
    told = {"email": EMAIL, "name": "Canary", "password": PASSWORD, "stored": "on"}
    form = {**page.fields(), **told}
    assert wire.ask("POST", link, {**form, "code": "000000", "password": NEW}).status == 400
    assert wire.ask("POST", link, {**form, "code": code_of(key)}).status == 302
    for path in (link, link + "x", f"/admin/?next={link}", f"/setup/{link}"):
        wire.ask("GET", path)
    changed = {"old_password": PASSWORD, "new_password": NEW, "code": codes[0]}
    assert wire.send("/admin/security/password/", **changed).status == 302
    made = wire.send("/admin/security/codes/", code=codes[1])
    codes += codes_of(made)
    assert len(codes) == 16
    for path, proof in (("recovery", codes[9]), ("code", "")):
        wire.send("/admin/logout/")
        wire.send("/admin/login/", email=EMAIL, password=PASSWORD)
        wire.send("/admin/login/", email=PASSWORD, password=EMAIL)
        assert wire.send("/admin/login/", email=EMAIL, password=NEW).status == 302
        forget_step(owner_db)
        wire.send(f"/admin/login/{path}/", code="000000")
        answer = wire.send(f"/admin/login/{path}/", code=proof or code_of(key))
        assert answer.goes_to == "/admin/"
    assert wire.ask("GET", "/admin/").status == 200
    assert wire.ask("GET", "/admin/ledger/").status == 200
    return key, codes, sealed


def test_what_people_hold_and_type_is_written_nowhere(
    link: str, owner_db: Db, store: "redis.Redis"
) -> None:
    with portal(LOG_LEVEL="DEBUG") as server:
        wire = Wire(server)
        key, codes, sealed = live(wire, link, owner_db)
    seed = base64.b32decode(key.replace(" ", ""))
    texts = [key, key.replace(" ", ""), PASSWORD, NEW, link.rpartition("-")[2], *codes, *sealed]
    texts += [code.replace("-", "") for code in codes] + sorted(wire.every)
    needles = {text.encode() for text in texts} | {text.encode().hex().encode() for text in texts}
    needles |= {seed, seed.hex().encode(), base64.b64encode(seed)}
    raw = redis.Redis.from_url(os.environ["REDIS_URL"])
    in_logs = Place()
    in_logs.written["web"] = server.output
    for place in (tables(owner_db), keys_of_redis(raw), in_logs):
        assert place.holding(needles) == []
    raw.close()
    # The same search finds what may be kept.
    assert "tenancy_person" in tables(owner_db).holding({EMAIL.encode()})
    assert in_logs.holding({b"/setup/once-[redacted]"}) == ["web"]


def test_what_passkeys_are_asked_and_answer_is_written_nowhere(
    owner_db: Db, store: "redis.Redis"
) -> None:
    owner_db.execute("DELETE FROM tenancy_tries")
    who, device, needles = someone(), Authenticator(), set[bytes]()

    def answer(page: Page, verb: str, **lies: Any) -> str:
        options = json.loads(html.unescape(page.html.split('data-options="')[1].split('"')[0]))
        text: str = getattr(device, verb)(options, **lies)
        told = json.loads(text)["response"]
        spoken = [options["challenge"], told["clientDataJSON"], told.get("signature", "")]
        for each in filter(None, spoken):
            needles.update({each.encode(), raw(each), raw(each).hex().encode()})
        return text

    with portal(LOG_LEVEL="DEBUG") as server:
        wire, new = Wire(server, Host="localhost:8000"), "/admin/security/passkeys/new/"
        wire.send("/admin/login/", email=who.person.email, password=PASSWORD)
        assert wire.send("/admin/login/code/", code=who.code()).status == 302
        made = wire.send(new, name="Laptop", code=who.code())
        told = {**made.fields(), "passkey": answer(made, "create")}
        assert wire.ask("POST", new, told).status == 302
        wire.send("/admin/logout/")
        for path in ("/admin/login/passkey/", "/admin/login/code/passkey/"):
            if "code" in path:
                wire.send("/admin/login/", email=who.person.email, password=PASSWORD)
            for lies, status in (({"rp": "evil.example"}, 400), ({}, 302)):
                page = wire.ask("GET", path)
                told = {**page.fields(), "passkey": answer(page, "get", **lies)}
                assert wire.ask("POST", path, told).status == status
            wire.send("/admin/logout/")
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    in_logs = Place()
    in_logs.written["web"] = server.output
    for place in (tables(owner_db), keys_of_redis(client), in_logs):
        assert place.holding(needles) == []
    client.close()
    # The same search finds what may be kept.
    assert "tenancy_passkey" in tables(owner_db).holding({device.id.hex().encode()})


def test_over_https_the_cookies_belong_to_this_host_alone(link: str, owner_db: Db) -> None:
    with portal(SECURE="1", TRUSTED_PROXIES="127.0.0.1/32") as server:
        origin = f"https://127.0.0.1:{server.port}"
        wire = Wire(server, X_Forwarded_Proto="https", Origin=origin)
        live(wire, link, owner_db)
    names = {cookie.partition("=")[0] for cookie in wire.set}
    assert names == {
        "__Host-countersign", "__Host-countersign-form", "__Host-countersign-device",
    }  # fmt: skip
    for cookie in wire.set:
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "secure", "samesite=lax", "path=/"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)
