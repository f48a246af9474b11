"""What one asked for and takes longer: how far it is, its file, and doing without it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, ClassVar, Final

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from portal.tenancy.jobs.asking import access_job, access_jobs, cancel_job, file_of
from portal.tenancy.jobs.kinds import KINDS
from portal.tenancy.models import Job
from portal.tenancy.pages.list_page import ListPage
from portal.tenancy.pages.lists import Column, Filter, Listing
from portal.tenancy.pages.page import Page
from portal.tenancy.pages.writing import tell

EVERYONE: Final = "usage:read"
"""Whoever may do anything here may look at what they asked for; each kind asks for its own."""
LOOK_AGAIN: Final = "3"
"""Seconds until the page of an open job comes again, also without JavaScript."""
STATE: Final = Filter(
    "state", "State", [("", "Any state"), *((str(s.value), str(s.label)) for s in Job.State)]
)


class Jobs(ListPage):
    """`/admin/jobs/`, `/t/<slug>/jobs/`: one's own, the newest first."""

    needs = EVERYONE
    section = "jobs"
    template = "tenancy/jobs.html"
    file = "jobs"
    noun = "jobs"
    writes = EVERYONE
    columns: ClassVar[Mapping[str, Any]] = {
        "id": lambda row: row.id,
        "job": lambda row: KINDS[row.kind].words,
        "state": lambda row: row.state,
        "done": lambda row: row.done,
        "asked_at": lambda row: row.asked_at,
        "ended_at": lambda row: row.ended_at,
    }

    def listing(self) -> Listing:
        return Listing(
            self.request.GET, filters=[STATE], columns=[Column("asked", ["-asked_at", "-id"])],
            searched="Id",
        )  # fmt: skip

    def chosen(self, listing: Listing) -> QuerySet[Job]:
        rows = access_jobs(self.actor)
        if state := listing.chosen["state"]:
            rows = rows.filter(state=state)
        return rows.filter(id=listing.q) if listing.q else rows

    def any(self) -> bool:
        return access_jobs(self.actor).exists()

    def context(self) -> dict[str, Any]:
        told = super().context()
        for job in told["list"].rows:
            job.words = KINDS[job.kind].words
        return told


class JobPage(Page):
    """`…/jobs/<id>/`: GET says how far it is, POST cancels it."""

    needs = EVERYONE
    fresh = False  # it only takes away, from oneself
    section = "jobs"
    template = "tenancy/job.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The page, which comes again by itself while there is something to wait for."""
        self.job = self.seen(lambda: access_job(self.actor, kwargs["id"]))
        response = self.show()
        if self.job.open:
            response["Refresh"] = LOOK_AGAIN
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Do without it."""
        cancel_job(actor=self.actor, job_id=kwargs["id"])
        tell(request, "Cancelled, as far as it was not done yet.")
        return self.to("job", kwargs["id"])

    def context(self) -> dict[str, Any]:
        job = self.job
        return {"job": job, "words": KINDS[job.kind].words, "of": max(job.total or 0, job.done, 1)}


async def _later(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same, one after the other: the file is never whole in memory."""
    following = sync_to_async(lambda: next(pieces, None))
    while (piece := await following()) is not None:
        yield piece


class JobFile(Page):
    """`…/jobs/<id>/file/`: what came of it."""

    needs = EVERYONE

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The file, for who asked for it and still may."""
        job, pieces = file_of(self.actor, kwargs["id"])
        sent = _later(pieces) if hasattr(request, "scope") else pieces  # an ASGI server's, or not
        response = StreamingHttpResponse(sent, content_type=job.content_type)
        response["Content-Disposition"] = f'attachment; filename="{job.file_name}"'
        response["Cache-Control"] = "no-store"
        return response  # type: ignore[return-value]  # it streams

    def is_file(self, request: HttpRequest) -> bool:
        """Always."""
        return True

    def after_proof(self, request: HttpRequest) -> str:
        """The page that leads here."""
        return self.url("job", self.kwargs["id"])
