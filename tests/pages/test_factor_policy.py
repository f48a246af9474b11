"""Whether a tenant asks a second factor of its members, and what its members meet then."""

from typing import Any

import psycopg
import pytest

from portal.core.mail import letter_of
from portal.core.models import Mail
from portal.core.refusals import Refusal
from portal.tenancy.factor_policy import require_factor, waive_factor
from portal.tenancy.memberships import add_member
from portal.tenancy.models import Person, RecoveryCode, Tenant, Totp
from portal.tenancy.people import change_platform_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.inviting import invite_person
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.app import PASSWORD, Someone, Visitor, code_of, member_of, someone
from tests.pages.browser import Browser, Page, staff
from tests.pages.test_sessions import key_of

pytestmark = pytest.mark.usefixtures("quick_hashes")

Db = psycopg.Connection[Any]
FACTOR, MISSING = "/admin/security/factor/", "/admin/login/factor/"


def waive(cast: Cast) -> None:
    waive_factor(actor=OPERATOR, tenant_id=cast.tenant.id, reason="tests")


def require(cast: Cast) -> None:
    require_factor(actor=OPERATOR, tenant_id=cast.tenant.id, reason="tests")


def required(cast: Cast) -> bool:
    with platform_scope("a test looks"):
        return Tenant.objects.get(id=cast.tenant.id).mfa_required


@pytest.fixture
def mika(acme: Cast) -> Someone:
    """A member of Acme, which waives the second factor; she has none."""
    waive(acme)
    return member_of(acme, "owner", skip=True)


@pytest.fixture
def here(mika: Someone) -> Visitor:
    visitor = Visitor()
    assert visitor.give_password(mika.person.email, PASSWORD).goes_to == "/t/"
    return visitor


def owner_of(cast: Cast) -> Browser:
    with platform_scope("a test signs someone in"):
        return Browser(Person.objects.get(id=cast.owner.id))


def last_link(person: Person) -> str:
    """Where the last mail about a person leads."""
    with platform_scope("a test reads mail"):
        letter = letter_of(Mail.objects.filter(about=person.id).latest("created_at"))
    assert letter is not None and letter.to == person.email
    return "/setup/" + letter.text.partition("/setup/")[2].partition("\n")[0]


def choose(visitor: Visitor, path: str, **fields: str) -> Page:
    page = visitor.get(path)
    told = {"password": PASSWORD, "code": code_of(key_of(page)), "stored": "on"}
    return visitor.post(path, {**page.fields(), **told, **fields})


def test_a_new_tenant_requires_one(acme: Cast) -> None:
    assert required(acme)


def test_the_platform_waives_and_requires_it_for_a_reason(
    acme: Cast, sol: Browser, ira: Browser
) -> None:
    path = f"/admin/tenants/{acme.tenant.slug}/"
    assert "A second factor is required of every member." in ira.get(path).text
    for browser, verb, status in (
        (ira, "waive", 403), (sol, "waive", 302), (ira, "require", 403), (sol, "require", 302),
    ):  # fmt: skip
        before = required(acme)
        assert browser.get(f"{path}second-factor/{verb}/").status == (403 if status == 403 else 200)
        answer = browser.post(f"{path}second-factor/{verb}/", reason="as agreed")
        assert answer.status == status
        assert required(acme) is (before if status == 403 else verb == "require")
    assert sol.post(f"{path}second-factor/waive/", reason="").status == 400
    assert sol.post(f"{path}second-factor/require/", reason="again").status == 302
    told = events_of(acme.tenant.id)
    for event in ("tenant.factor_waived", "tenant.factor_required"):
        assert told.count(f"{event} success") == 1
    assert told.count("access.refused denied") == 2


def test_requiring_says_how_many_have_none(acme: Cast, mika: Someone, sol: Browser) -> None:
    member_of(acme)
    page = sol.get(f"/admin/tenants/{acme.tenant.slug}/second-factor/require/")
    assert "4 of its members have none." in page.text  # Ada, Ben, Vera and Mika


def test_an_owner_requires_it_and_waives_nothing(acme: Cast) -> None:
    waive(acme)
    ada, path = owner_of(acme), f"/t/{acme.tenant.slug}/second-factor/"
    assert path in ada.get(f"/t/{acme.tenant.slug}/keys/").html
    assert ada.send(path, reason="our auditors ask").goes_to == path
    assert "requires a second factor already" in ada.get(path).text
    assert required(acme)
    with pytest.raises(Refusal, match="FORBIDDEN"):
        waive_factor(actor=acme.owner, tenant_id=acme.tenant.id, reason="x")
    assert ada.get(f"/t/{acme.tenant.slug}/second-factor/waive/").status == 404
    assert required(acme)


