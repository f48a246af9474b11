"""Long work: asked for on a page, done by a worker step by step, left and found again."""

import csv
import io
import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.http import QueryDict

from audit.ledger.events import Event
from audit.ledger.recording import record
from audit.ledger.target import Target
from audit.pages import exporting
from audit.pages.exporting import export_entries
from portal.core.refusals import Refusal
from portal.tenancy.actors import Actor
from portal.tenancy.jobs import working
from portal.tenancy.jobs.asking import MOST_OPEN
from portal.tenancy.jobs.working import forget_jobs, left_behind, work_on
from portal.tenancy.memberships import change_role
from portal.tenancy.models import Job, JobPart
from portal.tenancy.people import disable_person
from portal.tenancy.scope import platform_scope, tenant_scope
from tests.cast import OPERATOR, Cast
from tests.keys.events import events_of
from tests.pages.browser import Browser, member
from tests.plugin import ROOT

Db = psycopg.Connection[Any]


@pytest.fixture
def many(acme: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve entries about keys, where a page waits for three, and no broker to be told."""
    monkeypatch.setattr("portal.tenancy.jobs.asking._work_soon", lambda *_: None)
    monkeypatch.setattr(exporting, "AT_ONCE", 3)
    monkeypatch.setattr("audit.pages.export.AT_ONCE", 3)
    ids = []
    for n in range(12):
        with tenant_scope(acme.tenant.id):
            entry = record(
                Event.KEY_CHANGED, actor=acme.owner, tenant=acme.tenant.id,
                target=Target("key", f"key_{n}", "=1+1"),
            )  # fmt: skip
        ids.append(entry.id)
    return ids[::-1]


def at(cast: Cast, rest: str = "") -> str:
    return f"/t/{cast.tenant.slug}/{rest}"


def asked(browser: Browser, cast: Cast, format: str = "csv") -> str:
    """Ask for all of the key changes; the job's id."""
    page = browser.post(at(cast, "ledger/export/?type=key.changed"), format=format)
    assert page.status == 302, page.text
    assert page.goes_to.startswith(at(cast, "jobs/"))
    return page.goes_to.rstrip("/").rpartition("/")[2]


def job_of(id: str) -> Job:
    with platform_scope("a test looks a job up"):
        return Job.objects.get(pk=id)


def one_step(id: str) -> Job | None:
    return working._one_step(job_of(id))


def test_a_large_export_is_a_job_that_is_left_and_found_again(
    ada: Browser, acme: Cast, many: list[str]
) -> None:
    id = asked(ada, acme)
    page = ada.get(at(acme, f"jobs/{id}/"))
    assert page.status == 200 and "0 of 12" in page.text and "Waiting" in page.text
    assert page.headers["refresh"] == "3"
    one_step(id)
    page = ada.get(at(acme, f"jobs/{id}/"))
    assert "3 of 12" in page.text and "Running" in page.text
    assert ada.get(at(acme, f"jobs/{id}/file/")).status == 404, "not before it is whole"
    assert work_on(id, acme.tenant.id)
    page = ada.get(at(acme, "jobs/"))
    assert "Export of the ledger" in page.text and "Done" in page.text
    page = ada.get(at(acme, f"jobs/{id}/"))
    assert "refresh" not in page.headers and "Download" in page.text
    file = ada.get(at(acme, f"jobs/{id}/file/"))
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(file.html)))
    assert [row["id"] for row in rows] == many
    assert {row["target"] for row in rows} == {"'=1+1"}


def test_it_is_recorded_when_asked_for_and_when_it_left(
    ada: Browser, acme: Cast, many: list[str]
) -> None:
    id = asked(ada, acme)
    assert events_of(id) == ["job.asked success"]
    assert "ledger.exported success" not in events_of(acme.tenant.id)
    work_on(id, acme.tenant.id)
    assert events_of(acme.tenant.id)[-1] == "ledger.exported success"


DIES = """
import os, sys, django
django.setup()
from audit.pages import exporting
from portal.tenancy.jobs import working
exporting.AT_ONCE, kept, left = 3, working._keep, int(sys.argv[3])
def keep(job):
    global left
    if not left:
        os._exit(9)
    left -= 1
    kept(job)
working._keep = keep
working.work_on(sys.argv[1], sys.argv[2])
"""
"""A worker that does so many steps, and of the next one everything but commit."""


