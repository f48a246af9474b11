"""Suspend, resume and revoke a key: the price first, a reason, and harmless repeats."""

import datetime as dt
from typing import Any

import psycopg
import pytest

from keys.models import ApiKey
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from portal.core.clock import now
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser
from tests.processes import CheckServer

Db = psycopg.Connection[Any]


def state_of(cast: Cast, key_id: str) -> str:
    with tenant_scope(cast.tenant.id):
        return ApiKey.objects.get(id=key_id).state


def at(key_id: str, act: str) -> str:
    return f"/admin/keys/{key_id}/{act}/"


def test_suspending_and_resuming_say_what_they_do_and_hold_on_the_next_check(
    acme: Cast, sol: Browser, checker: CheckServer
) -> None:
    issued = acme.issue(name="billing", scopes=["models:read"])

    def code() -> str:
        return str(checker.check(acme.gateway_token, issued.secret.reveal())["code"])

    assert code() == "OK"
    page = sol.send(at(issued.key.id, "suspend"), reason="It calls too much.")
    assert (page.status, page.goes_to) == (302, f"/admin/keys/{issued.key.id}/")
    assert code() == "KEY_SUSPENDED"
    assert "billing is suspended." in sol.get("/admin/keys/").text
    page = sol.send(at(issued.key.id, "resume"), reason="It was mended.")
    assert page.status == 302
    assert code() == "OK"
    assert state_of(acme, issued.key.id) == "active"


def test_revoking_names_its_price_and_is_for_ever(
    acme: Cast, sol: Browser, owner_db: Db, checker: CheckServer
) -> None:
    issued = acme.issue(name="billing")
    hour = now().replace(minute=0, second=0, microsecond=0)
    for back, code, count in ((0, "OK", 4), (5, "OK", 1_200), (6, "RATE_LIMITED", 9),
                              (30, "OK", 5_000)):  # fmt: skip
        owner_db.execute(
            "INSERT INTO keys_hourlyusage VALUES (%s, %s, %s, %s, %s, '{}')",
            [acme.tenant.id, issued.key.id, hour - dt.timedelta(hours=back), code, count],
        )
    page = sol.get(at(issued.key.id, "revoke"))
    assert "1,204 requests a day will fail with KEY_REVOKED." in page.text
    assert "1,204 requests a day will fail with KEY_SUSPENDED." in (
        sol.get(at(issued.key.id, "suspend")).text
    )
    assert state_of(acme, issued.key.id) == "active", "looking changes nothing"
    page = sol.send(at(issued.key.id, "revoke"), reason="The service was shut down.")
    assert page.status == 302
    assert checker.check(acme.gateway_token, issued.secret.reveal())["code"] == "KEY_REVOKED"


def test_a_key_that_nobody_used_costs_nothing_to_stop(acme: Cast, sol: Browser) -> None:
    page = sol.get(at(acme.issue().key.id, "revoke"))
    assert "nothing that works now will fail" in page.text


@pytest.mark.parametrize("act", ["suspend", "revoke"])
def test_a_repeat_changes_nothing_and_says_so(acme: Cast, sol: Browser, act: str) -> None:
    key = acme.issue(name="billing").key
    assert sol.post(at(key.id, act), reason="once").status == 302
    before = events_of(key.id)
    page = sol.post(at(key.id, act), reason="twice")
    assert page.status == 302
    assert "already. Nothing was changed." in sol.get("/admin/keys/").text
    assert events_of(key.id) == before
    assert "already. Nothing was changed." in sol.get(at(key.id, act)).text


@pytest.mark.parametrize("act", ["suspend", "resume"])
def test_what_a_revoked_key_can_no_longer_do_is_told_with_its_state(
    acme: Cast, sol: Browser, act: str
) -> None:
    key = acme.issue(name="billing").key
    revoke_key(actor=acme.owner, key_id=key.id, reason="a test")
    page = sol.get(at(key.id, act))
    assert page.status == 200
    assert "billing is revoked. Nothing was changed." in page.text
    page = sol.post(at(key.id, act), reason="all the same")
    assert page.status == 409
    assert "billing is revoked. Nothing was changed." in page.text
    assert state_of(acme, key.id) == "revoked"


@pytest.mark.parametrize("act", ["suspend", "resume", "revoke"])
@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (None, "The form came without this field."),
        ("", "1 to 512 characters are needed."),
        ("x" * 513, "1 to 512 characters are needed."),
        ("turned \u202e around", "bidirectional characters are not taken."),
        ("it had \0 in it", "Null characters are not allowed."),
        ("csk_live_7Kq2mX9aB4cD_0123456789abcdef", "This looks like a credential."),
    ],
)  # fmt: skip
def test_a_bad_reason_is_told_beside_it_and_nothing_changes(
    acme: Cast, sol: Browser, act: str, reason: str | None, error: str
) -> None:
    key = acme.issue().key
    if act == "resume":
        suspend_key(actor=acme.owner, key_id=key.id, reason="a test")
    before = state_of(acme, key.id)
    page = sol.post(at(key.id, act), **({} if reason is None else {"reason": reason}))
    assert page.status == 400
    assert f'id="id_reason_error">{error}'.split(">")[0] in page.html
    assert error in page.text
    if reason and "\0" not in reason:
        assert page.fields()["reason"] == [reason]
    assert state_of(acme, key.id) == before


@pytest.mark.parametrize("act", ["suspend", "resume", "revoke", "edit"])
def test_an_auditor_is_refused_and_the_try_is_recorded(acme: Cast, ira: Browser, act: str) -> None:
    key = acme.issue().key
    assert ira.get(at(key.id, act)).status == 403
    assert ira.post(at(key.id, act), reason="I would like to").status == 403
    assert state_of(acme, key.id) == "active"
    assert events_of(key.id)[-1] == "access.refused denied"


@pytest.mark.parametrize("act", ["suspend", "resume", "revoke", "edit"])
def test_an_unknown_key_and_one_that_can_be_none_look_the_same(
    acme: Cast, sol: Browser, ira: Browser, act: str
) -> None:
    acme.issue()
    for browser in (sol, ira):
        pages = [
            browser.get(at(id, act)) for id in ("key_000000000000", "key_x", "nonsense", "a.b")
        ] + [browser.post(at("key_000000000000", act), reason="a test")]
        words = {page.html.replace(request_id(page.html), "") for page in pages}
        assert [page.status for page in pages] == [404] * len(pages)
        assert len(words) == 1


def request_id(html: str) -> str:
    """What alone differs between two answers."""
    return html.partition('request <span class="mono">')[2].partition("<")[0] or "none"


def test_what_people_wrote_is_text(acme: Cast, sol: Browser) -> None:
    nasty = "</textarea><script>alert(1)</script>"
    key = acme.issue(name=nasty).key
    for act in ("suspend", "revoke", "edit"):
        page = sol.get(at(key.id, act))
        assert page.status == 200
        assert "<script>alert" not in page.html
    page = sol.post(at(key.id, "suspend"), reason=nasty * 20)
    assert page.status == 400
    assert "<script>alert" not in page.html


def test_a_page_costs_few_queries(acme: Cast, sol: Browser, queries: Any) -> None:
    key = acme.issue().key
    for act in ("suspend", "revoke", "edit"):
        with queries() as told:
            assert sol.get(at(key.id, act)).status == 200
        assert len(told) <= 15, [query["sql"][:90] for query in told]
