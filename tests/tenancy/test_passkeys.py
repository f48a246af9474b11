"""Passkeys: what one's own authenticator did not answer here and now proves nothing."""

import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.db import connection
from django_otp_webauthn.models import WebAuthnUserHandle

from audit.ledger.models import Entry
from audit.ledger.reading import payload_of
from audit.ledger.sentences import sentence
from portal.core.clock import now
from portal.core.refusals import Refusal
from portal.tenancy.models import Passkey, Session, Totp
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in import passkeys
from portal.tenancy.signing_in.challenges import LASTS
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.signing_in.own_passkeys import (
    MOST,
    begin_passkey,
    remove_passkey,
    rename_passkey,
)
from portal.tenancy.signing_in.passkeys import about, request_options, second_factor
from portal.tenancy.signing_in.passwordless import ALONE, sign_in_by_passkey
from portal.tenancy.signing_in.setting_up import Chosen, accept_invitation
from portal.tenancy.signing_in.signing import SignedIn, sign_in
from portal.tenancy.signing_in.throttling import Wait
from tests.authenticator import AT, BE, BS, UP, UV, Authenticator, b64, raw
from tests.cast import OPERATOR
from tests.pages.app import PASSWORD, code_of, someone
from tests.pages.browser import session_of, staff
from tests.tenancy.holder import HERE, Holder, holder, visitor

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
THERE = "t" * 32
Lies = dict[str, Any]


@pytest.fixture
def sol() -> Holder:
    return holder()


def kept(of: Holder) -> list[Passkey]:
    with platform_scope("a test looks"):
        return list(Passkey.objects.filter(user=of.who.person).order_by("created_at"))


def entries(of: Holder, *types: str) -> list[Entry]:
    with platform_scope("a test looks"):
        found = Entry.objects.filter(object_id=of.who.person.id, type__in=types)
        return list(found.order_by("occurred_at", "id"))


def told_of(entry: Entry) -> str:
    with platform_scope("a test looks"):
        return sentence(entry, payload_of(entry))


def asked_alone(browser: str = HERE) -> dict[str, Any]:
    return request_options(None, about(ALONE, "", browser))


def asked_second(of: Holder, browser: str = HERE) -> dict[str, Any]:
    person = of.who.person
    return request_options(person, about("second", person.id, browser))


def alone(text: str, browser: str = HERE, **told: Any) -> tuple[SignedIn, tuple[str, ...]]:
    return sign_in_by_passkey(
        visitor=told.get("visitor") or visitor(), text=text, browser=browser,
        device=told.get("device"),
    )  # fmt: skip


def second(of: Holder, text: str, browser: str = HERE, **told: Any) -> SignedIn:
    return sign_in(
        visitor=told.get("visitor") or visitor(), person=of.who.person,
        factor=second_factor(browser, text), code=text, device=told.get("device"),
    )  # fmt: skip


def refused(act: Callable[[], Any]) -> str:
    """What someone is told whose passkey is refused; nothing else may come of it."""
    with pytest.raises(Refusal) as caught:
        act()
    assert caught.value.code == "CREDENTIAL_INVALID", caught.value
    return str(caught.value.errors[0]["detail"])


def test_a_passkey_signs_in_alone_and_after_a_password(sol: Holder) -> None:
    done, auth = alone(sol.device.get(asked_alone()))
    assert (done.person.id, done.codes_left, auth) == (
        sol.who.person.id, 8, ("hwk", "user", "mfa"),
    )  # fmt: skip
    second(sol, sol.device.get(asked_second(sol)))
    first, after = entries(sol, "login.by_passkey", "login.succeeded")[-2:]
    assert told_of(first) == "Sol Okafor signed in with a passkey alone"
    assert told_of(after) == "Sol Okafor signed in with password and passkey"
    assert [json.loads(entry.envelope)["actor"]["auth"] for entry in (first, after)] == [
        ["hwk", "user", "mfa"], ["pwd", "hwk", "user"],
    ]  # fmt: skip
    (passkey,) = kept(sol)
    assert passkey.sign_count == sol.device.count == 3
    assert passkey.last_used_at is not None


def test_one_that_may_be_copied_is_a_key_in_software() -> None:
    copied = holder(flags=UP | UV | BE | BS, count=0)
    assert alone(copied.device.get(asked_alone()))[1] == ("swk", "user", "mfa")
    assert alone(copied.device.get(asked_alone()))[1] == ("swk", "user", "mfa")  # it counts nothing
    assert kept(copied)[0].sign_count == 0


