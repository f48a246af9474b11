"""Credentials: their shape, their checksum, and a type that shows itself to nobody by accident."""

import base64
import copy
import json
import pickle
import string
from collections import Counter
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import ids, tokens
from portal.core.ids import ALPHABET, base62
from portal.core.logs import redact
from portal.core.tokens import SecretText

OLD, NEW = base64.b64encode(b"o" * 32).decode(), base64.b64encode(b"n" * 32).decode()


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`ring("1:…,2:…")`: these are the peppers from now on."""

    def use(text: str) -> None:
        monkeypatch.setenv("KEY_PEPPERS", text)
        tokens._ring.cache_clear()

    yield use
    tokens._ring.cache_clear()


def whole(body: str) -> str:
    return body + tokens.checksum(body)


def test_a_credential_says_what_it_is() -> None:
    for brand in ("csk", tokens.GATEWAY, tokens.MANAGEMENT):
        for environment in ("live", "test"):
            minted = tokens.mint(brand, environment)
            text = minted.secret.reveal()
            assert tokens.parse(text) == (brand, environment, minted.kid)
            assert len(text) == 71 <= tokens.LONGEST
            assert set(text) <= set(ALPHABET + "_")


def test_the_checksum_is_the_crc32_of_all_before_it_in_base62() -> None:
    assert string.digits + string.ascii_uppercase + string.ascii_lowercase == ALPHABET
    for text, number in (("123456789", 0xCBF43926), ("", 0), ("a", 0xE8B7BE43)):
        assert crc32(text.encode()) == number
        digits = [ALPHABET.index(digit) for digit in tokens.checksum(text)]
        assert len(digits) == 6
        assert sum(digit * 62**place for place, digit in enumerate(reversed(digits))) == number
    assert tokens.checksum("") == "000000"


@given(st.integers(0, 70), st.sampled_from(ALPHABET + "_- \n\0"))
def test_one_wrong_character_anywhere_is_noticed(place: int, character: str) -> None:
    text = tokens.mint("csk", "live").secret.reveal()
    changed = text[:place] + character + text[place + 1 :]
    assert (tokens.parse(changed) is None) is (changed != text)


@given(st.integers(0, 69))
def test_so_are_two_that_changed_places(place: int) -> None:
    text = tokens.mint("csk", "test").secret.reveal()
    changed = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    assert (tokens.parse(changed) is None) is (changed != text)


@given(st.text(max_size=150))
def test_any_text_at_all_is_no_credential_and_raises_nothing(text: str) -> None:
    assert tokens.parse(text) is None
    assert tokens.parse(whole(f"csk_live_{text}")) is None


def test_only_this_shape_will_do_even_with_a_right_checksum() -> None:
    kid, secret = base62(12), base62(43)
    wrong = [
        f"xyz_live_{kid}_{secret}", f"csk_prod_{kid}_{secret}", f"csk_live_{kid[1:]}_{secret}",
        f"csk_live_{kid}_{secret[1:]}", f"csk_live_{kid}0_{secret}", f"CSK_live_{kid}_{secret}",
        f"csk_live_{kid}_{secret[1:]}-", f"csk_live_{kid}_{secret[1:]}é", f"csklive{kid}{secret}",
    ]  # fmt: skip
    for body in wrong:
        assert tokens.parse(whole(body)) is None, body
    right = whole(f"csk_live_{kid}_{secret}")
    assert tokens.parse(right)
    for text in (right + "\n", "\n" + right, right + "\0", " " + right, right * 2, right[:-1]):
        assert tokens.parse(text) is None


def test_its_text_is_shown_to_who_asks_for_it_only() -> None:
    minted = tokens.mint("csk", "live")
    secret, text = minted.secret, minted.secret.reveal()
    shown = [
        repr(secret), str(secret), f"{secret}", f"{secret!r:>99}", repr([secret]),
        repr(minted), repr(vars(minted)), repr(dir(secret)), repr(redact({"secret": secret})),
        json.dumps({"secret": secret}, default=repr),
    ]  # fmt: skip
    for said in shown:
        assert text[22:32] not in said
    assert repr(secret) == f"<SecretText csk_live_{minted.kid}…>"
    assert repr(SecretText("hunter2 hunter2 hunter2")) == "<SecretText>"
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_it_goes_into_no_job_and_no_session(store: Any) -> None:
    with pytest.raises(TypeError) as refused:
        store(tokens.mint("csk", "live").secret)
    assert "csk_live_" not in str(refused.value)


def test_what_is_kept_is_an_hmac_of_all_of_it_under_the_newest_pepper(ring: Any) -> None:
    ring(f"1:{OLD},7:{NEW}")
    minted = tokens.mint("csk", "live")
    text = minted.secret.reveal()
    assert (minted.pepper_id, len(minted.digest)) == (7, 32)
    assert minted.digest == tokens.digest(text, 7) != tokens.digest(text, 1)
    assert tokens.verify(text, minted.digest, 7)
    other = whole(text[:22] + base62(43))
    assert not tokens.verify(other, minted.digest, 7)
    assert not tokens.verify(text, minted.digest, 1)
    assert not tokens.verify(text, tokens.NOBODY, 7)


def test_an_older_pepper_verifies_until_it_leaves_the_ring(ring: Any) -> None:
    ring(f"1:{OLD}")
    minted = tokens.mint("csk", "live")
    text = minted.secret.reveal()
    ring(f"1:{OLD},2:{NEW}")
    assert tokens.newest_pepper() == 2
    assert tokens.verify(text, minted.digest, 1)
    ring(f"2:{NEW}")
    assert not tokens.verify(text, minted.digest, 1)
    # Not even when the same text under the newest pepper is what is stored.
    assert not tokens.verify(text, tokens.digest(text, 2), 1)


def test_verifying_compares_in_constant_time_and_always_computes(
    monkeypatch: pytest.MonkeyPatch, ring: Any
) -> None:
    ring(f"2:{NEW}")
    compared: list[tuple[bytes, bytes]] = []
    computed: list[int] = []
    digest = tokens.digest

    def compare(computed: bytes, expected: bytes) -> bool:
        compared.append((computed, expected))
        return False

    def compute(text: str, pepper_id: int) -> bytes:
        computed.append(pepper_id)
        return digest(text, pepper_id)

    monkeypatch.setattr("portal.core.tokens.hmac.compare_digest", compare)
    monkeypatch.setattr(tokens, "digest", compute)
    for pepper_id in (2, 1, 99):
        assert not tokens.verify("x", tokens.NOBODY, pepper_id)
    assert computed == [2, 2, 2]
    assert len(compared) == 3


def test_every_character_is_as_likely_as_any_other() -> None:
    drawn = Counter(base62(200_000))
    expected = 200_000 / 62
    chi_squared = sum((drawn[c] - expected) ** 2 / expected for c in ALPHABET)
    assert set(drawn) == set(ALPHABET)
    assert chi_squared < 135  # 61 degrees of freedom: exceeded by chance once in ten million


def test_no_two_are_alike() -> None:
    minted = [tokens.mint("csk", "live") for _ in range(2_000)]
    assert len({m.kid for m in minted}) == len({m.secret.reveal()[22:] for m in minted}) == 2_000
    assert len({ids.uuid7() for _ in range(2_000)}) == 2_000
