"""What sign-in is made of: codes, seeds, tries and links."""

import gzip
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import segno
import time_machine
from django.contrib.auth import password_validation

from portal.core.clock import now
from portal.core.ids import base62
from portal.core.refusals import Faults
from portal.core.sealing import SealBroken, open_sealed
from portal.tenancy.models import Invitation, Person, RecoveryCode, Totp
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in import passwords
from portal.tenancy.signing_in.factors import (
    ALPHABET,
    Enrolment,
    Qr,
    set_app,
    set_recovery_codes,
    six_digits,
    step_of,
    use_code,
    use_recovery_code,
)
from portal.tenancy.signing_in.inviting import invite_first, invite_person
from portal.tenancy.signing_in.surroundings import browser_in_words, network_in_words
from portal.tenancy.signing_in.throttling import Bucket, Rate, give_back, seconds_to_wait
from portal.tenancy.tasks import forget_sign_ins
from tests.cast import OPERATOR
from tests.pages.browser import staff
from tests.races import at_once

Db = psycopg.Connection[Any]


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (89, "359152"),  # RFC 4226, appendix D, counter 2
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_the_rfcs(seconds: int, code: str) -> None:
    seed = b"12345678901234567890"
    with time_machine.travel(seconds, tick=False):
        assert step_of(seed, code) == seconds // 30
    with time_machine.travel(seconds + 30, tick=False):
        assert step_of(seed, code) == seconds // 30
    for other in (60, -30):
        with time_machine.travel(seconds + other, tick=False):
            assert step_of(seed, code) is None


def test_a_code_is_six_ascii_digits_and_spaces() -> None:
    assert [six_digits(text) for text in ("123456", " 123 456 ", "1 2 3 4 5 6")] == ["123456"] * 3
    bad = ["", "12345", "1234567", "１２３４５６", "12345٦", "123\u00a0456", "123456\n", "+12345"]
    assert [six_digits(text) for text in bad] == [None] * len(bad)


def test_a_step_is_used_once_and_no_earlier_one_after() -> None:
    person, seed = staff("Ada", ""), b"12345678901234567890"
    with platform_scope("a test"):
        set_app(person.id, seed, 0)
        with time_machine.travel(1111111111, tick=False):
            assert not use_code(person.id, "000000")
            assert use_code(person.id, "050471")
            assert not use_code(person.id, "050471")
            assert not use_code(person.id, "081804")


def test_a_seed_is_sealed_for_its_person_alone() -> None:
    ada, ben = staff("Ada", ""), staff("Ben", "")
    with platform_scope("a test"):
        set_app(ada.id, b"12345678901234567890", 0)
        sealed = Totp.objects.get(user=ada).sealed_seed
    with pytest.raises(SealBroken):
        open_sealed(sealed, "seed of a second factor", ben.id)
    assert repr(Enrolment.new()) == "Enrolment()"


def test_a_seed_whose_key_left_the_ring_proves_nothing() -> None:
    person, seed = staff("Ada", ""), b"12345678901234567890"
    with platform_scope("a test"), time_machine.travel(1111111111, tick=False):
        set_app(person.id, seed, 0)
        lost = "9" + Totp.objects.get(user=person).sealed_seed
        Totp.objects.filter(user=person).update(sealed_seed=lost)
        assert not use_code(person.id, "050471")


def test_recovery_codes_have_sixty_bits_and_are_only_digested() -> None:
    ada, codes = staff("Ada", ""), Enrolment.new().codes
    assert len(ALPHABET) == 32 and len(set(codes)) == 8
    assert all(re.fullmatch(f"[{ALPHABET}]{{4}}(-[{ALPHABET}]{{4}}){{2}}", code) for code in codes)
    with platform_scope("a test"):
        set_recovery_codes(ada.id, codes)
        kept = [bytes(row.digest) for row in RecoveryCode.objects.filter(person=ada)]
        assert len({len(digest) for digest in kept}) == 1 and len(set(kept)) == 8
        RecoveryCode.objects.filter(person=ada).update(pepper_id=99)
        assert not use_recovery_code(ada.id, codes[0])  # its pepper left the ring


def test_an_enrolment_comes_back_only_where_it_was_sealed_for() -> None:
    made = Enrolment.new()
    assert Enrolment.opened(made.sealed("inv_a"), "inv_a") == made
    assert Enrolment.opened(made.sealed("inv_a"), "inv_b") is None
    assert Enrolment.opened("", "inv_a") is None


def test_the_picture_is_the_code_that_segno_makes() -> None:
    text = "otpauth://totp/Countersign:sol@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Countersign"
    drawn, told = Qr.of(text), segno.make(text, error="m", micro=False).matrix
    rows = [bytearray(len(told)) for _ in told]
    for x, y, length in re.findall(r"M(\d+) (\d+)\.5h(\d+)", drawn.path):
        for place in range(int(length)):
            rows[int(y)][int(x) + place] = 1
    assert rows == [bytearray(row) for row in told]
    assert drawn.size == str(len(told))


