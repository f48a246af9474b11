"""A tenant's management tokens: the list, making one, revoking one."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from portal.core.clock import now
from portal.tenancy.authentication import proved
from portal.tenancy.management_tokens import create_management_token, revoke_management_token
from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import ManagementToken
from portal.tenancy.pages import management_tokens, token_form
from portal.tenancy.scope import platform_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, Page

TOKEN = re.compile(r"csm_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}")


def at(cast: Cast, *rest: str) -> str:
    return "/".join(["/admin/tenants", cast.tenant.slug, "tokens", *rest, ""])


def tokens_of(cast: Cast) -> list[ManagementToken]:
    with platform_scope("tests look at tokens"):
        return list(ManagementToken.objects.filter(tenant=cast.tenant).order_by("created_at"))


def make(cast: Cast, name: str, **more: Any) -> ManagementToken:
    return create_management_token(
        actor=OPERATOR, tenant_id=cast.tenant.id, creator_id=cast.memberships["developer"].id,
        name=name, scopes=["keys:read"], **more,
    ).token  # fmt: skip


def filled(cast: Cast, browser: Browser, **typed: Any) -> Page:
    """The form, filled in well but for `typed`."""
    good = {
        "name": "ci <1>", "creator": cast.memberships["developer"].id, "expiry": "90",
        "scopes": ["keys:read", "keys:write"],
    }  # fmt: skip
    return browser.send(at(cast, "new"), **{**good, **typed})


def test_tokens_are_listed_with_whom_they_act_for(acme: Cast, globex: Cast, sol: Browser) -> None:
    token = make(acme, "ci")
    page = sol.get(at(acme))
    assert f"ci Ben, developer csm_live_{token.kid[:4]}… {token.id} Copy 1 scope" in page.text
    assert "never no expiry Active Revoke" in page.text
    assert tokens_of(globex)[0].id not in page.html
    assert token.kid not in page.html


def test_tokens_are_found_and_filtered(acme: Cast, sol: Browser) -> None:
    soon = make(acme, "soon", expires_at=now() + dt.timedelta(seconds=60))
    gone = make(acme, "gone")
    revoke_management_token(
        actor=OPERATOR, tenant_id=acme.tenant.id, token_id=gone.id, reason="done"
    )
    for query in ({"q": "soon"}, {"q": f"csm_live_{soon.kid[:5]}…"}, {"q": soon.id}):
        page = sol.get(at(acme), **query)
        assert soon.id in page.html
        assert gone.id not in page.html
    assert {soon.id in sol.get(at(acme), q="Ben").html, gone.id in sol.get(at(acme), q="Ben").html}
    assert "Revoked" in sol.get(at(acme), status="revoked", q="gone").text
    assert gone.id not in sol.get(at(acme), status="active").html
    assert "No management tokens match" in sol.get(at(acme), status="expired").text


def test_a_token_of_who_left_says_so(acme: Cast, sol: Browser) -> None:
    token = make(acme, "orphan")
    disable_membership(
        actor=OPERATOR, tenant_id=acme.tenant.id, membership_id=token.creator_id, reason="left"
    )
    assert "Member left" in sol.get(at(acme), q="orphan").text


def test_the_file_holds_no_secret(acme: Cast, sol: Browser) -> None:
    make(acme, "+1")
    answer = sol.get(at(acme), format="csv", sort="name")
    assert [row["name"] for row in csv.DictReader(io.StringIO(answer.html))] == [
        "'+1",
        "automation",
    ]
    assert TOKEN.search(answer.html) is None


def test_a_tenant_that_is_not_there_is_not_found(sol: Browser) -> None:
    for path in ("/admin/tenants/nobody/tokens/", "/admin/tenants/nobody/tokens/new/"):
        assert sol.get(path).status == 404


def test_pages_ask_little_of_the_database(
    acme: Cast, sol: Browser, queries: Callable[[], Any]
) -> None:
    for n in range(60):
        make(acme, f"ci-{n}")
    for path in (at(acme), at(acme, "new")):
        with queries() as told:
            assert sol.get(path).status == 200
        assert len(told) <= 15, path


def test_a_token_is_shown_once_and_works(acme: Cast, sol: Browser) -> None:
    page = filled(acme, sol)
    assert page.status == 200
    assert "no-store" in page.headers["cache-control"]
    (text,) = set(TOKEN.findall(page.html))
    token = proved(text)
    assert token is not None and token.lives
    assert "ci &lt;1&gt; is ready" in page.html
    assert text not in sol.get(at(acme)).html
    assert events_of(token.id)[-1] == "management_token.created success"


def test_scopes_beyond_the_member_s_role_are_said_to_be_idle(acme: Cast, sol: Browser) -> None:
    page = filled(acme, sol, scopes=["keys:read", "subjects:write"])
    assert "Idle subjects:write More than the member may do now" in page.text


def test_a_reload_issues_nothing(acme: Cast, sol: Browser) -> None:
    fields: dict[str, Any] = {
        **sol.get(at(acme, "new")).fields(), "name": "once", "expiry": "never",
        "creator": acme.memberships["owner"].id, "scopes": ["keys:read"],
    }  # fmt: skip
    first, second = (sol.post(at(acme, "new"), **fields) for _ in range(2))
    assert TOKEN.search(first.html)
    assert "once was created already" in second.text
    assert TOKEN.search(second.html) is None
    assert [token.name for token in tokens_of(acme)] == ["automation", "once"]


def test_an_end_is_a_day_in_utc(acme: Cast, sol: Browser) -> None:
    filled(acme, sol, expiry="on", expires_on="2099-05-01")
    assert tokens_of(acme)[-1].expires_at == dt.datetime(2099, 5, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "1 to 128 characters are needed."),
        ({"name": "x" * 129}, "1 to 128 characters are needed."),
        ({"name": "a\0b"}, "Null characters are not allowed."),
        ({"creator": ""}, "Choose the member for whom it acts."),
        ({"creator": "mem_forged"}, "There is no such member of this tenant."),
        ({"scopes": []}, "one scope at least."),
        ({"scopes": ["tenants:write"]}, "There is no such scope."),
        ({"expiry": "soon"}, "Choose when it ends."),
        ({"expiry": "on"}, "A day is needed"),
        ({"expiry": "on", "expires_on": "2026-02-30"}, "A day is needed"),
        ({"expiry": "on", "expires_on": "2020-01-01"}, "A moment in the future"),
        ({"expiry": "90", "expires_on": "2099-01-01"}, "A day is given"),
        ({"once": "forged"}, "This form is too old or not yours."),
    ],
)
def test_what_is_wrong_stands_by_its_field_and_nothing_is_made(
    acme: Cast, sol: Browser, typed: dict[str, Any], said: str
) -> None:
    page = filled(acme, sol, **typed)
    assert page.status in (400, 409)
    assert said in page.text
    assert "name" in typed or page.fields()["name"] == ["ci <1>"] or "&lt;1&gt;" in page.html
    assert [token.name for token in tokens_of(acme)] == ["automation"]


def test_a_member_of_another_tenant_is_no_member(acme: Cast, globex: Cast, sol: Browser) -> None:
    page = filled(acme, sol, creator=globex.memberships["owner"].id)
    assert page.status == 400
    assert "There is no such member of this tenant." in page.text
    assert filled(acme, sol, creator=acme.memberships["owner"].id).status == 200


def test_of_many_members_the_address_is_typed(
    acme: Cast, sol: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (management_tokens, token_form):
        monkeypatch.setattr(module, "PEOPLE", 1)
    with platform_scope("tests look at a person"):
        email = acme.memberships["developer"].person.email
    assert "mail address" in sol.get(at(acme, "new")).text
    assert filled(acme, sol, creator=email.upper()).status == 200
    assert tokens_of(acme)[-1].creator_id == acme.memberships["developer"].id


def test_a_token_is_revoked_with_a_reason(acme: Cast, sol: Browser) -> None:
    token = make(acme, "ci")
    path = at(acme, token.id, "revoke")
    assert "refused with CREDENTIAL_INVALID from then on" in sol.get(path).text
    for reason in ("", "x" * 513):
        assert sol.send(path, reason=reason).status == 400
    assert tokens_of(acme)[-1].revoked_at is None
    assert sol.send(path, reason="rotated").goes_to == at(acme)
    assert tokens_of(acme)[-1].revoked_at is not None
    assert events_of(token.id)[-1] == "management_token.revoked success"
    assert "revoked already" in sol.get(path).text


def test_another_tenant_s_token_is_not_found(acme: Cast, globex: Cast, sol: Browser) -> None:
    token = tokens_of(globex)[0]
    assert sol.get(at(globex, token.id, "revoke")).status == 200
    assert sol.get(at(acme, token.id, "revoke")).status == 404
    assert sol.post(at(acme, token.id, "revoke"), reason="x").status == 404


def test_the_auditor_sees_tokens_and_makes_and_ends_none(
    acme: Cast, sol: Browser, ira: Browser
) -> None:
    token = make(acme, "ci")
    page = ira.get(at(acme))
    assert page.status == 200
    assert "Create token" not in page.text
    assert ">Revoke<" not in page.html
    assert "Create token" in sol.get(at(acme)).text
    for rest in (("new",), (token.id, "revoke")):
        assert ira.get(at(acme, *rest)).status == 403
        assert ira.post(at(acme, *rest), reason="x", name="x").status == 403
    assert len(tokens_of(acme)) == 2
    assert events_of(token.id)[-1] == "access.refused denied"
    assert "access.refused denied" in events_of(acme.tenant.id)
