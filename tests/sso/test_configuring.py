"""A tenant's provider is its owners' and the platform's to set up, and nobody else's."""

from typing import Any

import pytest

from audit.ledger.reading import entries, payload_of
from portal.core.refusals import Refusal
from portal.tenancy.models import IdentityProvider, ProviderDomain
from portal.tenancy.scope import platform_scope, tenant_scope
from portal.tenancy.sso.configuring import (
    change_provider,
    create_provider,
    turn_provider_off,
    turn_provider_on,
)
from portal.tenancy.sso.domains import (
    claim_domain,
    record_name,
    record_text,
    remove_domain,
    verify_domain,
)
from portal.tenancy.sso.provider import of_row, provider_by, provider_of
from tests.cast import OPERATOR, Cast
from tests.pages.app import Visitor
from tests.sso.conftest import Acme, definition, set_up
from tests.sso.nameserver import NameServer
from tests.sso.provider import SECRET, Idp, Said, Server


def who(cast: Cast, actor: Any = None) -> dict[str, Any]:
    return {"actor": actor or cast.owner, "tenant_id": cast.tenant.id}


def types(cast: Cast) -> list[str]:
    with platform_scope("a test reads the ledger"):
        found = entries(tenant=cast.tenant.id)
        return [e.type for e in found if e.type.startswith(("identity_provider", "domain"))]


def test_an_owner_sets_one_up_which_is_off_until_it_is_turned_on(acme: Cast, idp: Idp) -> None:
    row = create_provider(**who(acme), definition=definition(idp))
    assert provider_by(row.id) is None and provider_of(acme.tenant.slug) is None
    turn_provider_on(**who(acme), provider=of_row(row, acme.tenant), reason="tried")
    turn_provider_on(**who(acme), provider=of_row(row, acme.tenant), reason="again")
    found = provider_of(acme.tenant.slug)
    assert found is not None and found.secret is not None and found.secret.reveal() == SECRET
    turn_provider_off(**who(acme), provider_id=row.id, reason="down")
    assert provider_of(acme.tenant.slug) is None
    assert types(acme) == [
        "identity_provider.turned_off", "identity_provider.turned_on", "identity_provider.created",
    ]  # fmt: skip


def test_the_secret_is_sealed_and_in_no_entry(acme: Cast, idp: Idp) -> None:
    row = create_provider(**who(acme), definition=definition(idp))
    assert SECRET not in row.sealed_secret and row.sealed_secret
    with platform_scope("a test reads the ledger"):
        bodies = [payload_of(e) for e in entries(tenant=acme.tenant.id)]
    assert bodies and not any(SECRET in str(body.body) for body in bodies if body)
    assert SECRET not in repr(of_row(row, acme.tenant))


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_no_other_role_may(acme: Cast, idp: Idp, role: str) -> None:
    actor = getattr(acme, role)
    with pytest.raises(Refusal, match="FORBIDDEN"):
        create_provider(**who(acme, actor), definition=definition(idp))
    row = create_provider(**who(acme), definition=definition(idp))
    for verb in (
        lambda: change_provider(
            **who(acme, actor), provider_id=row.id, expected_version=1, definition=definition(idp)
        ),
        lambda: turn_provider_on(**who(acme, actor), provider=of_row(row, acme.tenant), reason="x"),
        lambda: turn_provider_off(**who(acme, actor), provider_id=row.id, reason="x"),
        lambda: claim_domain(**who(acme, actor), provider_id=row.id, domain="acme.example"),
    ):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            verb()
    with platform_scope("a test reads the ledger"):
        refused = entries(tenant=acme.tenant.id, type="access.refused")
        assert refused.count() == 5


def test_another_tenants_is_as_if_it_were_not_there(acme: Cast, globex: Cast, idp: Idp) -> None:
    theirs = create_provider(**who(globex), definition=definition(idp))
    for verb in (
        lambda: turn_provider_off(**who(acme), provider_id=theirs.id, reason="x"),
        lambda: turn_provider_off(
            actor=acme.owner, tenant_id=globex.tenant.id, provider_id=theirs.id, reason="x"
        ),
        lambda: claim_domain(**who(acme), provider_id=theirs.id, domain="acme.example"),
    ):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            verb()
    with tenant_scope(acme.tenant.id):
        assert not IdentityProvider.objects.exists()


def test_a_tenant_has_one(acme: Cast, idp: Idp) -> None:
    create_provider(**who(acme), definition=definition(idp))
    with pytest.raises(Refusal, match="CONFLICT"):
        create_provider(**who(acme, OPERATOR), definition=definition(idp))


def test_another_issuer_or_client_turns_it_off_and_another_name_does_not(
    on: Acme, providers: Server
) -> None:
    def change(version: int, **changes: Any) -> IdentityProvider:
        return change_provider(
            **who(on.cast), provider_id=on.row.id, expected_version=version,
            definition=definition(on.idp, secret=None, **changes),
        )  # fmt: skip

    assert change(2, name="Another name").is_active
    found = provider_by(on.row.id)
    assert found is not None and found.secret is not None and found.secret.reveal() == SECRET
    with pytest.raises(Refusal, match="PRECONDITION_FAILED"):
        change(2, name="Too late")
    assert change(3, name="Another name").version == 3  # nothing differs
    assert not change(3, client_id="another").is_active
    assert provider_by(on.row.id) is None


