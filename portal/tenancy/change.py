"""The frame of every verb: one durable transaction, versions to the outbox, then published."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from django.db import connection

from portal.core import outbox, versions
from portal.core.outbox import Propagation
from portal.tenancy.scope import platform_scope, tenant_scope


class Change:
    """What one verb changes. `propagation` is told once the transaction has committed."""

    def __init__(self) -> None:
        self.versions: versions.Versions = {}
        self.propagation: Propagation = "complete"
        self.made: str | None = None
        """The id of what came into being, for the replay of an idempotent request."""

    def bump(self, name: str, version: int) -> None:
        """Publish this version after the commit."""
        self.versions[name] = version

    def bump_epoch(self, tenant_id: str) -> None:
        """Raise a tenant's epoch: something tenant-wide that decisions depend on has changed."""
        self.bump_epochs([tenant_id])

    def bump_epochs(self, tenant_ids: Iterable[str]) -> None:
        """Raise the epochs of many tenants at once."""
        ids = sorted(set(tenant_ids))
        with connection.cursor() as cursor:
            if len(ids) > 1:
                # In one order: two verbs that raise the same epochs never wait for each other.
                cursor.execute(
                    "SELECT id FROM tenancy_tenant WHERE id = ANY(%s) ORDER BY id"
                    " FOR NO KEY UPDATE",
                    [ids],
                )
            cursor.execute(
                "UPDATE tenancy_tenant SET epoch = epoch + 1 WHERE id = ANY(%s)"
                " RETURNING id, epoch",
                [ids],
            )
            raised = cursor.fetchall()
        assert len(raised) == len(ids), "an epoch that was not raised is a change that never holds"
        for tenant_id, epoch in raised:
            self.bump(versions.of_tenant(tenant_id), epoch)

    def forget_negatives(self) -> None:
        """A credential came into being: it must work at once, though it was tried before."""
        self.bump(versions.NEGATIVES, 0)


class Companion(Protocol):
    """What commits with a verb's change or not at all, without the verb knowing of it."""

    def begin(self) -> None:
        """Called first in the transaction. An exception here means that the verb never runs."""

    def end(self, change: Change) -> None:
        """Called last, when the verb has done everything but commit."""


companion: Final[ContextVar[Companion | None]] = ContextVar("companion", default=None)
"""Of the verb that this request is about to call; see portal.tenancy.idempotency."""


@contextmanager
def tenant_change(tenant_id: str) -> Iterator[Change]:
    """A verb's transaction in one tenant. An exception undoes all of it and publishes nothing."""
    change, beside = Change(), companion.get()
    with tenant_scope(tenant_id):
        if beside is not None:
            beside.begin()
        yield change
        if beside is not None:
            beside.end(change)
        outbox_id = outbox.enqueue(change.versions) if change.versions else None
    if outbox_id is not None:
        change.propagation = outbox.publish(change.versions, outbox_id)


@contextmanager
def platform_change(reason: str) -> Iterator[Change]:
    """The same over all tenants, for what belongs to none of them."""
    change, beside = Change(), companion.get()
    with platform_scope(reason):
        if beside is not None:
            beside.begin()
        yield change
        if beside is not None:
            beside.end(change)
        outbox_id = outbox.enqueue(change.versions) if change.versions else None
    if outbox_id is not None:
        change.propagation = outbox.publish(change.versions, outbox_id)
