"""A tenant's own keys: seen by all of its people, changed by who may, never another tenant's."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from keys.issuing import Issued
from keys.models import ApiKey
from portal.tenancy.apis import create_api, grant_api, withdraw_grant
from portal.tenancy.definitions import ScopeDefinition
from portal.tenancy.scope import tenant_scope
from portal.tenancy.tenants import suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.invariants.traffic import Gate, body
from tests.keys.events import events_of
from tests.pages.browser import Browser, member
from tests.processes import CheckServer

SECRET = re.compile(r"csk_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")
OTHERS = {"/admin/security/", "/admin/logout/", "/t/"}
"""What every page of a tenant leads to beside its own."""


@pytest.fixture
def gate(acme: Cast, checker: CheckServer) -> Iterator[Gate]:
    with Gate(checker, acme) as gate:
        yield gate


def own(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/keys/{rest}"


def keys_of(cast: Cast) -> list[ApiKey]:
    with tenant_scope(cast.tenant.id):
        return list(ApiKey.objects.order_by("created_at"))


def addresses(html: str) -> set[str]:
    """Where a page leads and sends to."""
    found = set(re.findall(r'(?:href|action|formaction)="(/[^"#?]*)', html))
    return {address for address in found if not address.startswith("/static/")}


def pages(key: str) -> list[str]:
    """The pages of keys, by what follows their list's address."""
    return ["", "new/", f"{key}/", *(f"{key}/{verb}/" for verb in ("edit", "suspend", "revoke"))]


def test_every_address_on_them_stays_in_the_tenant(
    ada: Browser, acme: Cast, globex: Cast, gate: Gate, drained: Callable[[], None]
) -> None:
    issued = acme.issue(limits=[body("day", 9, "day", "calendar")], scopes=["chat:write"])
    gate.check(issued, scopes=["files:write"])
    drained()
    for path in pages(issued.key.id):
        page = ada.get(own(acme, path))
        assert page.status == 200, path
        leads = addresses(page.html)
        assert {a for a in leads if not a.startswith(f"/t/{acme.tenant.slug}/")} == OTHERS, path
        for address in leads - OTHERS:
            assert ada.get(address).status in (200, 405), (path, address)


def test_there_is_no_other_tenant_to_choose(ada: Browser, acme: Cast, globex: Cast) -> None:
    acme.issue(name="ours")
    globex.issue(name="theirs")
    for path in ("", f"?tenant={globex.tenant.slug}", "new/", f"new/?tenant={globex.tenant.slug}"):
        page = ada.get(own(acme, path))
        assert page.status == 200, path
        assert 'name="tenant"' not in page.html and "theirs" not in page.text, path
        assert "Globex" not in page.text and globex.tenant.slug not in page.html, path
    assert f"/v1/tenants/{globex.tenant.slug}/" not in ada.get(own(acme)).html


def test_the_file_is_of_the_own_keys_without_a_tenant(
    ada: Browser, acme: Cast, globex: Cast
) -> None:
    acme.issue(name="=ours")
    globex.issue(name="theirs")
    page = ada.get(own(acme), format="csv")
    assert page.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(page.html))
    assert row["name"] == "'=ours" and "tenant" not in row


def test_a_developer_makes_a_key_and_answers_for_it(
    ben: Browser, acme: Cast, checker: CheckServer
) -> None:
    page = ben.get(own(acme, "new/"))
    mine = acme.memberships["developer"].id
    assert f'value="{mine}" selected' in page.html
    made = ben.send(own(acme, "new/"), name="billing", scopes=["chat:write"])
    assert made.status == 200 and "no-store" in made.headers["cache-control"]
    (secret,) = set(SECRET.findall(made.html))
    assert checker.check(acme.gateway_token, secret, scopes=["chat:write"])["code"] == "OK"
    (key,) = keys_of(acme)
    assert (key.name, key.owner_id) == ("billing", mine)
    assert addresses(made.html) - OTHERS == {
        a for a in addresses(made.html) if a.startswith(f"/t/{acme.tenant.slug}/")
    }


def test_a_form_that_was_sent_before_makes_nothing(ben: Browser, acme: Cast) -> None:
    fields = {**ben.get(own(acme, "new/")).fields(), "name": "once"}
    assert "is ready" in ben.post(own(acme, "new/"), **fields).text
    again = ben.post(own(acme, "new/"), **fields)
    assert "was created already" in again.text and not SECRET.search(again.html)
    assert len(keys_of(acme)) == 1


def test_what_is_wrong_stands_beside_its_field_and_is_kept(
    ben: Browser, acme: Cast, globex: Cast
) -> None:
    page = ben.send(own(acme, "new/"), name="x" * 200, allowed_cidrs="nonsense")
    assert page.status == 400 and keys_of(acme) == []
    for name in ("name", "allowed_cidrs"):
        assert f'id="id_{name}_error"' in page.html, name
    assert "x" * 200 in page.html and "nonsense" in page.html
    foreign = globex.memberships["owner"].id
    page = ben.send(own(acme, "new/"), name="billing", owner=foreign)
    assert page.status == 400 and keys_of(acme) == []
    assert 'id="id_owner_error"' in page.html and "Cy" not in page.text