def test_adding_one_takes_a_code_ends_other_sessions_and_is_recorded() -> None:
    sol = Holder(someone())
    session_of(sol.who.person)
    sol.add("Sol’s laptop")
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.who.person).count() == 0
    (entry,) = entries(sol, "passkey.added")
    assert told_of(entry) == "Sol Okafor added the passkey Sol’s laptop"
    for wrong in ("000000", "", "x" * 40):
        with pytest.raises(Refusal) as caught:
            begun(sol, code=wrong)
        assert caught.value.errors[0]["pointer"] == "/code"


def begun(of: Holder, **told: Any) -> dict[str, Any]:
    given = {"name": "Laptop", "code": of.who.code(), "device": None, "browser": HERE, **told}
    return begin_passkey(actor=of.actor, person=of.who.person, **given)


def test_the_browser_is_told_what_is_had_already_and_a_random_handle(sol: Holder) -> None:
    ira = Holder(someone("Ira", "auditor"))
    first, other = sol.begin(), ira.begin()
    assert [raw(each["id"]) for each in first["excludeCredentials"]] == [sol.device.id]
    assert other["excludeCredentials"] == []
    handles = [raw(each["user"]["id"]) for each in (first, sol.begin(), other)]
    assert [len(handle) for handle in handles] == [64, 64, 64]
    assert handles[0] == handles[1] == sol.device.handle != handles[2]
    assert sol.who.person.id.encode() not in handles[0]
    assert first["rp"] == {"id": "localhost", "name": "Countersign"}
    assert first["authenticatorSelection"]["residentKey"] == "preferred"
    assert first["attestation"] == "none"
    assert [each["alg"] for each in first["pubKeyCredParams"]] == [-7, -8, -257]


