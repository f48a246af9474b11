"""Jobs of tenancy: fetch, call, done."""

from celery import shared_task
from django.db import connection

from portal.tenancy.scope import platform_scope


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_requests() -> int:
    """Forget idempotent requests after their 24 hours; returns how many."""
    with platform_scope("idempotency records of every tenant end"), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tenancy_idempotencyrecord WHERE created_at < now() - interval '24 hours'"
        )
        return int(cursor.rowcount)
