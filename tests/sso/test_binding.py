"""A browser that a tenant's provider let in is that tenant's alone, and MFA holds there too."""

import pytest

from portal.tenancy.memberships import add_member
from portal.tenancy.models import ExternalIdentity, Person, RecoveryCode, Totp
from portal.tenancy.people import change_platform_role
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import SessionStore
from portal.tenancy.signing_in.factors import Enrolment
from tests.cast import OPERATOR, Cast
from tests.pages.app import Someone, Visitor, code_of, someone
from tests.sso.conftest import Acme, set_up
from tests.sso.nameserver import NameServer


def tied(on: Acme, who: Someone) -> Someone:
    """Someone who has a password and an app here, tied to the provider's account, in Acme."""
    with platform_scope("a test ties someone"):
        ExternalIdentity.objects.create(
            person=who.person, issuer=on.idp.issuer, subject=on.idp.subject
        )
    add_member(
        actor=OPERATOR, tenant_id=on.cast.tenant.id, person_id=who.person.id, role="developer"
    )
    return who


def test_it_reaches_no_other_tenant_of_its_person(
    on: Acme, globex: Cast, visitor: Visitor, nameserver: NameServer
) -> None:
    # Not even one that asks the same provider.
    set_up(globex, on.idp, nameserver)
    on.someone()
    who = tied(on, someone("Tess", ""))
    add_member(actor=OPERATOR, tenant_id=globex.tenant.id, person_id=who.person.id, role="owner")
    on.sign_in(visitor)
    assert visitor.get(f"/t/{on.cast.tenant.slug}/keys/").status == 200
    assert visitor.get(f"/t/{globex.tenant.slug}/keys/").status == 404
    assert visitor.get("/t/").goes_to == f"/t/{on.cast.tenant.slug}/"
    # With a password and a code the same person reaches both.
    local = Visitor()
    local.sign_in(who)
    assert local.get(f"/t/{globex.tenant.slug}/keys/").status == 200


@pytest.mark.parametrize("role", ["security_admin", "auditor"])
def test_it_reaches_nothing_of_the_platform(on: Acme, visitor: Visitor, role: str) -> None:
    who = tied(on, someone("Sol", role))
    on.sign_in(visitor)
    for path in ("/admin/", "/admin/people/", "/admin/keys/", "/admin/records/", "/admin/ledger/"):
        assert visitor.get(path).status == 403, path
    for path in ("/admin/tenancy/person/", f"/admin/tenancy/person/{who.person.id}/change/"):
        page = visitor.get(path)
        assert (page.status, page.goes_to.partition("?")[0]) == (302, "/admin/login/"), path
    assert visitor.get(f"/t/{on.cast.tenant.slug}/").status == 200


def test_it_changes_nothing_of_how_its_person_signs_in(on: Acme, visitor: Visitor) -> None:
    who = tied(on, someone("Tess", ""))
    on.sign_in(visitor)
    for path in ("", "password/", "codes/", "app/", "sessions/"):
        page = visitor.get(f"/admin/security/{path}")
        assert page.status == 403 and "not open to this browser" in page.text, path
        assert visitor.post(f"/admin/security/{path}", {"code": who.code()}).status == 403
    assert visitor.get("/sso/link/").status == 403


def test_who_was_made_something_on_the_platform_meanwhile_is_still_bound(
    on: Acme, visitor: Visitor
) -> None:
    on.sign_in(visitor)
    person = on.person()
    assert person is not None
    change_platform_role(
        actor=OPERATOR, person_id=person.id, role="security_admin", reason="promoted"
    )
    assert visitor.get("/admin/people/").status == 403


