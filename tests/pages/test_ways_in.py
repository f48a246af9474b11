"""No way in leads around the second factor: every way, for every kind of person.

Each way is walked with everything that it takes but a second factor. What is open afterwards is
held against one table; with the factor, the same way opens what the person may see.
"""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.test import Client

from portal.core.ids import base62
from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.tenancy.factor_policy import require_factor, waive_factor
from portal.tenancy.invitations import invite_member
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Tenant
from portal.tenancy.people import change_platform_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.inviting import invite_person
from portal.tenancy.tenants import create_tenant
from tests.cast import OPERATOR, Cast
from tests.pages.app import Someone, Visitor, code_of, member_of, someone
from tests.pages.browser import session_of, staff
from tests.pages.test_sessions import key_of

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
NEW = "another quite long sentence"
WAYS = (
    "password", "reset", "invitation", "recovery", "step-up", "token", "cookie", "tenant invites",
)  # fmt: skip
KINDS = ("platform", "member", "waived", "platform-none", "member-none", "waived-none")
"""`-none`: without a second factor of their own, because it was waived when they set up."""
ALONE = "waived-none"
"""The one kind that a password alone lets in."""


def person_of(kind: str, cast: Cast) -> Someone:
    """Someone of this kind, in the cast's tenant."""
    if kind == "platform":
        return someone()
    none = kind.endswith("-none")
    if none or kind == "waived":
        waive_factor(actor=OPERATOR, tenant_id=cast.tenant.id, reason="tests")
    made = member_of(cast, "owner", skip=none)
    if kind == "member-none":
        require_factor(actor=OPERATOR, tenant_id=cast.tenant.id, reason="tests")
    if kind == "platform-none":
        change_platform_role(
            actor=OPERATOR, person_id=made.person.id, role="security_admin", reason="tests"
        )
    return made


def link_in_mail(who: Someone, path: str) -> str:
    return link_about(who.person.id, path)


def link_about(id: str, path: str) -> str:
    with platform_scope("a test reads mail"):
        letter = letter_of(Mail.objects.filter(about=id).latest("created_at"))
    assert letter is not None
    return path + letter.text.partition(path)[2].partition("\n")[0]


def by_password(who: Someone, cast: Cast) -> Visitor:
    visitor = Visitor()
    visitor.give_password(who.person.email, who.password)
    return visitor


def by_reset(who: Someone, cast: Cast) -> Visitor:
    """Who has the mailbox, and no second factor."""
    visitor = Visitor()
    visitor.post("/admin/login/forgot/", {"email": who.person.email})
    path = link_in_mail(who, "/reset/")
    for code in ("", "000000", who.password):
        answer = visitor.post(path, {"password": NEW, "code": code})
        if answer.status == 302:
            break
    visitor.give_password(who.person.email, NEW)
    return visitor


