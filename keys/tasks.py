"""Jobs of keys: fetch, call, done."""

from typing import Final

from celery import shared_task
from django.db import connection

from keys.exposing import record_exposed
from keys.figures import TOP
from portal.core import configuration
from portal.tenancy.actors import system

BATCH: Final = 10_000


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def make_partitions() -> int:
    """Make the decision log's partitions of the coming week; returns how many were missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT decision_partitions_make(7)")
        return int(cursor.fetchone()[0])


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_usage() -> int:
    """Drop days of decisions past their time, and what usage keeps no longer; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_partitions_drop(current_date - %s::integer)",
            [configuration.DECISIONS_KEPT_DAYS()],
        )
        total = int(cursor.fetchone()[0])
        while True:
            cursor.execute("SELECT usage_forget(%s)", [BATCH])
            gone = int(cursor.fetchone()[0])
            if not gone:
                return total
            total += gone


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def record_exposures() -> int:
    """Record what gateways noted of exposed credentials; returns how many."""
    return record_exposed(actor=system("exposure watch"))


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def count_top_keys() -> int:
    """Find the keys that are used and refused most, for the usage page; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT top_keys_count(%s)", [TOP])
        return int(cursor.fetchone()[0])