@pytest.mark.parametrize(
    "password", ["x" * 14, "123123123123123", "passwordpassword", "q" * 1025, ""]
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    faults = Faults()
    passwords.fault_in(faults, password, Person(email="sol@example.com", name="Sol"))
    assert len(faults.errors) >= 1


@pytest.mark.parametrize(
    "password", ["fifteen letters", "é" * 3 + "correct horse b", "🐎 battery staple 🔋"]
)
def test_a_long_one_is_taken_whatever_is_in_it(password: str) -> None:
    faults = Faults()
    passwords.fault_in(faults, password, Person(email="sol@example.com", name="Sol"))
    assert faults.errors == []


def test_a_password_is_the_same_however_a_keyboard_spells_it(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    person = Person(password=passwords.hashed("cafe\u0301 du matin, bien noir"))
    assert passwords.is_right("caf\u00e9 du matin, bien noir", person)
    assert not passwords.is_right("cafe du matin, bien noir", person)


def test_tries_are_counted_exactly_however_many_come_at_once() -> None:
    bucket = Bucket(Rate(60, 5), base62(12))
    waits = at_once(*[lambda: seconds_to_wait(bucket)] * 20)
    assert waits.count(0) == 5
    assert all(0 < wait <= 60 for wait in waits if wait)


def test_a_refused_try_costs_nothing_and_one_given_back_is_there_again() -> None:
    bucket = Bucket(Rate(60, 1), base62(12))
    assert seconds_to_wait(bucket) == 0
    assert all(1 <= seconds_to_wait(bucket) <= 60 for _ in range(50))
    give_back([bucket])
    assert seconds_to_wait(bucket) == 0


def test_tries_name_nobody_and_are_forgotten(owner_db: Db) -> None:
    bucket = Bucket(Rate(0.05, 1), f"sol@example.com {base62(12)}")
    seconds_to_wait(bucket)
    count = "SELECT count(*) FROM tenancy_tries WHERE full_at < now()"
    rows = owner_db.execute("SELECT t::text FROM tenancy_tries t").fetchall()
    assert not any("sol@" in row for (row,) in rows)
    owner_db.execute("UPDATE tenancy_tries SET full_at = now() - interval '1 second'")
    forget_sign_ins()
    assert owner_db.execute(count).fetchone() == (0,)


def test_of_links_that_are_made_at_once_one_stays_open(owner_db: Db) -> None:
    owner_db.execute("UPDATE tenancy_person SET platform_role = '' WHERE password NOT LIKE '!%'")
    ada = staff("Ada", "")
    at_once(*[lambda: invite_first(actor=OPERATOR)] * 5)
    at_once(*[lambda: invite_person(actor=OPERATOR, person_id=ada.id)] * 5)
    with platform_scope("a test"):
        open_ = Invitation.objects.filter(used_at__isnull=True, expires_at__gt=now())
        assert open_.filter(person=None).count() == 1
        assert open_.filter(person=ada).count() == 1


def known() -> list[str]:
    """Django's list of the passwords that are guessed first, from what leaked."""
    path = Path(password_validation.__file__).parent / "common-passwords.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file]


def faults_of(password: str) -> str:
    faults = Faults()
    passwords.fault_in(faults, password, Person(email="sol@example.com", name="Sol"))
    return " ".join(error["detail"] for error in faults.errors)


def test_none_of_the_leaked_top_thousands_is_taken_however_it_is_spelled() -> None:
    leaked = known()
    assert len(leaked) >= 19_000
    for password in leaked:
        assert faults_of(password), password
    long = [password for password in leaked if len(password) >= 15]
    assert long
    for password in long:
        wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in password)
        for spelled in (password, password.upper(), f" {password} ", wide):
            assert "too common" in faults_of(spelled), spelled


def test_nor_is_one_of_them_twice() -> None:
    often = [password for password in known()[:2_000] if 2 * len(password) >= 15]
    assert len(often) > 50
    for password in often:
        assert "too common" in faults_of(password * 2), password


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("", "another browser"),
        ("curl/8.5.0", "another browser"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
         " Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
         " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 OPR/120.0",
         "Opera on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
         " Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
         " Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1", "Chrome on iOS"),
        ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 FxiOS/140.0 Safari",
         "Firefox on iPadOS"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 SamsungBrowser/28.0 Chrome/130.0"
         " Mobile Safari/537.36", "Samsung Internet on Android"),
        ("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
         "Chrome on ChromeOS"),
        ("<b>Linux</b>", "another browser on Linux"),
        ("x" * 5000 + "Firefox/140.0", "another browser"),
    ],
)  # fmt: skip
def test_a_browser_is_told_in_words_of_ours(agent: str, words: str) -> None:
    assert browser_in_words(agent) == words


@pytest.mark.parametrize(
    ("address", "network"),
    [("203.0.113.77", "203.0.113.0/24"), ("2001:db8:41:5::1", "2001:db8:41::/48"),
     ("::1", "::/48"), (None, "")],
)  # fmt: skip
def test_an_address_is_kept_without_its_end(address: str | None, network: str) -> None:
    assert network_in_words(address) == network