def worker(id: str, cast: Cast, steps: int) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"}
    told = [sys.executable, "-c", DIES, id, cast.tenant.id, str(steps)]
    return subprocess.Popen(told, cwd=ROOT, env=environment)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_worker_that_dies_between_any_two_steps_loses_and_repeats_nothing(
    ada: Browser, acme: Cast, many: list[str], format: str
) -> None:
    id = asked(ada, acme, format)
    for steps, done in ((0, 0), (1, 3), (2, 9)):
        assert worker(id, acme, steps).wait(60) == 9
        assert (job_of(id).done, job_of(id).open) == (done, True)
    assert work_on(id, acme.tenant.id)
    text = ada.get(at(acme, f"jobs/{id}/file/")).html
    assert [text.count(f'"{entry}"') for entry in many] == [1] * 12
    assert text.count("occurred_at") == (1 if format == "csv" else 12)


def test_two_workers_at_once_only_take_turns(ada: Browser, acme: Cast, many: list[str]) -> None:
    id = asked(ada, acme)
    for each in [worker(id, acme, 99) for _ in range(2)]:
        assert each.wait(60) == 0
    work_on(id, acme.tenant.id)
    job, text = job_of(id), ada.get(at(acme, f"jobs/{id}/file/")).html
    assert (job.state, job.done, job.parts) == ("done", 12, 4)
    assert [text.count(f'"{entry}"') for entry in many] == [1] * 12


def test_nobody_else_finds_it(
    ada: Browser, vera: Browser, sol: Browser, acme: Cast, globex: Cast, many: list[str]
) -> None:  # fmt: skip
    id, cy = asked(ada, acme), member(globex, "owner")
    work_on(id, acme.tenant.id)
    for rest in (f"jobs/{id}/", f"jobs/{id}/file/"):
        assert ada.get(at(acme, rest)).status == 200
        assert vera.get(at(acme, rest)).status == 404
        assert cy.get(at(globex, rest)).status == 404
        assert sol.get(f"/admin/{rest}").status == 404
    assert id not in vera.get(at(acme, "jobs/")).text
    assert vera.post(at(acme, f"jobs/{id}/")).status == 404
    assert job_of(id).state == "done"


def test_who_may_no_more_gets_no_file_and_no_further_step(
    ada: Browser, vera: Browser, acme: Cast, many: list[str]
) -> None:
    before, after = asked(vera, acme), asked(vera, acme)
    work_on(before, acme.tenant.id)
    one_step(after)
    change_role(
        actor=acme.owner, tenant_id=acme.tenant.id, role="developer",
        membership_id=acme.memberships["viewer"].id,
    )  # fmt: skip
    assert vera.get(at(acme, f"jobs/{before}/file/")).status == 403
    work_on(after, acme.tenant.id)
    assert job_of(after).state == "failed"
    assert "You may not do this any more" in vera.get(at(acme, f"jobs/{after}/")).text
    assert events_of(after) == ["job.asked success", "job.failed error"]
    with platform_scope("a test counts"):
        assert not JobPart.objects.filter(job=after).exists()


def test_nor_does_a_person_who_was_disabled(ira: Browser, acme: Cast, many: list[str]) -> None:
    page = ira.post("/admin/ledger/export/?type=key.changed", format="csv")
    id = page.goes_to.rstrip("/").rpartition("/")[2]
    assert one_step(id)
    disable_person(actor=OPERATOR, person_id=ira.person.id, reason="left")
    assert work_on(id, None)
    assert job_of(id).state == "failed"


def test_cancelling_ends_it_and_forgets_what_there_is(
    ada: Browser, acme: Cast, many: list[str]
) -> None:
    id = asked(ada, acme)
    one_step(id)
    assert ada.get(at(acme, f"jobs/{id}/")).status == 200
    assert job_of(id).state == "running", "looking cancels nothing"
    assert ada.post(at(acme, f"jobs/{id}/")).status == 302
    assert not work_on(id, acme.tenant.id)
    assert (job_of(id).state, job_of(id).parts) == ("cancelled", 0)
    assert "there is no file" in ada.get(at(acme, f"jobs/{id}/")).text
    ada.post(at(acme, f"jobs/{id}/"))
    assert events_of(id) == ["job.asked success", "job.cancelled success"]


