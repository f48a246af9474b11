"""Tenants come into being, are suspended and resumed."""

import pytest

from portal.core.refusals import Refusal
from portal.tenancy.tenants import create_tenant, resume_tenant, suspend_tenant
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.tenancy.epochs import epoch_of


def test_a_slug_is_taken_once(acme: Cast) -> None:
    with pytest.raises(Refusal, match="CONFLICT"):
        create_tenant(actor=OPERATOR, slug=acme.tenant.slug, name="Another")
    other = create_tenant(actor=OPERATOR, slug=f"{acme.tenant.slug}-2", name="Another")
    assert events_of(other.id) == ["tenant.created success"]


@pytest.mark.parametrize("slug", ["", "A", "a_b", "-a", "a--b", "a-", "ä", "a/b", "a\n", "a" * 64])
def test_a_slug_fits_in_a_url(slug: str) -> None:
    with pytest.raises(Refusal, match="/slug"):
        create_tenant(actor=OPERATOR, slug=slug, name="Acme")


def test_suspending_raises_the_epoch_and_is_recorded_once(acme: Cast) -> None:
    before = epoch_of(acme)
    for _ in range(2):
        told = suspend_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="unpaid")
        assert told == "complete"
    assert epoch_of(acme) > before
    resume_tenant(actor=OPERATOR, tenant_id=acme.tenant.id, reason="paid")
    assert events_of(acme.tenant.id) == [
        "tenant.created success", "tenant.suspended success", "tenant.resumed success",
    ]  # fmt: skip


def test_an_owner_can_t_suspend_nor_resume_a_tenant(acme: Cast) -> None:
    for verb in (suspend_tenant, resume_tenant):
        with pytest.raises(Refusal, match="FORBIDDEN"):
            verb(actor=acme.owner, tenant_id=acme.tenant.id, reason="please")