def by_invitation(who: Someone, cast: Cast) -> Visitor:
    """Who holds an invitation and would do without the second factor that it asks for."""
    visitor = Visitor()
    link = invite_person(actor=OPERATOR, person_id=who.person.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    page = visitor.get(path)
    for fields in ({"code": ""}, {"code": "000000", "stored": "on"}, {"skip": "on", "code": ""}):
        if visitor.post(path, {**page.fields(), "password": NEW, **fields}).status == 302:
            break
    return visitor


def by_recovery(who: Someone, cast: Cast) -> Visitor:
    """Who knows the password and tries recovery codes: used ones, others', nobody's."""
    other, visitor = someone("Ira", "auditor"), Visitor()
    visitor.give_password(who.person.email, who.password)
    for code in (other.enrolment.codes[0], "8kq2-v7wd-x3mn", "", who.password):
        visitor.post("/admin/login/recovery/", {"code": code})
    return visitor


def by_step_up(who: Someone, cast: Cast) -> Visitor:
    """Who proves again, between password and code, by the password."""
    visitor = Visitor()
    visitor.give_password(who.person.email, who.password)
    for told in ({"password": who.password}, {"code": who.password}, {"code": "000000"}):
        visitor.post("/admin/security/prove/", {"next": "/admin/", "late": "", **told})
    return visitor


def by_token(who: Someone, cast: Cast) -> Visitor:
    """Who has a management token, as a header and as a cookie."""
    token = cast.token
    visitor = Visitor(headers={"Authorization": f"Bearer {token}"})
    visitor.client.cookies["countersign"] = token
    return visitor


def by_cookie(who: Someone, cast: Cast) -> Visitor:
    """Who has a session in which a password alone was proved."""
    visitor = Visitor()
    visitor.client.cookies["countersign"] = session_of(who.person, ("pwd",))
    return visitor


def by_tenants_invitation(who: Someone, cast: Cast) -> Visitor:
    """Who holds another tenant's invitation of them, and knows their password."""
    other = create_tenant(actor=OPERATOR, slug=f"other-{base62(8).lower()}", name="Other")
    waive_factor(actor=OPERATOR, tenant_id=other.id, reason="tests")
    link = invited(other, who.person.email)
    visitor = Visitor()
    for fields in ({"skip": "on", "code": ""}, {"code": "000000", "stored": "on"}):
        visitor.get(link)
        visitor.post(link, {"name": "Mika", "password": NEW, **fields})
    visitor.give_password(who.person.email, NEW)
    return visitor


def invited(tenant: Tenant, email: str) -> str:
    """The link of a tenant's invitation."""
    made = invite_member(actor=OPERATOR, tenant_id=tenant.id, email=email, role="owner")
    return link_about(made.id, "/join/")


WALKS: dict[str, Callable[[Someone, Cast], Visitor]] = {
    "password": by_password, "reset": by_reset, "invitation": by_invitation,
    "recovery": by_recovery, "step-up": by_step_up, "token": by_token, "cookie": by_cookie,
    "tenant invites": by_tenants_invitation,
}  # fmt: skip
ADMIN = ("/admin/", "/admin/tenants/", "/admin/tenancy/person/", "/admin/ledger/export/")


def opened(visitor: Visitor, cast: Cast) -> set[str]:
    """What the browser sees: pages of the `platform` and of the `tenant`."""
    own = [f"/t/{cast.tenant.slug}/{path}" for path in ("", "keys/", "ledger/", "second-factor/")]
    found = {"platform" for path in ADMIN if visitor.get(path).status == 200}
    return found | {"tenant" for path in own if visitor.get(path).status == 200}


def expected(way: str, kind: str) -> set[str]:
    """The table: nothing, but for who may do without; a stolen cookie opens no more than that."""
    if way in ("token", "tenant invites"):
        return set()
    if kind == ALONE or (way == "invitation" and kind == "waived"):
        return {"tenant"}
    # Who has a second factor was never given such a session; the tenant would not ask for more.
    return {"tenant"} if (way, kind) == ("cookie", "waived") else set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_around_the_second_factor(acme: Cast, way: str, kind: str) -> None:
    who = person_of(kind, acme)
    visitor = WALKS[way](who, acme)
    assert opened(visitor, acme) == expected(way, kind)


@pytest.mark.parametrize("kind", ["platform", "member", "waived"])
@pytest.mark.parametrize("way", ["password", "reset", "invitation", "recovery"])
def test_with_it_the_same_ways_lead_in(acme: Cast, way: str, kind: str) -> None:
    who, visitor = person_of(kind, acme), Visitor()
    if way == "reset":
        visitor.post("/admin/login/forgot/", {"email": who.person.email})
        told = {"password": NEW, "code": who.code()}
        assert visitor.post(link_in_mail(who, "/reset/"), told).status == 302
        who.password = NEW
    if way == "invitation":
        link = invite_person(actor=OPERATOR, person_id=who.person.id).link.reveal()
        path = "/setup/" + link.rpartition("/")[2]
        page = visitor.get(path)
        told = {"password": NEW, "code": code_of(key_of(page)), "stored": "on"}
        assert visitor.post(path, {**page.fields(), **told}).status == 302
    elif way == "recovery":
        visitor.give_password(who.person.email, who.password)
        visitor.post("/admin/login/recovery/", {"code": who.enrolment.codes[0]})
    else:
        visitor.sign_in(who)
    assert opened(visitor, acme) == {"platform" if kind == "platform" else "tenant"}


@pytest.mark.parametrize(
    ("waived", "elsewhere"),
    [(True, None), (True, "waived"), (True, "required"), (False, None), (False, "waived")],
)
def test_who_joins_anew_may_do_without_only_if_every_tenant_of_theirs_waives_it(
    acme: Cast, globex: Cast, waived: bool, elsewhere: str | None
) -> None:
    made = staff("Mika Sato", "")
    if waived:
        waive_factor(actor=OPERATOR, tenant_id=acme.tenant.id, reason="tests")
    if elsewhere is not None:
        add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=made.id, role="viewer")
    if elsewhere == "waived":
        waive_factor(actor=OPERATOR, tenant_id=globex.tenant.id, reason="tests")
    link, visitor = invited(acme.tenant, made.email), Visitor()
    page = visitor.get(link)
    may = waived and elsewhere != "required"
    assert ('name="skip"' in page.html) is may
    answer = visitor.post(link, {**page.fields(), "password": NEW, "skip": "on", "code": ""})
    assert answer.status == (302 if may else 400)
    assert opened(visitor, acme) == ({"tenant"} if may else set())