def test_nobody_else_of_a_tenant_does_nor_a_foreign_owner(acme: Cast, globex: Cast) -> None:
    waive(acme)
    for actor in (acme.developer, acme.viewer):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            require_factor(actor=actor, tenant_id=acme.tenant.id, reason="x")
    for verb in (require_factor, waive_factor):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            verb(actor=globex.owner, tenant_id=acme.tenant.id, reason="x")
    assert owner_of(globex).get(f"/t/{acme.tenant.slug}/second-factor/").status == 404
    assert not required(acme)


def test_where_it_is_waived_a_password_alone_opens_the_tenants_pages(
    acme: Cast, mika: Someone, here: Visitor
) -> None:
    assert here.get("/t/").goes_to == f"/t/{acme.tenant.slug}/"
    assert here.get(f"/t/{acme.tenant.slug}/keys/").status == 200
    assert here.get("/admin/").status == 403
    assert here.get("/admin/tenancy/person/").goes_to.startswith("/admin/login/")
    assert here.get("/admin/login/?next=/admin/tenancy/person/").goes_to == "/t/"
    with platform_scope("a test looks"):
        assert not Totp.objects.filter(user=mika.person).exists()
        assert not RecoveryCode.objects.filter(person=mika.person).exists()
    entries = events_of(mika.person.id)
    assert entries[-1] == "login.succeeded success"


def test_from_the_next_request_on_a_tenant_that_requires_it_is_closed(
    acme: Cast, mika: Someone, here: Visitor
) -> None:
    path = f"/t/{acme.tenant.slug}/keys/"
    require(acme)
    assert here.get(path).goes_to == f"{FACTOR}?next={path}"
    assert here.post(f"/t/{acme.tenant.slug}/ledger/export/").goes_to == FACTOR
    assert "asks for a second factor" not in here.get("/t/").goes_to
    page = here.get(f"{FACTOR}?next={path}")
    assert "open only to whoever proves more than a password" in page.text


def test_of_two_tenants_only_the_one_that_waives_it_is_open(
    acme: Cast, globex: Cast, mika: Someone, here: Visitor
) -> None:
    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=mika.person.id, role="viewer")
    assert here.get(f"/t/{acme.tenant.slug}/keys/").status == 200
    closed = f"/t/{globex.tenant.slug}/keys/"
    assert here.get(closed).goes_to == f"{FACTOR}?next={closed}"
    assert "asks for a second factor" in here.get("/t/").text
    # And the next sign-in takes one: one account has one way in.
    assert Visitor().give_password(mika.person.email, PASSWORD).goes_to == MISSING


def test_a_role_on_the_platform_closes_the_platforms_pages_to_a_password_alone(
    mika: Someone, here: Visitor
) -> None:
    change_platform_role(
        actor=OPERATOR, person_id=mika.person.id, role="security_admin", reason="tests"
    )
    assert here.get("/admin/tenants/").goes_to == f"{FACTOR}?next=/admin/tenants/"
    assert here.post("/admin/new/tenant/", {"name": "x"}).goes_to == FACTOR
    assert here.get("/admin/login/?next=/admin/tenancy/person/").goes_to == "/admin/"
    assert Visitor().give_password(mika.person.email, PASSWORD).goes_to == MISSING


def test_who_needs_one_and_has_none_gets_a_link_by_mail_and_not_in(
    acme: Cast, mika: Someone
) -> None:
    require(acme)
    visitor = Visitor()
    assert visitor.give_password(mika.person.email, PASSWORD).goes_to == MISSING
    page = visitor.get(MISSING)
    assert "Nobody is signed in" in page.text and mika.person.email not in page.text
    assert not visitor.is_signed_in()
    assert visitor.get("/admin/login/code/").goes_to == "/admin/login/?late=1"
    path = last_link(mika.person)
    assert 'name="skip"' not in visitor.get(path).html
    assert choose(visitor, path, skip="on").status == 400
    assert choose(visitor, path).goes_to == "/t/"
    assert visitor.get(f"/t/{acme.tenant.slug}/keys/").status == 200
    assert "second_factor.asked success" in events_of(mika.person.id)


def test_links_that_one_sends_oneself_are_three_and_then_one_each_ten_minutes(
    acme: Cast, mika: Someone, here: Visitor
) -> None:
    statuses = [here.post(FACTOR).status for _ in range(5)]
    assert statuses == [302, 302, 302, 429, 429]
    require(acme)
    assert Visitor().give_password(mika.person.email, PASSWORD).goes_to == MISSING
    assert events_of(mika.person.id).count("second_factor.asked success") == 3