def test_one_that_does_not_answer_as_a_provider_is_not_turned_on(
    acme: Cast, idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = create_provider(**who(acme), definition=definition(idp))
    idp.instead["/.well-known/openid-configuration"] = Said(b"<html>", media="text/html")
    told = {**who(acme), "provider": of_row(row, acme.tenant), "reason": "x"}
    with pytest.raises(Refusal, match="not JSON"):
        turn_provider_on(**told)
    idp.instead.clear()
    monkeypatch.setenv("OIDC_PRIVATE_NETWORKS", "")
    with pytest.raises(Refusal, match="private network"):
        turn_provider_on(**told)
    assert provider_by(row.id) is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"name": ""}, "/name"), ({"name": "a\u202eb"}, "/name"),
        ({"issuer": "http://login.acme.example"}, "/issuer"), ({"issuer": ""}, "/issuer"),
        ({"issuer": "https://a.example/?b"}, "/issuer"),
        ({"issuer": "https://a@b.example"}, "/issuer"),
        ({"issuer": "https://" + "a" * 600}, "/issuer"), ({"client_id": ""}, "/client_id"),
        ({"secret": "a\nb"}, "/secret"), ({"secret": "x" * 513}, "/secret"),
        ({"scopes": ("email",)}, "/scopes"), ({"scopes": ("openid", "a b")}, "/scopes"),
        ({"role_map": (("a", "owner"),)}, "/role_claim"),
        ({"role_claim": "g", "role_map": (("a", "emperor"),)}, "/role_map"),
        ({"role_claim": "g", "role_map": (("", "owner"),)}, "/role_map"),
        ({"role_claim": "g", "role_map": (("a", "owner"),) * 33}, "/role_map"),
        ({"default_role": "security_admin"}, "/default_role"),
        ({"mfa_amr": ("x",) * 17}, "/mfa_amr"), ({"mfa_acr": ("a b",)}, "/mfa_acr"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_stands(
    acme: Cast, idp: Idp, changes: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(Refusal) as refused:
        create_provider(**who(acme), definition=definition(idp, **changes))
    assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.fixture
def row(acme: Cast, idp: Idp) -> IdentityProvider:
    return create_provider(**who(acme), definition=definition(idp))


def claim(cast: Cast, row: IdentityProvider, domain: str) -> ProviderDomain:
    return claim_domain(**who(cast), provider_id=row.id, domain=domain)


def test_a_domain_is_the_tenants_once_its_dns_says_so(
    acme: Cast, row: IdentityProvider, nameserver: NameServer
) -> None:
    claimed = claim(acme, row, f" Mail.{row.id[4:].lower()}.Example. ")
    assert claimed.domain == f"mail.{row.id[4:].lower()}.example"
    told = {**who(acme), "domain_id": claimed.id}
    for records in ([], [record_text(claimed) + "x"], ["countersign-domain="], ["x" * 250]):
        nameserver.records[record_name(claimed)] = records
        with pytest.raises(Refusal, match="no such record"):
            verify_domain(**told)
    nameserver.records[record_name(claimed)] = ["other", record_text(claimed)]
    for _ in range(2):
        verify_domain(**told)
    assert types(acme)[:2] == ["domain.verified", "domain.claimed"]
    with tenant_scope(acme.tenant.id):
        assert ProviderDomain.objects.get(id=claimed.id).verified_at is not None


def test_another_tenants_challenge_shows_nothing(
    acme: Cast, row: IdentityProvider, globex: Cast, providers: Server, nameserver: NameServer
) -> None:
    on = set_up(globex, Idp(providers), nameserver)
    claimed = claim(acme, row, on.domain)
    with pytest.raises(Refusal, match="no such record"):
        verify_domain(**who(acme), domain_id=claimed.id)
    # Also who can write that DNS does not take it from who showed it first.
    nameserver.records[record_name(claimed)].append(record_text(claimed))
    with pytest.raises(Refusal, match="Another tenant"):
        verify_domain(**who(acme), domain_id=claimed.id)


def test_a_claimed_domain_brings_nobody_before_it_is_verified(
    acme: Cast, row: IdentityProvider, idp: Idp, visitor: Visitor
) -> None:
    claimed = claim(acme, row, f"{row.id[4:].lower()}.example")
    turn_provider_on(**who(acme), provider=of_row(row, acme.tenant), reason="tried")
    on = Acme(acme, idp, row, claimed.domain).someone()
    assert on.sign_in(visitor).status == 403 and on.person() is None


def test_a_removed_domain_brings_nobody_new(on: Acme) -> None:
    on.sign_in(Visitor())
    first = on.idp.subject
    with tenant_scope(on.cast.tenant.id):
        domain = ProviderDomain.objects.get(provider=on.row)
    remove_domain(**who(on.cast), domain_id=domain.id)
    with pytest.raises(Refusal, match="NOT_FOUND"):
        remove_domain(**who(on.cast), domain_id=domain.id)
    on.idp.subject = "another"
    assert on.someone().sign_in(Visitor()).status == 403
    on.idp.subject = first
    assert on.sign_in(Visitor()).status == 302


@pytest.mark.parametrize(
    "domain",
    ["", "example", "localhost", "a..example", "-a.example", "a.example/x", "müller.example",
     "a.example:53", "@a.example", "*.example", "a" * 64 + ".example", "a.1", "127.0.0.1"],
)  # fmt: skip
def test_what_is_no_domain_is_refused(acme: Cast, row: IdentityProvider, domain: str) -> None:
    with pytest.raises(Refusal) as refused:
        claim(acme, row, domain)
    assert [error["pointer"] for error in refused.value.errors] == ["/domain"]


def test_a_domain_is_claimed_once_and_not_without_end(acme: Cast, row: IdentityProvider) -> None:
    claim(acme, row, "a.example")
    with pytest.raises(Refusal, match="CONFLICT"):
        claim(acme, row, "A.example")
    for number in range(31):
        claim(acme, row, f"a{number}.example")
    with pytest.raises(Refusal, match="At most 32"):
        claim(acme, row, "b.example")
