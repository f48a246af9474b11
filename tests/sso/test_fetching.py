"""The one way out reaches what it may, and nothing that only looks like it."""

import ipaddress
import socket
import threading
from typing import Any

import pytest

from portal.core import fetching
from portal.core.client_address import parse_address
from portal.core.fetching import EVERYWHERE, Unanswered, fault_of_url, fetch, may_reach
from tests.plugin import ROOT
from tests.sso.provider import Idp, Said

PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3
    169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1
    192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250
    240.0.0.1 255.255.255.255 :: ::1 ::10.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
    ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1
    2001:0:7f00:1::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: fc00::1 fd00:ec2::254 fe80::1
    fec0::1 ff02::1 ff05::2
"""  # one a word
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "::ffff:8.8.8.8", "2606:4700::1111"]


def test_private_addresses_in_every_spelling_are_not_reached() -> None:
    found = {text: parse_address(text) for text in (*PRIVATE.split(), *PUBLIC)}
    assert [text for text in PRIVATE.split() if may_reach(found[text], [])] == []  # type: ignore[arg-type]
    assert [text for text in PUBLIC if not may_reach(found[text], [])] == []  # type: ignore[arg-type]


def test_a_network_that_the_operator_named_is_reached_and_no_other() -> None:
    inside = [ipaddress.ip_network("10.1.0.0/16")]
    told = {text: may_reach(ipaddress.ip_address(text), inside) for text in
            ("10.1.2.3", "10.2.0.1", "127.0.0.1")}  # fmt: skip
    assert told == {"10.1.2.3": True, "10.2.0.1": False, "127.0.0.1": False}


@pytest.mark.parametrize(
    "url",
    ["http://login.acme.example/", "ftp://login.acme.example/", "file:///etc/passwd", "//a.example",
     "https://", "https://user@a.example/", "https://user:pw@a.example/", "https://a.example/#x",
     "https://a.example:x/", "https://a.example:99999/", "https://a.example/ b", "https://é.example/",
     "https://a.example/\r\nX: 1", "gopher://127.0.0.1/", "http://127.0.0.1.evil.example/",
     "http://localhost.evil.example/", "https://a.example/" + "x" * 2_048],
)  # fmt: skip
def test_what_is_no_address_of_a_server_is_not_asked(url: str) -> None:
    assert fault_of_url(url) is not None
    with pytest.raises(Unanswered):
        fetch(url, inside=EVERYWHERE)


def test_the_address_is_judged_where_the_connection_is_made(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a name that was public when it was looked at is private when it is used."""
    real = socket.getaddrinfo
    answers = ["93.184.216.34", "127.0.0.1"]
    names = []

    def rebinding(host: str, port: int, *rest: Any, **more: Any) -> Any:
        names.append(host)
        return real(answers[min(len(names) - 1, 1)], port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert rebinding("login.acme.example", 443)[0][4][0] == "93.184.216.34"
    with pytest.raises(Unanswered, match="private network"):
        fetch("https://login.acme.example/keys", inside=[])
    assert names == ["login.acme.example"] * 2 and idp.asked == []


def test_proxies_of_the_environment_are_not_used(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    answer = fetch(f"{idp.issuer}/keys", inside=EVERYWHERE)
    assert (answer.status, answer.media) == (200, "application/json")


def test_an_answer_at_the_cap_is_taken_and_one_above_is_not(idp: Idp) -> None:
    for size, taken in ((65_536, True), (65_537, False)):
        idp.instead["/keys"] = Said(b"x" * size)
        if taken:
            assert len(fetch(f"{idp.issuer}/keys", inside=EVERYWHERE).body) == size
        else:
            with pytest.raises(Unanswered, match="more than 65536"):
                fetch(f"{idp.issuer}/keys", inside=EVERYWHERE)


def test_one_that_is_slow_keeps_nobody_from_the_others(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "PATIENCE", 3.0)
    idp.instead["/keys"] = Said(b"x" * 20, drip=0.1)
    told: list[str] = []

    def ask() -> None:
        try:
            told.append(str(fetch(f"{idp.issuer}/keys", inside=EVERYWHERE).status))
        except Unanswered as error:
            told.append(str(error))

    crowd = [threading.Thread(target=ask) for _ in range(12)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join()
    assert sorted(told) == ["200"] * 4 + ["too many ask it at this moment"] * 8
    assert fetch(f"{idp.issuer}/keys", inside=EVERYWHERE).status == 200


def test_a_server_without_a_good_certificate_is_not_believed(idp: Idp) -> None:
    with pytest.raises(Unanswered, match="TLS"):
        fetch(f"https{idp.issuer.removeprefix('http')}/keys", inside=EVERYWHERE)


def test_nobody_else_in_the_product_goes_out() -> None:
    clients = ("http.client", "urllib.request", "httpx", "requests", "aiohttp", "urllib3")
    found = {
        str(path.relative_to(ROOT))
        for package in ("portal", "keys", "consent", "audit")
        for path in (ROOT / package).rglob("*.py")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith(("import ", "from ")) and any(
            f" {client}" in line for client in clients
        )
    }  # fmt: skip
    # One asks the portal itself whether it is up, one shows others how to ask it.
    assert found == {"portal/core/fetching.py", "portal/run.py", "keys/pages/paste.py"}
