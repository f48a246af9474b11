"""A worker's side of long work: step by step, as who asked may at that moment."""

import logging
from dataclasses import replace
from typing import Final

from django.db import connection
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor, service
from portal.tenancy.jobs.asking import target_of
from portal.tenancy.jobs.kinds import KINDS, Kind, scope_of
from portal.tenancy.models import Job, JobPart, ManagementToken, Tenant
from portal.tenancy.permission import require
from portal.tenancy.places import member, places_of
from portal.tenancy.roles import PLATFORM_ACTIONS
from portal.tenancy.scope import platform_scope, tenant_scope
from portal.tenancy.signing_in.backend import person_by

log = logging.getLogger(__name__)

LATE: Final = 15
"""Seconds without a step after which another worker goes on with it."""
BROKEN: Final = "Something broke on our side. Nothing was changed."


def standing(job: Job) -> Actor:
    """Who asked, with what they may at this moment; may nothing once they are gone."""
    gone = Actor(kind=job.actor_kind, id=job.actor_id, label="", tenant_id=job.tenant_id)  # type: ignore[arg-type]  # as it was written
    if job.actor_kind == "service":
        return _token(job) or gone
    person = person_by(id=job.actor_id)
    if person is None or not person.is_active:
        return gone
    actor = replace(gone, label=person.name)
    if job.tenant_id is None:
        return replace(actor, actions=PLATFORM_ACTIONS[person.platform_role])
    places = [place for place in places_of(person.id) if place.tenant_id == job.tenant_id]
    return member(actor, places[0]) if places else gone


def _token(job: Job) -> Actor | None:
    """A management token that lives, as it may act now."""
    assert job.tenant_id is not None
    with tenant_scope(job.tenant_id):
        row = (
            ManagementToken.objects.filter(pk=job.actor_id, revoked_at=None)
            .exclude(expires_at__lte=Now())
            .filter(creator__is_active=True, creator__person__is_active=True)
            .filter(tenant__status=Tenant.Status.ACTIVE)
            .select_related("creator")
            .first()
        )
    if row is None:
        return None
    creator = row.creator
    return service(
        token_id=row.id, name=row.name, tenant_id=job.tenant_id, membership_id=creator.id,
        role=creator.role, scopes=row.scopes,
    )  # fmt: skip


def work_on(job_id: str, tenant_id: str | None) -> bool:
    """Do all of a job that is left; whether there was anything to do."""
    with scope_of(tenant_id):
        job = Job.objects.filter(pk=job_id).first()
    began = job is not None and job.open
    while job is not None and job.open:
        job = _one_step(job)
    return began


def _one_step(job: Job) -> Job | None:
    """The next step of a job, or its end. None: another worker is at it."""
    actor = standing(job)
    try:
        with scope_of(job.tenant_id):
            held = Job.objects.select_for_update(skip_locked=True).filter(pk=job.id).first()
            if held is None or not held.open:
                return held
            kind = KINDS[held.kind]
            require(actor, kind.needs)
            return _stepped(actor, kind, held)
    except Refusal as refusal:
        told = [refusal.detail, *(error["detail"] for error in refusal.errors)]
        words = " ".join(text for text in told if text)
        return _failed(actor, job, words or "You may not do this any more.")
    except Exception:
        log.exception("a job failed", extra={"job": job.id})
        return _failed(actor, job, BROKEN)


def _stepped(actor: Actor, kind: Kind, job: Job) -> Job:
    step = kind.step(actor, job)
    if step.data:
        JobPart.objects.create(job=job, tenant_id=job.tenant_id, number=job.parts, data=step.data)
        job.parts += 1
    job.done, job.place, job.state = job.done + step.done, step.place, Job.State.RUNNING
    if not step.place:
        job.state = Job.State.DONE
        kind.end(actor, job)
    _keep(job)
    return job


def _keep(job: Job) -> None:
    ended = Now() if not job.open else None
    Job.objects.filter(pk=job.id).update(
        state=job.state, done=job.done, place=job.place, parts=job.parts, failure=job.failure,
        seen_at=Now(), ended_at=ended,
    )  # fmt: skip


def _failed(actor: Actor, job: Job, words: str) -> Job:
    with scope_of(job.tenant_id):
        held = Job.objects.select_for_update().get(pk=job.id)
        if held.open:
            JobPart.objects.filter(job=held).delete()
            held.state, held.failure, held.parts, held.place = Job.State.FAILED, words[:512], 0, ""
            _keep(held)
            record(
                Event.JOB_FAILED, actor=actor, tenant=held.tenant_id, target=target_of(held),
                outcome="error",
            )  # fmt: skip
        return held


def left_behind() -> list[tuple[str, str | None]]:
    """Jobs that wait longer than they should: the broker was away, or their worker was killed."""
    with platform_scope("jobs of every tenant are gone on with"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, tenant_id FROM tenancy_job WHERE state IN ('waiting', 'running')"
            " AND coalesce(seen_at, asked_at) < now() - make_interval(secs => %s)"
            " ORDER BY asked_at",
            [LATE],
        )
        return [(id, tenant) for id, tenant in cursor.fetchall()]


def forget_jobs() -> int:
    """Drop jobs that ended seven days ago, with their files; how many."""
    with platform_scope("jobs of every tenant end"), connection.cursor() as cursor:
        cursor.execute(
            "WITH old AS (SELECT id FROM tenancy_job WHERE ended_at < now() - interval '7 days'),"
            " p AS (DELETE FROM tenancy_jobpart WHERE job_id IN (SELECT id FROM old))"
            " SELECT count(*) FROM old"
        )
        gone = int(cursor.fetchone()[0])
        cursor.execute("DELETE FROM tenancy_job WHERE ended_at < now() - interval '7 days'")
        return gone
