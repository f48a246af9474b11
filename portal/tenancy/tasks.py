"""Jobs of tenancy: fetch, call, done."""

from celery import shared_task
from django.db import connection

from portal.tenancy.jobs import working
from portal.tenancy.mailing import deliver_waiting
from portal.tenancy.scope import platform_scope
from portal.tenancy.sessions import idle_limit


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_requests() -> int:
    """Forget idempotent requests after their 24 hours; returns how many."""
    with platform_scope("idempotency records of every tenant end"), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tenancy_idempotencyrecord WHERE created_at < now() - interval '24 hours'"
        )
        return int(cursor.rowcount)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_sign_ins() -> int:
    """Drop sessions and links past their end, forms used two days ago, tries long ago; how many."""
    with platform_scope("sessions are people's, not tenants'"), connection.cursor() as cursor:
        cursor.execute(
            "WITH s AS (DELETE FROM tenancy_session WHERE expires_at < now()"
            " OR last_seen_at < now() - %s::interval RETURNING 1),"
            " r AS (DELETE FROM tenancy_passwordreset WHERE expires_at < now() RETURNING 1),"
            " f AS (DELETE FROM tenancy_usedform WHERE used_at < now() - interval '2 days'"
            " RETURNING 1), t AS (DELETE FROM tenancy_tries WHERE full_at < now() RETURNING 1)"
            " SELECT (SELECT count(*) FROM s) + (SELECT count(*) FROM f)"
            " + (SELECT count(*) FROM t) + (SELECT count(*) FROM r)",
            [str(idle_limit())],
        )
        return int(cursor.fetchone()[0])


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def deliver_mails() -> int:
    """Deliver the mails that wait; how many were tried."""
    return deliver_waiting()


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_invitations() -> int:
    """Drop tenants' invitations that ended thirty days ago; how many."""
    with platform_scope("invitations of every tenant end"), connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tenancy_tenantinvitation WHERE expires_at < now() - interval '30 days'"
        )
        return int(cursor.rowcount)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_mails() -> int:
    """Drop mails of thirty days ago: their links ended long before; how many."""
    with platform_scope("mails are the platform's"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_mail WHERE created_at < now() - interval '30 days'")
        return int(cursor.rowcount)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def work(job_id: str, tenant_id: str | None) -> bool:
    """Do a job that somebody asked for; whether there was anything to do."""
    return working.work_on(job_id, tenant_id)


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def take_jobs_up() -> int:
    """Go on with jobs that were left behind; how many."""
    return sum(working.work_on(id, tenant) for id, tenant in working.left_behind())


@shared_task  # type: ignore[untyped-decorator]  # Celery has no types
def forget_jobs() -> int:
    """Drop jobs of seven days ago with their files; how many."""
    return working.forget_jobs()
