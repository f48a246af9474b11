"""Somebody asks for long work, looks how far it is, takes its file, or does without."""

from collections.abc import Iterator
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from portal.core.refusals import Refusal
from portal.core.soon import soon
from portal.tenancy.actors import Actor
from portal.tenancy.jobs.kinds import KINDS, Kind, scope_of
from portal.tenancy.models import Job, JobPart
from portal.tenancy.permission import found, require

MOST_OPEN: Final = 5
"""Jobs that one actor may have open."""


def target_of(job: Job) -> Target:
    """The job as the ledger names it."""
    return Target("job", job.id, KINDS[job.kind].words)


def ask_job(
    *, actor: Actor, kind: Kind, asked: dict[str, Any], total: int, file_name: str,
    content_type: str,
) -> Job:  # fmt: skip
    """Have it done. Inside the scope of the actor's place; refuses more than five open ones.

    A worker begins once this has committed; with the broker away, the schedule finds it.
    """
    require(actor, kind.needs)
    rows = Job.objects.filter(actor_id=actor.id, state__in=["waiting", "running"])
    if rows.count() >= MOST_OPEN:
        raise Refusal("CONFLICT", f"{MOST_OPEN} of your jobs are still open. Wait, or cancel one.")
    job = Job.objects.create(
        tenant_id=actor.tenant_id, kind=kind.name, asked=asked, total=total,
        actor_kind=actor.kind, actor_id=actor.id, file_name=file_name, content_type=content_type,
    )  # fmt: skip
    record(Event.JOB_ASKED, actor=actor, tenant=job.tenant_id, target=target_of(job))
    transaction.on_commit(lambda: _work_soon(job.id, job.tenant_id), robust=True)
    return job


def _work_soon(job_id: str, tenant_id: str | None) -> None:
    from portal.tenancy.tasks import work

    soon(work, job_id, tenant_id)


def access_jobs(actor: Actor) -> QuerySet[Job]:
    """The actor's own at this place, the newest first. Inside the scope."""
    rows = Job.objects.filter(actor_id=actor.id, tenant_id=actor.tenant_id)
    return rows.order_by("-asked_at", "-id")


def access_job(actor: Actor, job_id: str) -> Job:
    """One of them; NOT_FOUND for anybody else's. Inside the scope."""
    return found(access_jobs(actor), job_id)


def cancel_job(*, actor: Actor, job_id: str) -> None:
    """Do no more of it, and forget what there is of its file. Again: nothing."""
    with scope_of(actor.tenant_id):
        job = found(access_jobs(actor).select_for_update(), job_id)
        if not job.open:
            return
        JobPart.objects.filter(job=job).delete()
        Job.objects.filter(pk=job.id).update(
            state=Job.State.CANCELLED, ended_at=Now(), parts=0, place=""
        )
        record(Event.JOB_CANCELLED, actor=actor, tenant=job.tenant_id, target=target_of(job))


def file_of(actor: Actor, job_id: str) -> tuple[Job, Iterator[bytes]]:
    """The file of a job that is done, piece by piece; for who asked, while they still may."""
    with scope_of(actor.tenant_id):
        job = access_job(actor, job_id)
        require(actor, KINDS[job.kind].needs)
        if job.state != Job.State.DONE:
            raise Refusal("NOT_FOUND")
    return job, _pieces(job)


def _pieces(job: Job) -> Iterator[bytes]:
    for number in range(job.parts):
        with scope_of(job.tenant_id):
            yield bytes(JobPart.objects.get(job=job, number=number).data)