def test_a_password_alone_lays_no_factor_under_an_account(mika: Someone, here: Visitor) -> None:
    for path in ("app", "codes"):
        assert here.get(f"/admin/security/{path}/").goes_to == FACTOR
        assert here.post(f"/admin/security/{path}/", {"code": "123456"}).goes_to == FACTOR
    page = here.get("/admin/security/")
    assert FACTOR in page.html and "/admin/security/codes/" not in page.html
    assert "recovery code" not in page.text.lower()
    assert here.post(FACTOR).goes_to == FACTOR
    assert "The link was written to the outbox" in here.get(FACTOR).text
    visitor = Visitor()
    assert choose(visitor, last_link(mika.person)).goes_to == "/t/"
    assert not here.is_signed_in()
    assert Visitor().give_password(mika.person.email, PASSWORD).goes_to == "/admin/login/code/"


def test_who_has_one_is_asked_for_it_also_where_it_is_waived(acme: Cast) -> None:
    waive(acme)
    ben, visitor = member_of(acme), Visitor()
    assert visitor.give_password(ben.person.email, PASSWORD).goes_to == "/admin/login/code/"
    assert not visitor.is_signed_in()
    assert visitor.get(f"/t/{acme.tenant.slug}/keys/").goes_to.startswith("/admin/login/")


def test_the_password_is_changed_without_a_code_by_who_has_none(
    mika: Someone, here: Visitor
) -> None:
    there = Visitor()
    there.give_password(mika.person.email, PASSWORD)
    path = "/admin/security/password/"
    assert 'name="code"' not in here.get(path).html
    new = "another quite long sentence"
    for old, status in (("not it at all, no", 400), (PASSWORD, 302)):
        assert here.post(path, {"old_password": old, "new_password": new}).status == status
    assert (here.is_signed_in(), there.is_signed_in()) == (True, False)


def test_an_invitation_offers_to_do_without_only_where_it_is_waived(
    acme: Cast, globex: Cast
) -> None:
    new = staff("Nia", "")
    add_member(actor=OPERATOR, tenant_id=acme.tenant.id, person_id=new.id, role="viewer")
    link = invite_person(actor=OPERATOR, person_id=new.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    visitor = Visitor()
    assert 'name="skip"' not in visitor.get(path).html
    answer = choose(visitor, path, skip="on", code="", stored="")
    assert answer.status == 400
    assert "You need one" in answer.html.partition('id="id_skip_error"')[2].partition("</p>")[0]
    waive(acme)
    assert 'name="skip"' in visitor.get(path).html
    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=new.id, role="viewer")
    assert 'name="skip"' not in visitor.get(path).html
    waive(globex)
    assert choose(visitor, path, skip="on", code="", stored="").goes_to == "/t/"
    assert visitor.get(f"/t/{acme.tenant.slug}/keys/").status == 200


def test_doing_without_leaves_nothing_of_a_factor_that_there_was(acme: Cast) -> None:
    waive(acme)
    ben = member_of(acme)
    link = invite_person(actor=OPERATOR, person_id=ben.person.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    assert choose(Visitor(), path, skip="on", code="", stored="").status == 302
    assert Visitor().give_password(ben.person.email, PASSWORD).goes_to == "/t/"


def test_nobody_on_the_platform_does_without(sol: Browser) -> None:
    ira = someone("Ira", "auditor")
    link = invite_person(actor=OPERATOR, person_id=ira.person.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    answer = choose(Visitor(), path, skip="on")
    assert (answer.status, "You need one" in answer.text) == (400, True)


def test_who_is_in_no_tenant_does_not_either() -> None:
    new = staff("Nia", "")
    link = invite_person(actor=OPERATOR, person_id=new.id).link.reveal()
    path = "/setup/" + link.rpartition("/")[2]
    assert choose(Visitor(), path, skip="on").status == 400


def test_the_first_administrator_does_not(owner_db: Db) -> None:
    from portal.tenancy.signing_in.inviting import invite_first

    owner_db.execute("UPDATE tenancy_person SET platform_role = '' WHERE password NOT LIKE '!%'")
    path = "/setup/" + invite_first(actor=OPERATOR).link.reveal().rpartition("/")[2]
    assert 'name="skip"' not in Visitor().get(path).html
    email = f"first-{staff('x', '').id}@example.com"
    answer = choose(Visitor(), path, skip="on", email=email, name="First")
    assert (answer.status, "You need one" in answer.text) == (400, True)