def test_without_the_providers_second_factor_ours_is_asked_for(on: Acme, visitor: Visitor) -> None:
    who = tied(on, someone("Tess", ""))
    for amr in (None, ["pwd"], "mfa", [], [["mfa"]]):
        on.idp.bend["amr"] = amr
        page = on.sign_in(visitor)
        assert (page.status, page.goes_to) == (302, "/sso/code/"), amr
        assert not visitor.is_signed_in() and visitor.get("/t/").status == 302
    assert visitor.post("/sso/code/", {"code": "000000"}).status == 400
    assert visitor.post("/sso/code/", {"code": ""}).status == 400
    assert visitor.post("/sso/code/", {"code": who.code()}).goes_to == (
        f"/t/{on.cast.tenant.slug}/"
    )
    assert visitor.get("/admin/security/").status == 403  # bound, as with the provider's own


def test_a_recovery_code_does_once(on: Acme, visitor: Visitor) -> None:
    who = tied(on, someone("Tess", ""))
    on.idp.bend["amr"] = None
    code = who.enrolment.codes[0]
    on.sign_in(visitor)
    assert visitor.get("/sso/recovery/").status == 200
    assert visitor.post("/sso/recovery/", {"code": code}).status == 302
    on.sign_in(visitor)
    assert visitor.post("/sso/recovery/", {"code": code}).status == 400


def test_an_acr_that_is_listed_is_a_second_factor_and_is_asked_for(
    on: Acme, visitor: Visitor
) -> None:
    with platform_scope("a test lists acr values"):
        type(on.row).objects.filter(id=on.row.id).update(mfa_acr=["urn:mfa"], mfa_amr=[])
    on.idp.bend |= {"amr": ["mfa"], "acr": "urn:pwd"}
    assert on.sign_in(visitor).goes_to == "/sso/factor/"
    on.idp.bend["acr"] = "urn:mfa"
    assert "acr_values=urn%3Amfa" in on.go(visitor)
    assert on.sign_in(visitor).goes_to.startswith("/t/")


def test_a_providers_word_does_not_open_the_passwords_second_step(
    on: Acme, visitor: Visitor
) -> None:
    who = tied(on, someone("Sol", "security_admin"))
    on.idp.bend["amr"] = None
    on.sign_in(visitor)
    for path in ("/admin/login/code/", "/admin/login/recovery/"):
        page = visitor.post(path, {"code": who.code()})
        assert page.goes_to.startswith("/admin/login/")
    # Nor the other way round: a password is no word of the provider's.
    visitor.give_password(who.person.email, who.password)
    for path in ("/sso/code/", "/sso/recovery/", "/sso/factor/"):
        assert visitor.post(path, {"code": who.code()}).goes_to.startswith("/admin/login/")
    assert not visitor.is_signed_in()


def test_who_comes_through_a_provider_alone_sets_a_second_factor_up(
    on: Acme, visitor: Visitor
) -> None:
    on.idp.bend["amr"] = None
    assert on.sign_in(visitor).goes_to == "/sso/factor/"
    page = visitor.get("/sso/factor/")
    sealed = page.fields("/sso/factor/")["sealed"][0]
    person = on.person()
    assert person is not None
    enrolment = Enrolment.opened(sealed, person.id)
    assert enrolment is not None and enrolment.codes[0] in page.text

    def send(**fields: str) -> object:
        told = {"sealed": sealed, "code": code_of(enrolment.seed), "stored": "on", **fields}
        return visitor.post("/sso/factor/", told)

    for wrong in ({"code": "000000"}, {"code": ""}, {"stored": ""}, {"sealed": "forged"}):
        assert send(**wrong).status == 400, wrong  # type: ignore[attr-defined]
    with platform_scope("a test looks for what was set up"):
        assert not Totp.objects.filter(user=person).exists()
    assert send().goes_to == f"/t/{on.cast.tenant.slug}/"  # type: ignore[attr-defined]
    with platform_scope("a test looks for what was set up"):
        assert RecoveryCode.objects.filter(person=person).count() == 8
    # It is asked for from now on, and not laid anew.
    second = Visitor()
    assert on.sign_in(second).goes_to == "/sso/code/"
    assert second.get("/sso/factor/").status == 403


