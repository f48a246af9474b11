"""Proving again in a browser that a provider let in: by a code, or by signing in there again."""

import time
from typing import Any

import pytest

from portal.core.models import Mail
from portal.tenancy.models import IdentityProvider, PasswordReset, Person, Session, Totp
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import digest_of
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Someone, Visitor, someone
from tests.pages.browser import Page, prove
from tests.sso.conftest import Acme, address_in
from tests.sso.test_binding import tied
from tests.sso.test_platform import sign_in

PROVE = "/admin/security/prove/"


@pytest.fixture
def stale(on: Acme, visitor: Visitor) -> Visitor:
    """Who came through Acme's provider alone, and proved nothing for six minutes."""
    on.sign_in(visitor)
    prove(visitor.key, 360)
    return visitor


def new_key(on: Acme) -> str:
    return f"/t/{on.cast.tenant.slug}/keys/new/"


def asked(answer: Page) -> bool:
    return answer.status == 302 and answer.goes_to.startswith(f"{PROVE}?next=")


def again(visitor: Visitor, page: str) -> str:
    """Begin to sign in there again, on the way to a page: the provider's address."""
    told = visitor.get(visitor.get(page).goes_to).fields()
    assert told["through"] == ["1"]
    return address_in(visitor.post(PROVE, told))


@pytest.mark.parametrize(
    ("said", "fresh"),
    [(None, False), (0, True), (-100, True), (-250, False), (-301, False), (-86_400, False),
     (30, True), (300, False), ("now", False), (True, False), ([], False), (10**400, False)],
)  # fmt: skip
def test_a_sign_in_is_a_proof_as_old_as_the_provider_says(
    on: Acme, visitor: Visitor, said: Any, fresh: bool
) -> None:
    if said is not None:
        moment = type(said) is int and abs(said) < 10**9
        on.idp.bend["auth_time"] = int(time.time()) + said if moment else said
    assert on.sign_in(visitor).status == 302
    assert asked(visitor.get(new_key(on))) is not fresh


def test_our_own_code_on_the_way_in_is_a_proof(on: Acme, visitor: Visitor) -> None:
    who = tied(on, someone("Tess", ""))
    on.idp.bend["amr"] = None
    on.sign_in(visitor)
    visitor.post("/sso/code/", {"code": who.code()})
    assert visitor.get(new_key(on)).status == 200


def test_signing_in_there_again_proves_it(on: Acme, stale: Visitor) -> None:
    page, before = new_key(on), stale.key
    address = again(stale, page)
    assert "prompt=login" in address and "max_age=0" in address
    answer = stale.get(on.idp.approve(address))
    assert answer.goes_to == page and stale.get(page).status == 200
    assert stale.key != before
    person = on.person()
    assert person is not None and events_of(person.id)[-1] == "login.stepped_up success"
    # It is as bound as before.
    assert stale.get("/admin/security/").status == 403


def test_an_ordinary_sign_in_asks_the_provider_for_no_more_than_that(on: Acme) -> None:
    address = on.go(Visitor())
    assert "prompt" not in address and "max_age" not in address


@pytest.mark.parametrize(
    "said",
    [{"auth_time": None}, {"auth_time": 0}, {"auth_time": "now"}, {"auth_time": True},
     {"auth_time": 4_000_000_000}, {"amr": ["pwd"]}, {"amr": None}, {"sub": "somebody else"}],
)  # fmt: skip
def test_what_the_provider_does_not_say_is_not_proved(
    on: Acme, stale: Visitor, said: dict[str, Any]
) -> None:
    address = again(stale, new_key(on))
    on.idp.bend |= said
    answer = stale.get(on.idp.approve(address))
    assert (answer.status, "Nothing was proved" in answer.text) == (403, True)
    assert asked(stale.get(new_key(on))) and asked(stale.post(new_key(on), {"name": "x"}))
    assert stale.get(f"/t/{on.cast.tenant.slug}/keys/").status == 200


def test_somebody_else_who_is_known_there_proves_nothing_and_signs_nobody_in(
    on: Acme, stale: Visitor
) -> None:
    first, subject = on.person(), on.idp.subject
    on.idp.subject = "another"
    on.someone().sign_in(Visitor())
    address = again(stale, new_key(on))
    answer = stale.get(on.idp.approve(address))
    assert answer.status == 403 and "Somebody else signed in there" in answer.text
    assert asked(stale.get(new_key(on)))
    on.idp.subject = subject
    with platform_scope("a test looks whose session it is"):
        held = Session.objects.get(digest=digest_of(stale.key))
    assert first is not None and held.person_id == first.id


def test_a_way_back_works_once_and_in_its_own_browser(on: Acme, stale: Visitor) -> None:
    back = on.idp.approve(again(stale, new_key(on)))
    other = Visitor()
    on.sign_in(other)
    prove(other.key, 360)
    assert other.get(back).status == 400 and asked(other.get(new_key(on)))
    assert stale.get(back).status == 302
    prove(stale.key, 360)
    assert stale.get(back).status == 400 and asked(stale.get(new_key(on)))