@pytest.mark.parametrize("kind", ["platform", "member", "waived"])
def test_a_session_is_no_credential_of_the_api(acme: Cast, kind: str) -> None:
    who, visitor = person_of(kind, acme), Visitor()
    visitor.sign_in(who)
    path = f"/v1/tenants/{acme.tenant.slug}/keys"
    for client in (visitor.client, Client(headers={"Authorization": f"Bearer {visitor.key}"})):
        assert client.get(path).status_code == 401


def test_a_token_approves_nothing_and_is_nobodys_session(acme: Cast, api: Any) -> None:
    base = f"/v1/tenants/{acme.tenant.slug}"
    body = {"name": "x", "environment": "live", "scopes": ["files:write"]}
    answer = api("POST", f"{base}/keys", body, token=acme.token)
    assert (answer.status, answer.body["code"]) == (403, "APPROVAL_REQUIRED")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("where", ["sign-in", "step-up", "reset", "password"])
@pytest.mark.parametrize("how", ["replayed", "full-width", "arabic", "too old", "ahead"])
def test_a_code_that_is_not_todays_is_taken_nowhere(acme: Cast, where: str, how: str) -> None:
    who, visitor = person_of("platform", acme), Visitor()
    code = who.code()
    given = {
        "replayed": code,
        "full-width": "".join(chr(ord(digit) - ord("0") + ord("０")) for digit in code),
        "arabic": "".join(chr(ord(digit) - ord("0") + ord("٠")) for digit in code),
        "too old": who.code(-2),
        "ahead": who.code(2),
    }[how]
    if how in ("too old", "ahead") and given in {who.code(step) for step in (-1, 0, 1)}:
        return
    visitor.sign_in(who)  # it uses this minute's code up
    if where == "sign-in":
        visitor = by_password(who, acme)
        answer = visitor.post("/admin/login/code/", {"code": given})
    elif where == "step-up":
        answer = visitor.post("/admin/security/prove/", {"code": given, "next": "", "late": ""})
    elif where == "reset":
        visitor.post("/admin/login/forgot/", {"email": who.person.email})
        path = link_in_mail(who, "/reset/")
        answer = visitor.post(path, {"password": NEW, "code": given})
    else:
        told = {"old_password": who.password, "new_password": NEW, "code": given}
        answer = visitor.post("/admin/security/password/", told)
    assert answer.status == 400, answer.text


@pytest.mark.parametrize("where", ["sign-in", "step-up", "reset"])
def test_a_code_may_be_typed_with_spaces(acme: Cast, where: str) -> None:
    who, visitor = person_of("platform", acme), Visitor()
    visitor.sign_in(who)
    code = who.code()
    given = f" {code[:3]} {code[3:]} "
    if where == "sign-in":
        answer = by_password(who, acme).post("/admin/login/code/", {"code": given})
    elif where == "step-up":
        answer = visitor.post("/admin/security/prove/", {"code": given, "next": "", "late": ""})
    else:
        visitor.post("/admin/login/forgot/", {"email": who.person.email})
        told = {"password": NEW, "code": given}
        answer = visitor.post(link_in_mail(who, "/reset/"), told)
    assert answer.status == 302, answer.text