def test_a_provider_lays_no_factor_under_an_account_with_a_password(
    on: Acme, visitor: Visitor
) -> None:
    who = tied(on, someone("Tess", ""))
    with platform_scope("a test takes the app away"):
        Totp.objects.filter(user=who.person).delete()
    on.idp.bend["amr"] = None
    assert on.sign_in(visitor).goes_to == "/sso/factor/"
    page = visitor.get("/sso/factor/")
    assert page.status == 403 and "You have a password here" in page.text
    enrolment = Enrolment.new()
    told = {"sealed": enrolment.sealed(who.person.id), "code": code_of(enrolment.seed)}
    assert visitor.post("/sso/factor/", {**told, "stored": "on"}).status == 403
    with platform_scope("a test looks for a factor"):
        assert not Totp.objects.filter(user=who.person).exists()


def test_a_session_gets_a_new_key_and_the_old_one_is_over(on: Acme, visitor: Visitor) -> None:
    back = on.idp.approve(on.go(visitor))
    before = visitor.client.cookies["countersign"].value
    visitor.get(back)
    after = visitor.client.cookies["countersign"].value
    assert before != after
    stranger = Visitor()
    stranger.client.cookies["countersign"] = before
    assert stranger.get(f"/t/{on.cast.tenant.slug}/").status == 302


def test_nothing_of_the_way_stands_readable_in_the_session(on: Acme, visitor: Visitor) -> None:
    address = on.go(visitor)
    nonce = address.partition("nonce=")[2].partition("&")[0]
    state = address.partition("state=")[2].partition("&")[0]
    held = SessionStore(visitor.client.cookies["countersign"].value).load()
    assert "sso" in held and nonce not in str(held) and state not in str(held)


def test_enforced_the_tenants_pages_open_to_who_came_through_it_alone(
    on: Acme, visitor: Visitor
) -> None:
    who = tied(on, someone("Tess", ""))
    local = Visitor()
    local.sign_in(who)
    path = f"/t/{on.cast.tenant.slug}/keys/"
    assert local.get(path).status == 200
    with platform_scope("a test enforces it"):
        type(on.row).objects.filter(id=on.row.id).update(enforced=True)
    for page in (local.get(path), local.post(f"{path}new/", {"name": "x"})):
        assert (page.status, page.goes_to) == (302, on.door)
    assert "that session ends when another begins" in local.get(on.door).text
    assert on.sign_in(visitor).status == 302 and visitor.get(path).status == 200
    # Who is nobody there is told what everyone is told.
    stranger = Visitor()
    stranger.sign_in(someone("Eve", ""))
    assert stranger.get(path).status == 404


def test_turned_off_it_lets_in_nobody_who_came_through_it(on: Acme, visitor: Visitor) -> None:
    path = f"/t/{on.cast.tenant.slug}/"
    on.sign_in(visitor)
    for changes, status in (
        ({"is_active": False}, 404), ({"is_active": True}, 200),
        ({"issuer": "https://another.example"}, 404), ({"issuer": on.idp.issuer}, 200),
    ):  # fmt: skip
        with platform_scope("a test turns it"):
            type(on.row).objects.filter(id=on.row.id).update(**changes)
        assert visitor.get(path).status == status, changes


def test_people_are_tied_and_told_by_the_ledger(on: Acme, visitor: Visitor) -> None:
    from audit.ledger.reading import entries, payload_of
    from audit.ledger.sentences import sentence

    on.sign_in(visitor)
    with platform_scope("a test reads the ledger"):
        person = Person.objects.get(externalidentity__issuer=on.idp.issuer)
        told = [sentence(e, payload_of(e)) for e in entries(tenant=None, target=person.id)]
    assert told == [
        "Grace Hopper signed in through Acme’s provider, with its second factor",
        f"Acme’s provider tied person “Grace Hopper” to {on.idp.issuer}",
        "Acme’s provider created person “Grace Hopper”",
    ]