def test_who_is_not_known_yet_is_told_of_nobodys_passkeys(sol: Holder) -> None:
    nobody, known = asked_alone(), asked_second(sol)
    assert (nobody["allowCredentials"], nobody["userVerification"]) == ([], "required")
    assert [raw(each["id"]) for each in known["allowCredentials"]] == [sol.device.id]
    assert nobody["rpId"] == known["rpId"] == "localhost"


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
ANSWERS: dict[str, Lies] = {
    "another origin": {"origin": "https://evil.example"},
    "the same host over HTTPS": {"origin": "https://localhost:8000"},
    "another port": {"origin": "http://localhost:8001"},
    "an address of the same machine": {"origin": "http://127.0.0.1:8000"},
    "an origin that only begins alike": {"origin": "http://localhost:8000.evil.example"},
    "another relying party": {"rp": "evil.example"},
    "a relying party above": {"rp": "host"},
    "a frame of somebody else": {"framed": True},
    "nobody present": {"flags": UV},
    "copied though it can't be": {"flags": UP | UV | BS},
    "another public-key type": {"public": "password"},
    "a challenge of its own": {"challenge": b64(bytes(64))},
    "no challenge": {"challenge": ""},
    "a challenge that is a number": {"challenge": 7},
    "a challenge that is no base64": {"challenge": "é"},
    "another id beside": {"more": {"id": "AAAA"}},
    "no raw id": {"more": {"rawId": None}},
    "no response": {"more": {"response": None}},
    "a list for a response": {"more": {"response": []}},
    "an attachment of no kind": {"more": {"authenticatorAttachment": "glued"}},
}  # fmt: skip
MADE: dict[str, Lies] = {
    **ANSWERS,
    "an assertion": {"kind": "webauthn.get"},
    "an algorithm that was not asked": {"alg": -47},
    "no algorithm": {"alg": 0},
    "a point off the curve": {"x": bytes(32)},
    "a coordinate that is a text": {"x": "x" * 32},
    "a key that is a list of nothing": {"cose": {}},
    "a key that is a number": {"cose": 7},
    "an id that is too long": {"id": bytes(1024)},
    "bytes after the key": {"after": b"\x00"},
    "an extension that is cut off": {"flags": UP | UV | 128, "after": b"\xbf"},
    "an attestation of no format": {"fmt": "invented"},
    "an attestation that is empty": {"fmt": "packed"},
    "an attestation by a stranger": {"fmt": "packed", "stmt": {"alg": -7, "sig": b"x"}},
    "none, and a statement": {"stmt": {"sig": b"x"}},
    "malformed CBOR": {"object": b"\xff\xff\xff"},
    "CBOR that never ends": {"object": b"\x9f" * 4000},
    "CBOR of four thousand levels": {"object": b"\x81" * 4000 + b"\x00"},
    "CBOR that says to be huge": {"object": b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"},
    "CBOR of a list": {"object": b"\x80"},
    "CBOR of a big number": {"object": b"\xc2\x58\xff" + b"\xff" * 255},
    "no attestation": {"object": b""},
}  # fmt: skip
"""What is wrong with an answer to `create`, by what is wrong with it."""
SIGNED: dict[str, Lies] = {
    **ANSWERS,
    "a registration": {"kind": "webauthn.create"},
    "another key's signature": {"signature": OTHER_KEY.sign(b"x", ec.ECDSA(SHA256()))},
    "no signature": {"signature": b""},
    "a handle of somebody else": {"handle": b"h" * 64},
    "data that is cut off": {"data": bytes(36)},
    "data with a credential that is none": {"flags": UP | UV | AT},
    "an unknown id": {"id": b"u" * 32},
    "a counter that stands": {"count": 1},
    "a counter that went back": {"count": 0},
}  # fmt: skip
"""What is wrong with an answer to `get`."""
TEXTS = {
    "nothing": "", "no JSON": "{", "a list": "[]", "a text": '"x"', "a number": "7", "null": "null",
    "an empty object": "{}", "a deep list": "[" * 9000, "a NUL": "\0", "half a pair": '"\\ud800"',
    "sixteen thousand and more": "x" * 16_385, "a response that is empty": '{"response": {}}',
    "client data that is a list": '{"rawId": "AA", "response": {"clientDataJSON": "W10"}}',
    "client data that is no UTF-8": '{"rawId": "AA", "response": {"clientDataJSON": "_w"}}',
}  # fmt: skip


@pytest.mark.parametrize("lies", MADE.values(), ids=MADE.keys())
def test_no_passkey_comes_of(lies: Lies) -> None:
    sol = Holder(someone())
    asked = sol.begin()
    refused(lambda: sol.send(sol.device.create(asked, **lies)))
    assert (kept(sol), entries(sol, "passkey.added")) == ([], [])
    assert sol.send(sol.device.create(asked)).id == kept(sol)[0].id


@pytest.mark.parametrize("lies", SIGNED.values(), ids=SIGNED.keys())
def test_nobody_is_signed_in_by(sol: Holder, lies: Lies) -> None:
    asked = asked_alone()
    refused(lambda: alone(sol.device.get(asked, **lies)))
    assert entries(sol, "login.by_passkey") == [] and kept(sol)[0].sign_count == 1
    assert alone(sol.device.get(asked))[0].person.id == sol.who.person.id
    asked = asked_second(sol)
    before = len(entries(sol, "login.succeeded"))
    refused(lambda: second(sol, sol.device.get(asked, **lies)))
    assert len(entries(sol, "login.succeeded")) == before
    second(sol, sol.device.get(asked))
    assert "at the passkey" in told_of(entries(sol, "login.failed")[-1])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_no_browser_answers_is_refused(sol: Holder, text: str) -> None:
    refused(lambda: alone(text))
    refused(lambda: second(sol, text))
    sol.begin()
    refused(lambda: sol.send(text))
    assert len(kept(sol)) == 1


def test_alone_it_has_to_verify_its_person_and_name_them(sol: Holder) -> None:
    refused(lambda: alone(sol.device.get(asked_alone(), flags=UP)))
    refused(lambda: alone(sol.device.get(asked_alone(), handle=None)))
    # After a password it need not: the password is known, the device is had.
    second(sol, sol.device.get(asked_second(sol), flags=UP))
    second(sol, sol.device.get(asked_second(sol), handle=None))


def test_a_security_key_without_a_pin_is_a_second_factor_alone() -> None:
    sol = holder(flags=UP)
    refused(lambda: alone(sol.device.get(asked_alone())))
    second(sol, sol.device.get(asked_second(sol)))


def test_somebody_elses_passkey_is_no_second_factor(sol: Holder) -> None:
    ira = holder("Ira Bloom", "auditor")
    refused(lambda: second(sol, ira.device.get(asked_second(sol))))
    refused(lambda: second(sol, ira.device.get(asked_second(sol), handle=sol.device.handle)))
    assert kept(ira)[0].sign_count == 1


def test_a_challenge_is_for_one_purpose_one_person_and_one_browser(sol: Holder) -> None:
    ira = holder("Ira Bloom", "auditor")
    late = "begun on another page"
    assert late in refused(lambda: alone(sol.device.get(asked_second(sol))))
    assert late in refused(lambda: second(sol, sol.device.get(asked_alone())))
    assert late in refused(lambda: second(sol, sol.device.get(asked_second(ira))))
    assert late in refused(lambda: alone(sol.device.get(asked_alone(THERE))))
    assert late in refused(lambda: second(sol, sol.device.get(asked_second(sol, THERE))))
    other = Authenticator()
    assert late in refused(lambda: sol.send(other.create(ira.begin())))
    assert late in refused(lambda: sol.send(other.create(sol.begin(browser=THERE))))
    assert late in refused(lambda: sol.send(other.create({**sol.begin(), **asked_alone()})))


def test_a_challenge_is_good_once(sol: Holder) -> None:
    counting, copied = sol, holder("Ira Bloom", "auditor", count=0)
    for each in (counting, copied):
        text = each.device.get(asked_alone())
        alone(text)
        refused(lambda text=text: alone(text))  # type: ignore[misc]  # bound now
        asked = asked_second(each)
        second(each, each.device.get(asked))
        refused(lambda each=each, asked=asked: second(each, each.device.get(asked)))  # type: ignore[misc]
    asked = copied.begin()
    copied.send(Authenticator().create(asked))
    assert "begun on another page" in refused(lambda: copied.send(Authenticator().create(asked)))
    assert len(kept(copied)) == 2


def test_a_challenge_is_good_for_five_minutes(sol: Holder) -> None:
    signed, made = sol.device.get(asked_alone()), Authenticator().create(sol.begin())
    with time_machine.travel(now().timestamp() + LASTS + 1, tick=True):
        assert "took too long" in refused(lambda: alone(signed))
        assert "took too long" in refused(lambda: sol.send(made))


def test_challenges_are_random_and_nothing_of_them_is_kept_before_they_are_used(
    owner_db: Db, sol: Holder
) -> None:
    count = "SELECT (SELECT count(*) FROM tenancy_usedform), (SELECT count(*) FROM tenancy_session)"
    before = owner_db.execute(count).fetchone()
    drawn = {asked_alone()["challenge"] for _ in range(50)}
    assert len(drawn) == 50 and {len(raw(each)) for each in drawn} == {64}
    assert len({raw(each)[:24] for each in drawn}) == 50
    assert owner_db.execute(count).fetchone() == before


def test_of_two_with_the_same_answer_at_once_one_is_signed_in() -> None:
    sol = holder(count=0)
    together, text, told = threading.Barrier(3), sol.device.get(asked_alone()), list[str]()

    def enter() -> None:
        together.wait()
        try:
            alone(text)
            told.append("in")
        except Refusal as refusal:
            told.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=enter) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["CREDENTIAL_INVALID", "CREDENTIAL_INVALID", "in"]