def test_a_step_that_breaks_says_so_and_leaves_no_file(
    ada: Browser, acme: Cast, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    id = asked(ada, acme)
    one_step(id)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("csk_live_ABCDEFGHIJKL_secret")

    monkeypatch.setattr(exporting, "written", broken)
    work_on(id, acme.tenant.id)
    page = ada.get(at(acme, f"jobs/{id}/"))
    assert "Something broke on our side" in page.text and "csk_live" not in page.text


def test_five_open_ones_are_enough(ada: Browser, acme: Cast, many: list[str]) -> None:
    for _ in range(MOST_OPEN):
        asked(ada, acme)
    page = ada.post(at(acme, "ledger/export/?type=key.changed"), format="csv")
    assert page.status == 409 and "still open" in page.text
    with tenant_scope(acme.tenant.id):
        assert Job.objects.count() == MOST_OPEN


def test_what_was_left_behind_is_gone_on_with(
    ada: Browser, acme: Cast, many: list[str], owner_db: Db
) -> None:
    id = asked(ada, acme)
    assert id not in [each for each, _ in left_behind()]
    owner_db.execute(
        "UPDATE tenancy_job SET asked_at = now() - interval '20 seconds' WHERE id = %s", [id]
    )
    assert (id, acme.tenant.id) in left_behind()


def test_jobs_and_files_go_after_seven_days(
    ada: Browser, acme: Cast, many: list[str], owner_db: Db
) -> None:
    old, young = asked(ada, acme), asked(ada, acme)
    for id in (old, young):
        work_on(id, acme.tenant.id)
    owner_db.execute(
        "UPDATE tenancy_job SET ended_at = now() - interval '8 days' WHERE id = %s", [old]
    )
    assert forget_jobs() >= 1
    with tenant_scope(acme.tenant.id):
        assert list(Job.objects.values_list("id", flat=True)) == [young]
        assert set(JobPart.objects.values_list("job", flat=True)) == {young}


def test_a_token_asks_as_far_as_it_may(acme: Cast, many: list[str], owner_db: Db) -> None:
    with tenant_scope(acme.tenant.id):
        token = owner_db.execute(
            "SELECT id FROM tenancy_managementtoken WHERE tenant_id = %s", [acme.tenant.id]
        ).fetchone()
    assert token is not None
    actor = Actor(
        kind="service", id=token[0], label="automation", tenant_id=acme.tenant.id,
        actions=frozenset({"audit:read"}),
    )  # fmt: skip
    jobs = [export_entries(actor=actor, query=QueryDict("type=key.changed"), format="csv")
            for _ in range(2)]  # fmt: skip
    assert all(isinstance(job, Job) for job in jobs)
    first, second = (job.id for job in jobs if isinstance(job, Job))
    assert work_on(first, acme.tenant.id) and job_of(first).state == "done"
    owner_db.execute("UPDATE tenancy_managementtoken SET revoked_at = now() WHERE id = %s", token)
    assert work_on(second, acme.tenant.id) and job_of(second).state == "failed"


def test_a_million_is_the_most(
    acme: Cast, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST", 11)
    with pytest.raises(Refusal) as refused:
        export_entries(actor=acme.owner, query=QueryDict("type=key.changed"), format="csv")
    assert refused.value.errors[0]["pointer"] == "/since"


def test_its_file_takes_a_fresh_proof(ada: Browser, acme: Cast, many: list[str]) -> None:
    id = asked(ada, acme)
    work_on(id, acme.tenant.id)
    late = Browser(ada.person, proved_ago=360)
    assert late.get(at(acme, f"jobs/{id}/")).status == 200
    answer = late.get(at(acme, f"jobs/{id}/file/"))
    assert answer.status == 302
    assert answer.goes_to == f"/admin/security/prove/?next={at(acme, f'jobs/{id}/')}&late=file"
