"""The only setter of what PostgreSQL lets this transaction see.

Row security compares every tenant's row with two transaction-local settings. Outside both scopes
nothing is seen and nothing can be written. A scope is the outermost transaction, so that the
setting ends with it on a pooled connection, whatever happens inside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import connection, transaction

_held: ContextVar[str | None] = ContextVar("scope", default=None)


class ScopeError(RuntimeError):
    """A scope was opened inside another one's transaction."""


@contextmanager
def _scope(setting: str, value: str) -> Iterator[None]:
    held = f"{setting}={value}"
    if _held.get() == held:
        yield
        return
    if _held.get() is not None:
        raise ScopeError(f"{held} inside {_held.get()}")
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [setting, value])
        token = _held.set(held)
        try:
            yield
        finally:
            _held.reset(token)


@contextmanager
def tenant_scope(tenant_id: str) -> Iterator[None]:
    """A transaction that sees and writes this tenant's rows only.

    Inside the same tenant's scope it joins it; inside another one it raises ScopeError.
    """
    with _scope("app.tenant", tenant_id):
        yield


@contextmanager
def platform_scope(reason: str) -> Iterator[None]:
    """A transaction over all tenants; `reason` says why. A test lists every caller."""
    assert reason, "say why all tenants are needed"
    with _scope("app.platform", "on"):
        yield
