"""No way through a provider leads around the second factor: the rows of tests.pages.test_ways_in.

A provider speaks for a tenant, or for the platform. What it does not say that it asked for, ours is
asked for; also where the tenant waives it: nobody knows what a provider asks.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest

from portal.tenancy.factor_policy import require_factor, waive_factor
from portal.tenancy.models import ExternalIdentity, IdentityProvider, Totp
from portal.tenancy.scope import platform_scope
from portal.tenancy.signing_in.factors import Enrolment
from tests.cast import OPERATOR, Cast
from tests.pages.app import Someone, Visitor, code_of, someone
from tests.pages.browser import session_of
from tests.pages.test_ways_in import KINDS, opened, person_of
from tests.sso.conftest import Acme
from tests.sso.provider import Idp
from tests.sso.test_platform import sign_in

pytestmark = pytest.mark.usefixtures("quick_hashes")

NOT_MFA: tuple[Any, ...] = (None, [], ["pwd"], "mfa", ["otp"])


def tie(who: Someone, idp: Idp) -> None:
    with platform_scope("a test ties someone"):
        ExternalIdentity.objects.create(person=who.person, issuer=idp.issuer, subject=idp.subject)


def guess(visitor: Visitor, who: Someone) -> None:
    """Everything that the steps after a provider's word take, but a code of the person's."""
    other = someone("Ira", "auditor")
    for path in ("/sso/code/", "/sso/recovery/", "/admin/login/code/", "/admin/security/prove/"):
        for code in ("", "000000", other.enrolment.codes[0], other.code(), who.password):
            visitor.post(path, {"code": code, "password": who.password})
    for about in (who.person.id, other.person.id):
        enrolment = Enrolment.new()
        told = {"sealed": enrolment.sealed(about), "code": code_of(enrolment.seed), "stored": "on"}
        visitor.post("/sso/factor/", told)


def by_tenant(on: Acme, who: Someone) -> Visitor:
    """Who can sign in at the tenant's provider, without a second factor there."""
    visitor = Visitor()
    for said in NOT_MFA:
        on.idp.bend["amr"] = said
        on.sign_in(visitor)
    guess(visitor, who)
    return visitor


def by_forged_way(on: Acme, who: Someone) -> Visitor:
    """Who has a provider's answer for another browser, and one for proving again."""
    visitor, other = Visitor(), Visitor()
    back = on.idp.approve(on.go(other))
    visitor.get(back)
    visitor.post("/admin/security/prove/", {"through": "1", "next": "/admin/"})
    guess(visitor, who)
    return visitor


def by_password(on: Acme, who: Someone) -> Visitor:
    """Who knows the password of somebody whose tenant opens to its provider's people alone."""
    with platform_scope("a test enforces it"):
        IdentityProvider.objects.filter(id=on.row.id).update(enforced=True)
    visitor = Visitor()
    visitor.give_password(who.person.email, who.password)
    guess(visitor, who)
    return visitor


WALKS: dict[str, Callable[[Acme, Someone], Visitor]] = {
    "tenant's provider": by_tenant, "another's answer": by_forged_way, "enforced": by_password,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WALKS)
def test_no_way_leads_around_the_second_factor(on: Acme, way: str, kind: str) -> None:
    who = person_of(kind, on.cast)
    tie(who, on.idp)
    assert opened(WALKS[way](on, who), on.cast) == set()
    with platform_scope("a test looks for a factor that was laid"):
        assert Totp.objects.filter(user=who.person).exists() is not kind.endswith("-none")


@pytest.mark.parametrize("kind", KINDS)
def test_with_it_a_tenants_provider_opens_the_tenant_and_nothing_else(on: Acme, kind: str) -> None:
    who, visitor = person_of(kind, on.cast), Visitor()
    tie(who, on.idp)
    assert on.sign_in(visitor).status == 302
    assert opened(visitor, on.cast) == {"tenant"}


@pytest.mark.parametrize("kind", ["platform", "platform-none"])
def test_the_platforms_provider_opens_it_with_a_second_factor_alone(
    own: Idp, acme: Cast, kind: str
) -> None:  # fmt: skip
    who, visitor = person_of(kind, acme), Visitor()
    tie(who, own)
    own.bend |= {"groups": ["secops"], "amr": ["pwd"]}
    sign_in(own, visitor)
    guess(visitor, who)
    assert opened(visitor, acme) == set()
    own.bend["amr"] = ["mfa"]
    sign_in(own, visitor)
    assert "platform" in opened(visitor, acme)


def test_enforced_by_the_platform_a_password_and_a_reset_lead_nowhere(
    own: Idp, acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    who = person_of("member", acme)
    monkeypatch.setenv("OIDC_ENFORCED", "1")
    visitor = Visitor()
    assert visitor.give_password(who.person.email, who.password).status == 400
    assert opened(visitor, acme) == set()


def test_who_is_in_already_is_asked_from_the_next_request_on(on: Acme) -> None:
    """A tenant that asks for it again asks sessions of its provider too, by what they hold."""
    waive_factor(actor=OPERATOR, tenant_id=on.cast.tenant.id, reason="tests")
    who, visitor = person_of("waived-none", on.cast), Visitor()
    visitor.client.cookies["countersign"] = session_of(who.person, ("sso",))
    path = f"/t/{on.cast.tenant.slug}/"
    assert visitor.get(path).status == 200
    require_factor(actor=OPERATOR, tenant_id=on.cast.tenant.id, reason="tests")
    assert visitor.get(path).goes_to.startswith("/admin/security/factor/")


def test_a_provider_that_asks_for_nothing_again_leaves_a_browser_that_may_look_alone(
    on: Acme,
) -> None:
    """A cookie that was copied, with the provider's session beside it, does nothing dangerous."""
    on.sign_in(Visitor())
    on.idp.bend["auth_time"] = int(time.time()) - 3600
    visitor = Visitor()
    on.sign_in(visitor)
    path = f"/t/{on.cast.tenant.slug}/keys/new/"
    page = visitor.get(visitor.get(path).goes_to)
    told = visitor.post("/admin/security/prove/", page.fields())
    visitor.get(on.idp.approve(told.headers["refresh"].split("; url=", 1)[1]))
    assert visitor.get(path).status == 302 and visitor.post(path, {"name": "x"}).status == 302
