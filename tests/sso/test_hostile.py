"""A provider that lies, or somebody between: nothing is believed, and nobody is signed in."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from audit.ledger.reading import entries, payload_of
from portal.core import fetching
from portal.tenancy.scope import platform_scope
from portal.tenancy.sso import discovery
from tests.pages.app import Visitor
from tests.pages.browser import Page
from tests.sso.conftest import Acme, set_up
from tests.sso.nameserver import NameServer
from tests.sso.provider import (
    CLIENT,
    EC,
    ED,
    OTHER,
    RSA,
    SHORT,
    Idp,
    Said,
    Server,
    b64,
    said,
)

Bend = Callable[[Idp], object]


def is_refused(on: Acme, page: Page, why: str, visitor: Visitor | None = None) -> None:
    assert page.status in (400, 403, 502), page.text
    assert why in page.text, page.text
    assert on.person() is None
    if visitor is not None:
        assert not visitor.is_signed_in()


class In(NamedTuple):
    """So many seconds from when a test looks."""

    seconds: int


CLAIMS: list[tuple[dict[str, Any], str]] = [
    ({"iss": "https://evil.example"}, "(iss)"),
    ({"iss": None}, "(iss)"),
    ({"aud": "another client"}, "(aud)"),
    ({"aud": ["another client"]}, "(aud)"),
    ({"aud": None}, "(aud)"),
    ({"aud": [CLIENT, "another client"]}, "(azp)"),
    ({"azp": "another client"}, "(azp)"),
    ({"aud": [CLIENT, "another client"], "azp": "another client"}, "(azp)"),
    ({"exp": In(-61)}, "(exp)"),
    ({"exp": None}, "(exp)"),
    ({"exp": "tomorrow"}, "(exp)"),
    ({"exp": True}, "(exp)"),
    ({"iat": In(3_600)}, "(iat)"),
    ({"iat": In(-3_600)}, "(iat)"),
    ({"iat": None}, "(iat)"),
    ({"nbf": In(3_600)}, "(nbf)"),
    ({"nonce": "another"}, "(nonce)"),
    ({"nonce": None}, "(nonce)"),
    ({"nonce": ["x"]}, "(nonce)"),
    ({"sub": None}, "(sub)"),
    ({"sub": ""}, "(sub)"),
    ({"sub": 7}, "(sub)"),
    ({"sub": "x" * 256}, "(sub)"),
    ({"sub": "gräce"}, "(sub)"),
    ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "(at_hash)"),
    ({"at_hash": 7}, "(at_hash)"),
]


@pytest.mark.parametrize(("bend", "why"), CLAIMS, ids=[f"{why} {bend}" for bend, why in CLAIMS])
def test_a_token_with_a_wrong_claim_is_not_believed(
    on: Acme, visitor: Visitor, bend: dict[str, Any], why: str
) -> None:
    on.idp.bend |= {
        name: int(time.time()) + value.seconds if isinstance(value, In) else value
        for name, value in bend.items()
    }
    is_refused(on, on.sign_in(visitor), why, visitor)
    # The same provider with a right token is: the refusal was for the right reason.
    for name in bend:
        on.idp.bend.pop(name)
    assert on.sign_in(Visitor()).status == 302


def test_clocks_may_differ_by_a_minute(on: Acme) -> None:
    moment = int(time.time())
    for bend in ({"exp": moment - 30}, {"iat": moment + 30}, {"nbf": moment + 30}):
        on.idp.bend |= bend
        assert on.sign_in(Visitor()).status == 302, bend
        for name in bend:
            on.idp.bend.pop(name)


def signs(algorithm: str, key: Any, **header: Any) -> Bend:
    def bend(idp: Idp) -> None:
        idp.algorithm, idp.key = algorithm, key
        idp.header = {"kid": "rsa", **header}
        idp.header = {name: value for name, value in idp.header.items() if value is not None}

    return bend


@pytest.mark.parametrize(
    ("bend", "why"),
    [
        (signs("none", None), "(alg)"),
        (signs("HS256", None), "(alg)"),
        (signs("RS512", RSA), "(alg)"),
        (signs("PS256", RSA), "(alg)"),
        (signs("RS256", OTHER), "no good signature"),
        (signs("RS256", OTHER, kid="unknown"), "(kid)"),
        (signs("RS256", RSA, kid=None), None),
        (signs("RS256", OTHER, kid=None), "no good signature"),
        (signs("ES256", EC), "(kid)"),
        (signs("RS256", RSA, kid="ec"), "(kid)"),
        (signs("RS256", OTHER, jwk=OTHER.as_dict(private=False)), "no good signature"),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, str) else "",
)
def test_a_token_that_is_signed_in_another_way_is_not_believed(
    on: Acme, visitor: Visitor, bend: Bend, why: str | None
) -> None:
    bend(on.idp)
    page = on.sign_in(visitor)
    if why is None:
        assert page.status == 302
    else:
        is_refused(on, page, why, visitor)


@pytest.mark.parametrize("more", [{"crit": ["exp"], "exp": 1}, {"b64": False}], ids=str)
def test_a_token_that_needs_more_than_we_know_is_not_believed(
    on: Acme, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    right = on.idp.id_token
    header = json.dumps({"alg": "RS256", "kid": "rsa", **more})
    monkeypatch.setattr(
        on.idp, "id_token",
        lambda told: f"{b64(header.encode())}.{right(told).partition('.')[2]}",
    )  # fmt: skip
    is_refused(on, on.sign_in(visitor), "(crit)", visitor)


@pytest.mark.parametrize(
    ("algorithm", "key", "kid"), [("RS256", RSA, "rsa"), ("ES256", EC, "ec"), ("EdDSA", ED, "ed")]
)
def test_the_three_ways_that_are_taken(on: Acme, algorithm: str, key: Any, kid: str) -> None:
    signs(algorithm, key, kid=kid)(on.idp)
    assert on.sign_in(Visitor()).status == 302


def test_a_key_that_is_too_short_or_another_kind_of_use_is_none(on: Acme) -> None:
    on.idp.key, on.idp.published = SHORT, [SHORT]
    is_refused(on, on.sign_in(Visitor()), "too short")
    for more in ({"use": "enc"}, {"alg": "RS512"}, {"kty": "oct", "k": "AAAA"}):
        discovery.forget(on_provider(on))
        on.idp.key = RSA
        on.idp.instead["/keys"] = said({"keys": [{**RSA.as_dict(private=False), **more}]})
        is_refused(on, on.sign_in(Visitor()), "(kid)")


def on_provider(on: Acme) -> Any:
    from portal.tenancy.sso.provider import provider_by

    return provider_by(on.row.id)


def test_a_new_key_is_found_and_a_flood_of_unknown_ones_asks_once(
    on: Acme, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on.sign_in(Visitor()).status == 302
    on.idp.header = {"kid": "new"}
    on.idp.key = type(OTHER).import_key(OTHER.as_dict(private=True), {"kid": "new"})
    on.idp.published = [RSA, on.idp.key]
    asked = on.idp.asked.count("/keys")
    for _ in range(3):
        assert on.sign_in(Visitor()).status == 403
    assert on.idp.asked.count("/keys") == asked  # looked at less than a minute ago
    monkeypatch.setattr(discovery, "AGAIN", 0.0)
    assert on.sign_in(Visitor()).status == 302


ANSWERS = [
    (Said(b"<!doctype html><h1>Sign in</h1>", media="text/html"), "not JSON"),
    (Said(b"<!doctype html><h1>Sign in</h1>"), "not one JSON object"),
    (Said(b'{"a": "' + b"x" * 65_536 + b'"}'), "more than 65536 bytes"),
    (Said(b"[" * 60_000), "not one JSON object"),
    (Said(b'{"iss": "a", "iss": "b"}'), "not one JSON object"),
    (Said(b"[]"), "not one JSON object"),
    (Said(b""), "not one JSON object"),
    (Said(status=302, headers={"Location": "/token"}), "answered 302"),
    (Said(status=307, headers={"Location": "http://169.254.169.254/"}), "answered 307"),
    (Said(status=500), "answered 500"),
    (Said(b"{}", headers={"Content-Encoding": "gzip"}), "compressed"),
    (Said(b"x" * 40, drip=0.1), "too long"),
]
ADDRESSES = ["/.well-known/openid-configuration", "/keys", "/token"]


@pytest.mark.parametrize("endpoint", ADDRESSES)
@pytest.mark.parametrize(("answer", "why"), ANSWERS, ids=[why for _, why in ANSWERS])
def test_an_answer_that_is_none_is_refused_and_read_no_further(
    on: Acme, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, endpoint: str, answer: Said,
    why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(fetching, "PATIENCE", 1.0)
    discovery.forget(on_provider(on))
    if endpoint == ADDRESSES[0]:
        on.idp.instead[endpoint] = answer
        page = visitor.post(on.door)
        assert page.status == 502 and why in page.text, page.text
        return
    address = on.go(visitor)
    on.idp.instead[endpoint] = answer
    asked = len(on.idp.asked)
    is_refused(on, visitor.get(on.idp.approve(address)), why, visitor)
    assert on.idp.asked[asked:].count(endpoint) == 1  # a redirect is not followed


def test_metadata_that_is_anothers_or_leads_elsewhere_is_refused(on: Acme) -> None:
    for bent, why in (
        ({"issuer": "https://evil.example"}, "another name"),
        ({"issuer": on.idp.issuer + "/"}, "another name"),
        ({"token_endpoint": "http://evil.example/token"}, "is not https"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"jwks_uri": None}, "jwks_uri"),
        ({"token_endpoint": "https://user:password@evil.example/"}, "token_endpoint"),
        ({"authorization_endpoint": "https://evil.example/\r\nRefresh: 0"}, "is no address"),
    ):
        discovery.forget(on_provider(on))
        on.idp.metadata = bent
        page = Visitor().post(on.door)
        assert page.status == 502 and why in page.text, page.text


def test_a_state_is_this_browsers_and_good_once(on: Acme, visitor: Visitor) -> None:
    back = on.idp.approve(on.go(visitor))
    stranger = Visitor()
    is_refused(on, stranger.get(back), "not belong to a sign-in", stranger)
    assert visitor.get(back).status == 302
    assert visitor.get(back).status == 400
    fresh = Visitor()
    on.go(fresh)
    for state in ("", "x", None):
        assert fresh.get(on.idp.approve(on.go(fresh), state=state)).status == 400
    assert Visitor().get(f"/sso/back/{on.row.id}").status == 400


def test_a_way_ends_after_ten_minutes(on: Acme, visitor: Visitor) -> None:
    import time_machine

    address = on.go(visitor)
    back = on.idp.approve(address)
    with time_machine.travel(time.time() + 601):
        is_refused(on, visitor.get(back), "too long", visitor)


def test_a_code_of_another_browser_is_of_no_use_here(on: Acme, visitor: Visitor) -> None:
    """Code injection (RFC 9700, section 4.5): its PKCE verifier is in the other's session."""
    thiefs = Visitor()
    stolen = on.idp.approve(on.go(visitor))
    mine = on.idp.approve(on.go(thiefs))
    code = stolen.partition("code=")[2].partition("&")[0]
    ours = mine.partition("code=")[2].partition("&")[0]
    is_refused(on, thiefs.get(mine.replace(ours, code)), "answered 400", thiefs)