def test_of_several_apis_one_is_chosen_and_only_an_own_one(
    ada: Browser, acme: Cast, globex: Cast
) -> None:
    other = create_api(
        actor=OPERATOR, slug=f"images-{acme.tenant.slug}", name="Images", tenant_id=acme.tenant.id,
        scopes=[ScopeDefinition("images:write", "low", "Have images made")],
    )  # fmt: skip
    page = ada.get(own(acme, "new/"))
    assert "Which API is the key for?" in page.text and globex.api.slug not in page.html
    made = ada.send(own(acme, f"new/?api={other.slug}"), name="painter", scopes=["images:write"])
    assert made.status == 200 and keys_of(acme)[0].api_id == other.id
    foreign = ada.get(own(acme, f"new/?api={globex.api.slug}"))
    unknown = ada.get(own(acme, "new/?api=nothing"))
    assert foreign.status == unknown.status == 404
    assert "may use no such API" in foreign.text


def test_without_an_api_it_is_said_who_grants_one(ada: Browser, acme: Cast) -> None:
    withdraw_grant(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id, reason="x")
    page = ada.get(own(acme, "new/"))
    assert page.status == 200 and "Acme may use no API yet" in page.text
    assert "administrators grant it" in page.text
    grant_api(actor=OPERATOR, tenant_id=acme.tenant.id, api_id=acme.api.id)
    assert "may use no API yet" not in ada.get(own(acme, "new/")).text


VERBS = {
    "edit": {"name": "changed", "step": "save"},
    "suspend": {"reason": "a test"},
    "revoke": {"reason": "a test"},
}


def sent(browser: Browser, path: str, fields: dict[str, str]) -> int:
    """Fill in the form there, whoever may see it."""
    known = browser.get(path)
    held = known.fields() if known.status == 200 else {}
    return browser.post(path, **{**held, **fields}).status


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_write_changes_a_key_and_others_are_refused_and_recorded(
    acme: Cast, ada: Browser, ben: Browser, vera: Browser, verb: str
) -> None:
    key = acme.issue(name="shared").key
    path = own(acme, f"{key.id}/{verb}/")
    assert vera.get(path).status == 403
    assert sent(vera, path, VERBS[verb]) == 403
    assert keys_of(acme)[0].version == key.version
    assert events_of(key.id)[-1] == "access.refused denied"
    assert path not in vera.get(own(acme, f"{key.id}/")).html
    assert path in ben.get(own(acme, f"{key.id}/")).html
    assert sent(ben, path, VERBS[verb]) == 302
    assert keys_of(acme)[0].version > key.version


def test_a_suspended_key_is_resumed_by_a_developer(ben: Browser, acme: Cast) -> None:
    key = acme.issue().key
    ben.send(own(acme, f"{key.id}/suspend/"), reason="look")
    assert keys_of(acme)[0].state == "suspended"
    done = ben.send(own(acme, f"{key.id}/resume/"), reason="looked")
    assert done.goes_to == own(acme, f"{key.id}/")
    assert "works again" in ben.get(done.goes_to).text
    assert keys_of(acme)[0].state == "active"


def test_a_change_is_seen_as_a_difference_first(ben: Browser, acme: Cast) -> None:
    key = acme.issue(name="before").key
    path = own(acme, f"{key.id}/edit/")
    page = ben.send(path, name="after", step="compare")
    assert "Nothing is saved yet." in page.text and keys_of(acme)[0].name == "before"
    assert addresses(page.html) - OTHERS <= {
        a for a in addresses(page.html) if a.startswith(f"/t/{acme.tenant.slug}/")
    }
    assert ben.post(path, **{**page.fields(), "step": "save"}).goes_to == own(acme, f"{key.id}/")
    assert keys_of(acme)[0].name == "after"


def test_a_foreign_key_answers_as_one_that_is_not(ada: Browser, acme: Cast, globex: Cast) -> None:
    mine, foreign, random = acme.issue().key.id, globex.issue().key.id, "key_000000000000"

    def told(id: str, path: str, post: bool) -> tuple[int, str]:
        where = own(acme, path.format(id))
        page = ada.post(where, reason="x", request="GET /") if post else ada.get(where)
        return page.status, page.html.replace(id, "#").replace(page.headers["x-request-id"], "#")

    for path in ("{}/", "{}/edit/", "{}/suspend/", "{}/resume/", "{}/revoke/"):
        for post in (False, True):
            assert told(foreign, path, post)[0] == 404, path
            assert told(foreign, path, post) == told(random, path, post), path
            assert told(mine, path, post)[0] != 404, path
    assert "There is no such key" in ada.get(f"/t/{acme.tenant.slug}/usage/", key=foreign).text