def test_a_code_of_ones_own_proves_it_as_well(on: Acme, visitor: Visitor) -> None:
    who = tied(on, someone("Tess", ""))
    on.sign_in(visitor)
    page = visitor.get(visitor.get(new_key(on)).goes_to)
    assert "Or at Acme’s provider" in page.text and 'name="password"' not in page.html
    assert visitor.post(PROVE, {"code": "000000", "next": new_key(on)}).status == 400
    answer = visitor.post(PROVE, {"code": who.code(), "next": new_key(on)})
    assert answer.goes_to == new_key(on) and visitor.get(new_key(on)).status == 200
    assert visitor.post(PROVE, {"code": who.code(), "next": ""}).goes_to == "/t/"


def without_app(who: Someone) -> Someone:
    with platform_scope("a test takes the app away"):
        Totp.objects.filter(user=who.person).delete()
    return who


def test_a_password_proves_nothing_where_a_provider_let_somebody_in(
    on: Acme, visitor: Visitor
) -> None:
    without_app(tied(on, someone("Tess", "")))
    on.sign_in(visitor)
    assert 'name="password"' not in visitor.get(visitor.get(new_key(on)).goes_to).html
    assert visitor.post(PROVE, {"password": PASSWORD}).status == 404
    assert asked(visitor.get(new_key(on)))


def test_a_tenants_provider_proves_nothing_in_a_browser_that_it_did_not_let_in(
    on: Acme, visitor: Visitor
) -> None:
    who = tied(on, someone("Sol", "security_admin"))
    visitor.sign_in(who)
    prove(visitor.key, 360)
    page = visitor.get(PROVE)
    assert "through" not in page.html.partition("<main")[2] or "Sign in again at" not in page.text
    assert visitor.post(PROVE, {"through": "1"}).status == 400
    # Nor with a way that was begun while it had.
    back = on.idp.approve(on.go(visitor))
    on.idp.bend["auth_time"] = int(time.time())
    visitor.get(back)
    assert visitor.get("/admin/").status == 403  # that was a sign-in: another session, and bound


def test_turned_off_it_proves_nothing(on: Acme, stale: Visitor) -> None:
    address = again(stale, new_key(on))
    with platform_scope("a test turns it off"):
        IdentityProvider.objects.filter(id=on.row.id).update(is_active=False)
    assert stale.get(on.idp.approve(address)).status == 400
    page = stale.get(PROVE)
    assert "not in force any more" in page.text and "Sign in again at" not in page.text
    assert stale.post(PROVE, {"through": "1", "password": ""}).status == 404


def test_the_platforms_provider_proves_it_for_whom_it_let_in(
    own: Any, visitor: Visitor
) -> None:  # fmt: skip
    own.bend["groups"] = ["secops"]
    assert sign_in(own, visitor).goes_to == "/admin/"
    page = "/admin/new/tenant/"
    assert asked(visitor.get(page))
    assert visitor.get(own.approve(again(visitor, page))).goes_to == page
    assert visitor.get(page).status == 200
    prove(visitor.key, 360)
    address = again(visitor, page)
    own.bend["auth_time"] = int(time.time()) - 400
    assert visitor.get(own.approve(address)).status == 403 and asked(visitor.get(page))


def test_it_lays_no_password_under_who_comes_through_it_alone(
    own: Any, visitor: Visitor
) -> None:  # fmt: skip
    own.bend["groups"] = ["audit"]
    sign_in(own, visitor)
    page = visitor.get("/admin/security/factor/")
    assert "through a provider alone" in page.text and "Send link" not in page.text
    assert visitor.post("/admin/security/factor/").status == 409
    visitor.post("/admin/login/forgot/", {"email": own.bend["email"]})
    with platform_scope("a test looks for links"):
        person = Person.objects.get(email=own.bend["email"])
        assert not Mail.objects.filter(about=person.id).exists()
        assert not PasswordReset.objects.filter(person=person).exists()


@pytest.mark.parametrize(("column", "ago"), [("last_seen_at", 31 * 60), ("expires_at", 1)])
def test_such_a_session_ends_as_every_other(
    on: Acme, visitor: Visitor, owner_db: Any, column: str, ago: int
) -> None:
    on.sign_in(visitor)
    path = f"/t/{on.cast.tenant.slug}/"
    with platform_scope("a test looks at a session"):
        held = Session.objects.get(digest=digest_of(visitor.key))
    assert 8 * 3600 - 60 < (held.expires_at - held.created_at).total_seconds() <= 8 * 3600
    assert held.browser and held.network and visitor.get(path).status == 200
    owner_db.execute(
        f"UPDATE tenancy_session SET {column} = now() - make_interval(secs => %s)"
        " WHERE digest = %s", [ago, digest_of(visitor.key)],
    )  # fmt: skip
    assert visitor.get(path).goes_to.startswith("/admin/login/")
