"""A tenant's members, governed by its owner: roles, leaving, coming back, the last owner."""

import concurrent.futures
import csv
import http.client
import io
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from portal.tenancy.models import Membership, Person
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.cast import OPERATOR, Cast, person
from tests.keys.events import events_of
from tests.pages.browser import Browser, session_of, staff
from tests.processes import CheckServer


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/members/{rest}"


def role_of(cast: Cast, id: str) -> tuple[str, bool]:
    with tenant_scope(cast.tenant.id):
        member = Membership.objects.get(id=id)
        return member.role, member.is_active


def test_members_are_listed_with_what_they_are(ada: Browser, acme: Cast, globex: Cast) -> None:
    page = ada.get(at(acme))
    assert page.status == 200
    for words in ("Ada You", "Ben", "Vera", "Developer", "1 to 3 of 3 members", "Invite member"):
        assert words in page.text
    assert "Cy" not in page.text and globex.tenant.name not in page.text
    assert "/admin/tenants" not in page.html and "/admin/people" not in page.html


def test_they_are_found_filtered_sorted_and_kept_as_a_file(ada: Browser, acme: Cast) -> None:
    for asked in ({"q": "ben"}, {"role": "developer"}, {"q": acme.memberships["developer"].id}):
        page = ada.get(at(acme), **asked)
        assert "Ben" in page.text.partition("Status")[2] and "Vera" not in page.text, asked
    assert "No members match" in ada.get(at(acme), status="disabled").text
    assert ada.get(at(acme), role="king").status == 400
    rows = list(csv.DictReader(io.StringIO(ada.get(at(acme), format="csv", sort="-name").html)))
    assert [row["name"] for row in rows] == ["Vera", "Ben", "Ada"]
    assert [row["role"] for row in rows] == ["viewer", "developer", "owner"]


def test_an_owner_changes_a_role_ends_and_restores_a_membership(ada: Browser, acme: Cast) -> None:
    ben = acme.memberships["developer"].id
    assert ada.send(at(acme, f"{ben}/role/"), role="viewer").goes_to == at(acme)
    assert role_of(acme, ben) == ("viewer", True)
    assert ada.send(at(acme, f"{ben}/disable/"), reason="left").goes_to == at(acme)
    assert "Disabled" in ada.get(at(acme)).text
    assert ada.send(at(acme, f"{ben}/enable/"), reason="is back").goes_to == at(acme)
    assert events_of(ben)[1:] == [
        "membership.changed success", "membership.disabled success", "membership.enabled success",
    ]  # fmt: skip


def test_who_only_looks_is_offered_nothing_and_refused(
    ben: Browser, vera: Browser, acme: Cast
) -> None:
    ada = acme.memberships["owner"].id
    for browser in (ben, vera):
        page = browser.get(at(acme))
        assert page.status == 200
        for words in ("Invite", "Change role", "Disable", "Invitations"):
            assert not re.search(rf">\s*{words}\s*<", page.html), words
        for rest in ("invite/", f"{ada}/role/", f"{ada}/disable/"):
            assert browser.get(at(acme, rest)).status == 403
            sent = browser.post(at(acme, rest), role="viewer", reason="x", email="x@y.example")
            assert sent.status == 403
    assert role_of(acme, ada) == ("owner", True)
    assert events_of(ada)[-1] == "access.refused denied"


def test_the_last_owner_is_neither_demoted_nor_disabled(ada: Browser, acme: Cast) -> None:
    me = acme.memberships["owner"].id
    for rest, typed in ((f"{me}/role/", {"role": "viewer"}), (f"{me}/disable/", {"reason": "x"})):
        page = ada.send(at(acme, rest), **typed)
        assert page.status == 409
        assert "at least one active owner" in page.text
    assert role_of(acme, me) == ("owner", True)


def test_who_disables_themselves_is_told_so_and_taken_out(ada: Browser, acme: Cast) -> None:
    person(acme.tenant, "Bo", "owner")
    me = acme.memberships["owner"].id
    assert "This is you" in ada.get(at(acme, f"{me}/disable/")).text
    assert ada.send(at(acme, f"{me}/disable/"), reason="I leave").goes_to == "/t/"
    assert ada.get(at(acme)).status == 404