def test_a_search_finds_nothing_of_another_tenant(ada: Browser, acme: Cast, globex: Cast) -> None:
    theirs = globex.issue(name="needle").key
    kid = kid_of(globex, theirs)
    for text in ("needle", theirs.id, f"csk_live_{kid[:6]}…", "Cy"):
        assert "Nothing found" in ada.get(own(acme), q=text).text, text
    acme.issue(name="needle")
    assert "1 to 1 of 1 keys" in ada.get(own(acme), q="needle").text
    owner = globex.memberships["owner"].id
    assert "theirs" not in ada.get(own(acme), owner=owner).text


def kid_of(cast: Cast, key: ApiKey) -> str:
    with tenant_scope(cast.tenant.id):
        kid: str = key.secrets.get().kid
    return kid


def test_keys_that_need_attention_are_found_within_the_tenant(
    ada: Browser, acme: Cast, globex: Cast, spent: Callable[..., None]
) -> None:
    for cast in (acme, globex):
        key = cast.issue(name=f"starved of {cast.tenant.name}").key
        spent(key, 90, "SCOPE_MISSING")
    page = ada.get(own(acme), state="attention")
    assert "starved of Acme" in page.text and "Globex" not in page.text


def test_the_history_is_for_who_may_read_the_ledger(
    ada: Browser, ben: Browser, vera: Browser, acme: Cast
) -> None:
    key = acme.issue().key
    for browser, shown in ((ada, True), (vera, True), (ben, False)):
        page = browser.get(own(acme, f"{key.id}/"))
        assert page.status == 200
        assert ("History" in page.text) is shown
        assert ("/ledger/" in page.html) is shown


def test_a_trial_says_why_and_leads_to_the_own_pages(
    vera: Browser, ben: Browser, acme: Cast, gate: Gate
) -> None:
    key = acme.issue(allowed_models=["gpt-4o"]).key
    for browser, mends in ((ben, True), (vera, False)):
        page = browser.send(own(acme, f"{key.id}/"), action="#try", request="POST /v1/files")
        assert page.status == 200
        assert "SCOPE_MISSING" in page.text and "MODEL_NOT_ALLOWED" in page.text
        assert ("Add the scope" in page.text) is mends
        assert "/admin/keys" not in page.html and "/admin/tenants" not in page.html


def test_in_a_suspended_tenant_a_trial_leads_to_no_page_of_the_platforms(
    ada: Browser, acme: Cast, gate: Gate
) -> None:
    key = acme.issue().key
    suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
    page = ada.send(own(acme, f"{key.id}/"), action="#try", request="GET /v1/models")
    assert "TENANT_SUSPENDED" in page.text and "/admin/tenants" not in page.html
    assert ada.post(own(acme, f"{key.id}/revoke/"), reason="x").status == 403
    assert ada.get(own(acme, "new/")).status == 403


def test_the_key_s_quota_burns_down_before_ones_eyes(
    ada: Browser, sol: Browser, acme: Cast, gate: Gate, spent: Callable[..., None]
) -> None:
    limits = [
        body("day", 100, "day", "calendar"),
        body("pool", 100, "day", "calendar", shared_by="tenant"),
        body("burst", 100, "minute", "smooth"),
    ]
    issued = acme.issue(limits=limits)
    gate.check(issued, {"requests": 75})
    spent(issued.key, 75, hours_ago=0, requests=75)
    for browser, path in (
        (ada, own(acme, f"{issued.key.id}/")), (sol, f"/admin/keys/{issued.key.id}/"),
    ):  # fmt: skip
        page = browser.get(path)
        assert page.status == 200
        assert "What is left of “day”" in page.text
        assert "75 of 100 requests are used, 75 %." in page.text
        assert 'class="left"' in page.html and 'class="even"' in page.html
        assert re.search(r"75</td><td class=\"num\">25</td>", page.html)
        assert 'aria-labelledby="burn-title"' in page.html
        assert 'aria-labelledby="heat-title"' in page.html


def test_no_page_of_keys_asks_much(
    ada: Browser, acme: Cast, queries: Any, gate: Gate, drained: Callable[[], None]
) -> None:
    issued: list[Issued] = [
        acme.issue(
            name=f"k{n}", scopes=["chat:write"], limits=[body("day", 9, "day", "calendar")],
        )
        for n in range(30)
    ]  # fmt: skip
    for _ in range(12):
        gate.check(issued[0], scopes=["chat:write"])
    drained()
    queried = ["?q=k&state=attention&used=never", "?page=2", "?owner=x", *pages(issued[0].key.id)]
    for path in queried:
        ada.get(own(acme, path))
        with queries() as told:
            assert ada.get(own(acme, path)).status in (200, 400), path
        assert len(told) <= 15, (path, [each["sql"][:80] for each in told])


def test_nobody_from_elsewhere_sees_them(
    acme: Cast, globex: Cast, sol: Browser, owner_db: "psycopg.Connection[Any]"
) -> None:
    key = acme.issue().key.id
    for browser in (member(globex, "owner"), sol):
        for path in pages(key):
            assert browser.get(own(acme, path)).status == 404, path
            assert browser.post(own(acme, path), reason="x").status == 404, path
    assert keys_of(acme)[0].state == "active"
