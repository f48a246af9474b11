"""Guessing is slow, and keeps nobody out for ever."""

import ipaddress
from typing import Any

import psycopg
import pytest

from audit.ledger.models import Entry
from portal.core import configuration
from portal.tenancy.scope import platform_scope
from tests.pages.app import PASSWORD, Someone, Visitor, new_address, someone

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
CODE, RECOVERY = "/admin/login/code/", "/admin/login/recovery/"


@pytest.fixture
def sol() -> Someone:
    return someone()


def later(owner_db: Db, seconds: int) -> None:
    """Let time pass for all that were counted."""
    owner_db.execute("UPDATE tenancy_tries SET full_at = full_at - make_interval(secs => %s)",
                     [seconds])  # fmt: skip


def besiege(email: str) -> None:
    """Use up an account's tries from everywhere."""
    for _ in range(10):
        assert Visitor().give_password(email, "a guess").status == 400


def test_an_accounts_tries_end_wherever_they_come_from(sol: Someone) -> None:
    besiege(sol.person.email)
    for email in (sol.person.email, sol.person.email.upper()):
        answer = Visitor().give_password(email, PASSWORD)
        assert answer.status == 429
        seconds = int(answer.headers["retry-after"])
        assert 1 <= seconds <= 60
        assert f"Too many tries. Wait {seconds} seconds." in answer.text
        assert answer.fields()["email"] == [email]
    with platform_scope("a test looks"):
        assert Entry.objects.filter(object_id=sol.person.id, type="login.throttled").exists()


def test_an_unknown_address_is_throttled_alike() -> None:
    besiege("nobody-at-all@example.com")
    answer = Visitor().give_password("nobody-at-all@example.com", PASSWORD)
    assert answer.status == 429


def test_a_try_comes_back_with_time(sol: Someone, owner_db: Db) -> None:
    besiege(sol.person.email)
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 429
    later(owner_db, 61)
    visitor = Visitor()
    assert visitor.give_password(sol.person.email, PASSWORD).goes_to == CODE
    assert visitor.post(CODE, {"code": sol.code()}).goes_to == "/admin/"


def test_a_browser_that_signed_in_before_is_let_in_meanwhile(sol: Someone) -> None:
    known = Visitor()
    known.sign_in(sol)
    known.post("/admin/logout/")
    besiege(sol.person.email)
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 429
    assert known.sign_in(sol).goes_to == "/admin/"
    # From another network, too, and from one whose tries are used up.
    tried = (Visitor(known.address).give_password(f"n{n}@example.com", "x") for n in range(60))
    assert any(answer.status == 429 for answer in tried)
    known.post("/admin/logout/")
    assert known.sign_in(sol).goes_to == "/admin/"


def test_that_browser_has_tries_of_its_own_which_end_too(sol: Someone) -> None:
    known = Visitor()
    known.sign_in(sol)
    for _ in range(10):
        assert known.give_password(sol.person.email, "a guess").status == 400
    assert known.give_password(sol.person.email, PASSWORD).status == 429
    assert Visitor().give_password(sol.person.email, PASSWORD).goes_to == CODE


def test_a_forged_or_foreign_device_cookie_is_no_device(sol: Someone) -> None:
    ira, other = someone("Ira", "auditor"), Visitor()
    other.sign_in(ira)
    foreign = other.client.cookies["countersign-device"].value
    besiege(sol.person.email)
    for value in (foreign, foreign[:-2], "x", '["a","b"]:1:2', ""):
        visitor = Visitor()
        visitor.client.cookies["countersign-device"] = value
        assert visitor.give_password(sol.person.email, PASSWORD).status == 429


def test_a_right_sign_in_costs_no_try(sol: Someone) -> None:
    address = new_address()
    for _ in range(12):
        assert Visitor(address).sign_in(sol).goes_to == "/admin/"


def test_a_network_has_its_tries_and_ipv6_counts_by_its_64() -> None:
    statuses = [
        Visitor(f"2001:db8:7:7::{place:x}").give_password(f"n{place}@example.com", "x").status
        for place in range(34)
    ]
    assert statuses[:30] == [400] * 30
    assert 429 in statuses[30:]  # one comes back each ten seconds
    assert Visitor("2001:db8:7:8::1").give_password("n@example.com", "x").status == 400


def guess(visitor: Visitor, place: int) -> int:
    told = {"email": f"x{place}@example.com", "password": "x"}
    forwarded = f"203.0.113.{place}"
    return visitor.post("/admin/login/", told, HTTP_X_FORWARDED_FOR=forwarded).status


def test_x_forwarded_for_is_not_believed_from_anyone() -> None:
    visitor = Visitor()
    statuses = [guess(visitor, place) for place in range(50)]
    assert statuses[:30] == [400] * 30
    assert statuses[30:].count(429) >= 15


def test_x_forwarded_for_is_believed_from_a_trusted_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor()
    monkeypatch.setenv("TRUSTED_PROXIES", visitor.address)
    assert configuration.TRUSTED_PROXIES() == [ipaddress.ip_network(visitor.address)]
    assert [guess(visitor, place) for place in range(50)] == [400] * 50


def test_codes_are_guessed_slower_still(sol: Someone, owner_db: Db) -> None:
    visitor = Visitor()
    visitor.give_password(sol.person.email, PASSWORD)
    for path in (CODE, CODE, RECOVERY, RECOVERY, CODE):
        assert visitor.post(path, {"code": "000000"}).status == 400
    for other in (visitor, Visitor()):
        other.give_password(sol.person.email, PASSWORD)
        answer = other.post(CODE, {"code": sol.code()})
        assert answer.status == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 600
    later(owner_db, 601)
    assert visitor.post(CODE, {"code": sol.code()}).goes_to == "/admin/"


def test_a_lost_redis_neither_frees_the_guesses_nor_keeps_people_out(
    sol: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.core import redis

    def lost() -> Any:
        raise AssertionError("sign-in asked Redis")

    visitor = Visitor()
    visitor.get("/admin/login/")  # every module is imported by now: none keeps what follows
    monkeypatch.setattr(redis, "client", lost)
    monkeypatch.setattr("portal.core.throttle.client", lost)
    assert visitor.give_password(sol.person.email, PASSWORD).goes_to == CODE
    assert visitor.post(CODE, {"code": sol.code()}).goes_to == "/admin/"
    besiege(sol.person.email)
    assert Visitor().give_password(sol.person.email, PASSWORD).status == 429