def test_a_token_of_another_sign_in_is_not_taken(on: Acme, visitor: Visitor) -> None:
    other = on.idp.approve(on.go(Visitor()))
    token = on.idp.id_token(on.idp.codes[other.partition("code=")[2].partition("&")[0]])
    on.idp.instead["/token"] = said({"access_token": on.idp.access, "id_token": token})
    is_refused(on, on.sign_in(visitor), "(nonce)", visitor)


def test_an_answer_of_another_provider_is_not_taken(
    on: Acme, visitor: Visitor, providers: Server
) -> None:
    """Mix-up (RFC 9207): the browser comes back from somebody else with a code of theirs."""
    evil = Idp(providers)
    is_refused(on, visitor.get(on.idp.approve(on.go(visitor), iss=evil.issuer)), "(iss)", visitor)
    # One that does not say who it is may leave it out; one that says so may not.
    assert Visitor_back(on, iss=None).status == 302
    discovery.forget(on_provider(on))
    on.idp.metadata = {"authorization_response_iss_parameter_supported": True}
    on.idp.subject = "another"
    on.someone()
    is_refused(on, Visitor_back(on, iss=None), "(iss)")
    assert Visitor_back(on).status == 302


def Visitor_back(on: Acme, **changes: str | None) -> Page:
    visitor = Visitor()
    return visitor.get(on.idp.approve(on.go(visitor), **changes))


