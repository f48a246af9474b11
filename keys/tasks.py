"""Jobs of keys: fetch, call, done."""

from celery import shared_task
from django.db import connection


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def make_partitions() -> int:
    """Make the decision log's partitions of the coming week; returns how many were missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT decision_partitions_make(7)")
        return int(cursor.fetchone()[0])
