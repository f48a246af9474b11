"""A change, its record and what publishes it commit together; Redis' absence only delays."""

from collections.abc import Iterator

import pytest
import redis

from keys.models import ApiKey
from keys.revocation import revoke_key
from keys.suspension import suspend_key
from portal.core import outbox
from portal.core.models import Outbox
from portal.core.names import name
from portal.core.redis import client
from portal.core.versions import of_key, of_tenant
from portal.tenancy.change import tenant_change
from portal.tenancy.models import Tenant
from portal.tenancy.scope import tenant_scope
from tests.cast import Cast
from tests.keys.events import events_of


def waiting(version_name: str) -> list[int]:
    """Versions of this name that wait to be published."""
    rows = Outbox.objects.filter(versions__has_key=version_name).order_by("id")
    return [row.versions[version_name] for row in rows]


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process can't reach Redis."""
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
    client.cache_clear()
    yield
    client.cache_clear()


def test_a_change_is_published_and_leaves_nothing_to_do(acme: Cast, store: "redis.Redis") -> None:
    key = acme.issue().key
    held = name("v", of_key(key.id))
    store.set(held, 1)
    generation = int(store.get(name("generation")) or 0)  # type: ignore[arg-type]  # not awaited
    assert suspend_key(actor=acme.owner, key_id=key.id, reason="x").propagation == "complete"
    assert store.get(held) == "2"
    assert int(store.get(name("generation"))) > generation  # type: ignore[arg-type]  # not awaited
    assert waiting(of_key(key.id)) == []


@pytest.mark.usefixtures("redis_away")
def test_without_redis_it_is_committed_and_waits(acme: Cast) -> None:
    key_id = acme.issue().key.id
    assert revoke_key(actor=acme.owner, key_id=key_id, reason="x").propagation == "pending"
    assert waiting(of_key(key_id)) == [2]
    with tenant_scope(acme.tenant.id):
        assert ApiKey.objects.get(id=key_id).state == "revoked"
    assert events_of(key_id) == ["key.issued success", "key.revoked success"]


def test_asking_again_publishes_what_waited(
    acme: Cast, store: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = acme.issue().key
    held = name("v", of_key(key.id))
    store.set(held, 1)
    with monkeypatch.context() as patch:
        patch.setenv("REDIS_URL", "unix:///nowhere/redis.sock")
        client.cache_clear()
        assert revoke_key(actor=acme.owner, key_id=key.id, reason="x").propagation == "pending"
    client.cache_clear()
    assert revoke_key(actor=acme.owner, key_id=key.id, reason="x").propagation == "complete"
    assert store.get(held) == "2"


def test_a_writer_that_dies_after_its_commit_leaves_it_in_the_outbox(
    acme: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> outbox.Propagation:
        raise KeyboardInterrupt

    key_id = acme.issue().key.id
    monkeypatch.setattr(outbox, "publish", die)
    with pytest.raises(KeyboardInterrupt):
        revoke_key(actor=acme.owner, key_id=key_id, reason="x")
    assert waiting(of_key(key_id)) == [2]


def test_a_change_that_fails_leaves_nothing_behind(acme: Cast, store: "redis.Redis") -> None:
    with tenant_scope(acme.tenant.id):
        before = Tenant.objects.get(id=acme.tenant.id).epoch
    with pytest.raises(ZeroDivisionError), tenant_change(acme.tenant.id) as change:
        change.bump_epoch(acme.tenant.id)
        change.bump(of_tenant(acme.tenant.id), 1 // 0)
    with tenant_scope(acme.tenant.id):
        assert Tenant.objects.get(id=acme.tenant.id).epoch == before
    assert waiting(of_tenant(acme.tenant.id)) == []


def test_a_record_that_fails_undoes_the_change(acme: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the ledger is full")

    key_id = acme.issue().key.id
    monkeypatch.setattr("keys.turning.record", fail)
    with pytest.raises(RuntimeError):
        revoke_key(actor=acme.owner, key_id=key_id, reason="x")
    with tenant_scope(acme.tenant.id):
        assert ApiKey.objects.get(id=key_id).state == "active"
    assert waiting(of_key(key_id)) == []