def test_each_provider_has_an_address_of_its_own_to_come_back_to(
    on: Acme, visitor: Visitor, globex: Any, providers: Server, nameserver: NameServer
) -> None:
    theirs = set_up(globex, Idp(providers), nameserver)
    back = on.idp.approve(on.go(visitor))
    page = visitor.get(back.replace(on.row.id, theirs.row.id))
    is_refused(on, page, "not belong to a sign-in", visitor)
    assert visitor.get(back).status == 400  # it was over with the first try


def test_what_is_sent_twice_or_is_an_error_signs_nobody_in(on: Acme) -> None:
    for change, why in (
        ("&code=another", "answered twice"), ("&iss=x", "answered twice"),
        ("&error=server_error", "an error"), ("&error=access_denied", "may not come in"),
    ):  # fmt: skip
        visitor = Visitor()
        is_refused(on, visitor.get(on.idp.approve(on.go(visitor)) + change), why, visitor)
    assert Visitor_back(on, code=None).status == 403
    assert Visitor_back(on, code="x" * 3_000).status == 403


def test_what_a_provider_says_is_never_repeated(on: Acme) -> None:
    loud = "<script>alert(1)</script>"
    page = Visitor_back(on, error=loud, error_description=loud)
    assert page.status == 403 and "alert(1)" not in page.html
    on.idp.bend["iss"] = loud
    assert "alert(1)" not in Visitor_back(on).html