def test_unknown_wrong_and_disabled_are_one_answer(sol: Holder) -> None:
    gone = holder("Kim Osei", "auditor")
    disable_person(actor=OPERATOR, person_id=gone.who.person.id, reason="left")
    told = {
        refused(lambda: alone(gone.device.get(asked_alone()))),
        refused(lambda: alone(sol.device.get(asked_alone(), signature=b"x"))),
        refused(lambda: alone(Authenticator(handle=b"h").get(asked_alone()))),
    }
    assert told == {passkeys.WRONG}


def test_a_passkey_is_one_persons(sol: Holder) -> None:
    ira = Holder(someone("Ira", "auditor"), sol.device)
    with pytest.raises(Refusal) as caught:
        ira.add()
    assert (caught.value.code, caught.value.detail) == ("CONFLICT", passkeys.KNOWN)
    assert kept(ira) == []
    assert kept(sol)[0].user_id == sol.who.person.id


def test_one_has_ten_at_most(sol: Holder) -> None:
    asked = sol.begin()
    for number in range(MOST - 1):
        sol.add(f"Key {number}", Authenticator())
    for act in (sol.begin, lambda: sol.send(Authenticator().create(asked))):
        with pytest.raises(Refusal) as caught:
            act()
        assert caught.value.code == "CONFLICT" and "the most" in caught.value.detail
    assert len(kept(sol)) == MOST == 10


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 65, "a\u202eb", "csk_live_7Kq2mX9aB4cD_0123456789abcdef", "a\0b"]
)
def test_a_name_is_a_line_that_can_be_seen(sol: Holder, name: str) -> None:
    (passkey,) = kept(sol)
    for act in (
        lambda: sol.begin(name),
        lambda: sol.send(Authenticator().create(sol.begin()), name),
        lambda: rename_passkey(
            actor=sol.actor, person=sol.who.person, passkey_id=passkey.id, name=name
        ),
    ):
        with pytest.raises(Refusal) as caught:
            act()
        assert caught.value.errors[0]["pointer"] == "/name"
    assert [each.name for each in kept(sol)] == ["Laptop"]