def test_a_stale_form_says_who_was_first(ada: Browser, acme: Cast) -> None:
    path = at(acme, f"{acme.memberships['viewer'].id}/role/")
    fields = {**ada.get(path).fields(), "role": "owner"}
    ada.send(path, role="developer")
    page = ada.post(path, **fields)
    assert page.status == 412
    assert "Ada changed" in page.text


def test_a_member_of_another_tenant_is_no_page(ada: Browser, acme: Cast, globex: Cast) -> None:
    theirs = globex.memberships["developer"].id
    for verb in ("role", "disable", "enable"):
        assert ada.get(at(acme, f"{theirs}/{verb}/")).status == 404
        assert ada.post(at(acme, f"{theirs}/{verb}/"), role="owner", reason="x").status == 404
        assert ada.get(at(globex, f"{theirs}/{verb}/")).status == 404


def test_a_member_is_no_link_to_the_platforms_page(ada: Browser, sol: Browser, acme: Cast) -> None:
    assert (
        f"/admin/people/{acme.owner.id}/"
        in sol.get(f"/admin/tenants/{acme.tenant.slug}/members/").html
    )
    assert acme.owner.id not in ada.get(at(acme)).html


def test_an_empty_tenant_says_what_to_do_first(sol: Browser) -> None:
    from portal.tenancy.tenants import create_tenant

    tenant = create_tenant(actor=OPERATOR, slug=f"e-{staff('E', '').id[4:].lower()}", name="Empty")
    page = sol.get(f"/admin/tenants/{tenant.slug}/members/")
    assert page.status == 200
    assert "Nobody is in Empty yet" in page.text


@pytest.fixture
def portals() -> Iterator[list[CheckServer]]:
    """Two portals over one database."""
    running = [CheckServer(role="all") for _ in range(2)]
    yield running
    for server in running:
        server.stop()


def form_of(server: CheckServer, path: str, cookie: str) -> tuple[dict[str, list[str]], str]:
    """A page's form, and the cookies that it is sent with."""
    from tests.pages.browser import Page

    status, headers, content = server.call("GET", path, headers={"Cookie": cookie})
    assert status == 200, content[:500]
    shown = type("Shown", (), {"status_code": 200, "content": content, "headers": {}})
    csrf = headers["set-cookie"].partition(";")[0]
    return Page(shown).fields(), f"{cookie}; {csrf}"


def send(server: CheckServer, path: str, cookies: str, fields: dict[str, Any]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {
        "Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded",
        "Host": f"127.0.0.1:{server.port}", "Origin": f"http://127.0.0.1:{server.port}",
    }  # fmt: skip
    connection.request("POST", path, urllib.parse.urlencode(fields, doseq=True), headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("act", ["role", "disable"])
def test_of_two_owners_who_end_each_other_at_once_in_two_processes_one_stays(
    acme: Cast, portals: list[CheckServer], act: str
) -> None:
    bo, _ = person(acme.tenant, "Bo", "owner")
    with platform_scope("a test signs people in"):
        both = [Person.objects.get(id=id) for id in (acme.owner.id, bo.person_id)]
    aims = [bo.id, str(acme.owner.membership_id)]
    ready = []
    for server, who, aim in zip(portals, both, aims, strict=True):
        path = at(acme, f"{aim}/{act}/")
        fields, cookies = form_of(server, path, f"countersign={session_of(who)}")
        typed = {"role": "viewer"} if act == "role" else {"reason": "x"}
        ready.append((server, path, cookies, {**fields, **typed}))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(lambda one: send(*one), ready))
    # Whoever comes second is the last owner's, or is nobody's owner any more.
    assert told[0] == 302 and told[1] in (403, 404, 409), told
    with tenant_scope(acme.tenant.id):
        owners = Membership.objects.filter(role="owner", is_active=True)
        assert owners.count() == 1