def test_userinfo_fills_in_what_the_token_lacks_and_nothing_else(on: Acme) -> None:
    email, on.idp.bend["email"] = on.idp.bend["email"], None
    on.idp.bend["amr"] = None
    on.idp.userinfo = {
        "sub": on.idp.subject, "email": email, "amr": ["mfa"], "iss": "x", "nonce": "x",
    }  # fmt: skip
    discovery.forget(on_provider(on))
    page = Visitor_back(on)
    # An address is taken, how they proved themselves is not: our own factor is asked for.
    assert (page.status, page.goes_to) == (302, "/sso/factor/")
    person = on.person()
    assert person is not None and person.email == email.lower()

    on.idp.subject, on.idp.bend["email_verified"] = "another", None
    for sub in ("somebody else", None):
        on.idp.userinfo["sub"] = sub
        is_refused(on, Visitor_back(on), "about somebody else")


def test_a_failed_sign_in_is_recorded_with_its_reason(on: Acme, visitor: Visitor) -> None:
    on.idp.bend["aud"] = "another"
    on.sign_in(visitor)
    with platform_scope("a test reads the ledger"):
        latest = entries(tenant=None, type="login.failed").first()
        assert latest is not None
        told = payload_of(latest)
    assert told is not None and "(aud)" in str(told.body)


def test_ways_that_begin_are_counted(on: Acme, visitor: Visitor) -> None:
    pages = [visitor.post(on.door) for _ in range(40)]
    assert pages[0].status == 200 and pages[-1].status == 429
    assert "retry-after" in pages[-1].headers
    assert Visitor().post(on.door).status == 200