def test_renaming_is_recorded_once_and_is_of_ones_own(sol: Holder) -> None:
    (passkey,), ira = kept(sol), holder("Ira", "auditor")
    told = {"passkey_id": passkey.id, "name": "Phone"}
    session_of(sol.who.person)
    for _ in range(2):
        rename_passkey(actor=sol.actor, person=sol.who.person, **told)
    (entry,) = entries(sol, "passkey.renamed")
    assert told_of(entry) == "Sol Okafor renamed the passkey Phone"
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.who.person).count() == 1
    with pytest.raises(Refusal) as caught:
        rename_passkey(actor=ira.actor, person=ira.who.person, **told)
    assert caught.value.code == "NOT_FOUND"


def remove(of: Holder, passkey_id: str, code: str) -> None:
    remove_passkey(
        actor=of.actor, person=of.who.person, passkey_id=passkey_id, code=code, device=None,
        session_key="none",
    )  # fmt: skip


def test_removing_one_takes_a_code_and_ends_other_sessions(sol: Holder) -> None:
    (passkey,), ira = kept(sol), holder("Ira", "auditor")
    session_of(sol.who.person)
    for of, code, refusal in (
        (sol, "000000", "CREDENTIAL_INVALID"), (sol, "", "REQUEST_INVALID"),
        (ira, ira.who.code(), "NOT_FOUND"),
    ):  # fmt: skip
        with pytest.raises(Refusal) as caught:
            remove(of, passkey.id, code)
        assert caught.value.code == refusal
    assert len(kept(sol)) == 1
    waiting, after_password = asked_alone(), asked_second(sol)
    remove(sol, passkey.id, sol.who.enrolment.codes[0])
    assert kept(sol) == []
    with platform_scope("a test counts"):
        assert Session.objects.filter(person=sol.who.person).count() == 0
    assert told_of(entries(sol, "passkey.removed")[0]) == "Sol Okafor removed the passkey Laptop"
    refused(lambda: alone(sol.device.get(waiting)))
    refused(lambda: second(sol, sol.device.get(after_password)))


def test_the_last_second_factor_stays(sol: Holder) -> None:
    (passkey,) = kept(sol)
    with platform_scope("a test takes the app away"):
        Totp.objects.filter(user=sol.who.person).delete()
    with pytest.raises(Refusal) as caught:
        remove(sol, passkey.id, sol.who.enrolment.codes[0])
    assert (caught.value.code, len(kept(sol))) == ("CONFLICT", 1)
    add_with_recovery_code(sol)
    remove(sol, passkey.id, sol.who.enrolment.codes[0])  # it was not used up by what was refused
    assert [each.name for each in kept(sol)] == ["Spare"]


def add_with_recovery_code(of: Holder) -> None:
    asked = begun(of, name="Spare", code=of.who.enrolment.codes[5])
    of.send(Authenticator().create(asked), "Spare")


def test_who_sets_up_anew_by_a_link_has_no_old_passkey(sol: Holder) -> None:
    link = invite_person(actor=OPERATOR, person_id=sol.who.person.id).link.reveal()
    chosen = Chosen(PASSWORD, code_of(sol.who.enrolment.seed), True, sol.who.enrolment)
    accept_invitation(visitor=visitor(), token=link.rpartition("/")[2], chosen=chosen)
    assert kept(sol) == []
    assert len(entries(sol, "passkey.removed")) == 1
    refused(lambda: alone(sol.device.get(asked_alone())))


def test_tries_after_a_password_are_counted_as_codes_are(sol: Holder) -> None:
    for _ in range(5):
        refused(lambda: second(sol, sol.device.get(asked_second(sol), signature=b"x")))
    with pytest.raises(Wait):
        second(sol, sol.device.get(asked_second(sol)))
    # A browser that signed in before has tries of its own.
    second(sol, sol.device.get(asked_second(sol)), device=(sol.who.person.id, "known"))


def test_tries_alone_are_counted_for_a_network_and_keep_no_account_out(sol: Holder) -> None:
    mallory = visitor()
    for _ in range(30):
        refused(lambda: alone(sol.device.get(asked_alone(), signature=b"x"), visitor=mallory))
    with pytest.raises(Wait):
        alone(sol.device.get(asked_alone(), signature=b"x"), visitor=mallory)
    alone(sol.device.get(asked_alone()))  # from elsewhere
    alone(sol.device.get(asked_alone()), visitor=mallory, device=(sol.who.person.id, "known"))


def test_a_handle_is_made_once_and_not_by_looking(owner_db: Db) -> None:
    person = staff("Ada", "")
    request_options(person, about("second", person.id, HERE))
    with platform_scope("a test looks"):
        assert not WebAuthnUserHandle.objects.filter(user=person).exists()
