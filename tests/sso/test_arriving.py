"""Who comes through a provider: known by issuer and subject, never by a mail address."""

from portal.tenancy.memberships import disable_membership
from portal.tenancy.models import Membership, Person
from portal.tenancy.people import create_person, disable_person
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.backend import person_by
from tests.cast import OPERATOR, Cast
from tests.pages.app import Visitor
from tests.sso.conftest import Acme


def test_someone_new_of_a_verified_domain_becomes_a_member_and_is_signed_in(
    on: Acme, visitor: Visitor
) -> None:
    page = on.sign_in(visitor)
    assert page.goes_to == f"/t/{on.cast.tenant.slug}/"
    member, person = on.member(), on.person()
    assert member is not None and person is not None
    assert (member.role, person.name, person.platform_role) == ("developer", "Grace Hopper", "")
    assert not person.has_usable_password()
    assert visitor.get(page.goes_to).status == 200


def test_the_second_time_they_are_the_same_person_whatever_their_address_is_now(
    on: Acme, visitor: Visitor
) -> None:
    on.sign_in(visitor)
    first = on.person()
    on.idp.bend["email"] = f"another@{on.domain}"
    assert on.sign_in(Visitor()).status == 302
    assert on.person() == first and person_by(email=f"another@{on.domain}") is None


def test_nobody_is_taken_over_by_their_mail_address(on: Acme, visitor: Visitor) -> None:
    email = f"cy@{on.domain}"
    cy = create_person(actor=OPERATOR, email=email, name="Cy", platform_role="security_admin")
    on.idp.bend |= {"email": email.upper(), "email_verified": True}
    page = on.sign_in(visitor)
    assert (page.status, on.person()) == (409, None)
    assert "ask for an invitation to tie the two" in page.text
    assert not visitor.is_signed_in() and visitor.get(f"/t/{on.cast.tenant.slug}/").status == 302
    with platform_scope("a test looks for memberships"):
        assert not Membership.objects.filter(person=cy).exists()


def test_an_address_of_another_domain_creates_nobody(on: Acme, visitor: Visitor) -> None:
    for email in (
        "grace@elsewhere.example", f"grace@sub.{on.domain}", f"grace@{on.domain}.evil.example",
        f"grace@{on.domain}@evil.example", f"\"x@{on.domain}\"@evil.example", "", None, 7,
        f"grace@{on.domain}\u200b", [f"grace@{on.domain}"],
    ):  # fmt: skip
        on.idp.bend["email"] = email
        page = on.sign_in(Visitor())
        assert (page.status, on.person()) == (403, None), email
        assert "can't be created" in page.text


def test_an_address_that_the_provider_did_not_verify_creates_nobody(on: Acme) -> None:
    for verified in (False, "true", 1, None):
        on.idp.bend["email_verified"] = verified
        assert on.sign_in(Visitor()).status == 403, verified
    assert on.person() is None
    with platform_scope("a test lets Acme trust it"):
        type(on.row).objects.filter(id=on.row.id).update(trusts_email=True)
    on.idp.bend["email_verified"] = False
    assert on.sign_in(Visitor()).status == 403
    on.idp.bend["email_verified"] = None
    assert on.sign_in(Visitor()).status == 302


def test_who_was_disabled_stays_out_and_is_not_let_in_again_by_signing_in(on: Acme) -> None:
    on.sign_in(Visitor())
    member = on.member()
    assert member is not None
    ending = {"actor": OPERATOR, "tenant_id": on.cast.tenant.id, "reason": "left"}
    disable_membership(**ending, membership_id=member.id)  # type: ignore[arg-type]  # text
    page = on.sign_in(Visitor())
    assert page.status == 403 and "disabled here" in page.text
    again = on.member()
    assert again is not None and not again.is_active

    on.idp.subject = "another"
    on.someone().sign_in(Visitor())
    person = on.person()
    assert person is not None
    disable_person(actor=OPERATOR, person_id=person.id, reason="left")
    assert on.sign_in(Visitor()).status == 403


def with_roles(on: Acme, **changes: object) -> None:
    told = {"role_claim": "groups", "default_role": "", **changes}
    told["role_map"] = [["keys", "developer"], ["boss", "owner"], ["eyes", "viewer"]]
    with platform_scope("a test maps roles"):
        type(on.row).objects.filter(id=on.row.id).update(**told)


def role(on: Acme) -> str | None:
    member = on.member()
    return member.role if member is not None else None


def test_the_claim_gives_the_role_and_each_sign_in_follows_it(on: Acme) -> None:
    with_roles(on)
    for groups, expected in (
        (["eyes", "other"], "viewer"), ("boss", "owner"), (["boss", "keys"], "developer"),
    ):  # fmt: skip
        on.idp.bend["groups"] = groups
        assert on.sign_in(Visitor()).status == 302
        assert role(on) == expected


def test_who_has_no_role_there_does_not_come_in_and_loses_nothing(on: Acme) -> None:
    with_roles(on)
    for groups in (None, [], ["other"], {"keys": 1}, 7, [["keys"]]):
        on.idp.bend["groups"] = groups
        assert on.sign_in(Visitor()).status == 403, groups
    assert on.person() is None
    on.idp.bend["groups"] = ["eyes"]
    on.sign_in(Visitor())
    on.idp.bend["groups"] = []
    page = on.sign_in(Visitor())
    assert page.status == 403 and "gives you no role here" in page.text
    assert role(on) == "viewer"


def test_a_role_inside_of_another_claim_is_found_by_a_pointer(on: Acme) -> None:
    with_roles(on, role_claim="/realm_access/roles")
    on.idp.bend["realm_access"] = {"roles": ["eyes"]}
    assert on.sign_in(Visitor()).status == 302 and role(on) == "viewer"


def test_the_last_owner_stays_one_whatever_the_claim_says(on: Acme, acme: Cast) -> None:
    with_roles(on)
    on.idp.bend["groups"] = ["boss"]
    on.sign_in(Visitor())
    for who in ("owner",):
        disable_membership(
            actor=OPERATOR, tenant_id=acme.tenant.id, reason="left",
            membership_id=acme.memberships[who].id,
        )  # fmt: skip
    on.idp.bend["groups"] = ["eyes"]
    assert on.sign_in(Visitor()).status == 302 and role(on) == "owner"


def test_a_tenants_provider_gives_nobody_a_role_on_the_platform(on: Acme) -> None:
    with_roles(on, role_claim="groups")
    on.idp.bend |= {"groups": ["security_admin", "eyes"], "platform_role": "security_admin"}
    on.sign_in(Visitor())
    person = on.person()
    assert person is not None and person.platform_role == ""


def test_two_first_sign_ins_at_once_make_one_person(on: Acme) -> None:
    import threading

    from django.db import connection

    statuses = []

    def come() -> None:
        statuses.append(on.sign_in(Visitor()).status)
        connection.close()

    both = [threading.Thread(target=come) for _ in range(4)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert statuses == [302] * 4
    with platform_scope("a test counts people"):
        assert Person.objects.filter(email=on.idp.bend["email"]).count() == 1
