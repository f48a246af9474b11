"""Drain and worker answer nobody: what they do is seen in the stores."""

import contextlib
import os
from typing import Any

import redis
from celery import Celery

from portal.core.names import name
from portal.settings import broker
from tests.invariants.stand import Stand, eventually

WITHIN = 30
"""Seconds, for those who are killed again and again."""


def what_waited_is_written(stand: Stand) -> None:
    """Wait for the drain to be past all that is in the log now."""
    with redis.Redis.from_url(stand.environment["REDIS_URL"]) as store:  # entries are no text
        last = moment(store.xinfo_stream(name("log"))["last-generated-id"])

        def past() -> bool:
            oldest: Any = store.xrange(name("log"), count=1)
            return not oldest or moment(oldest[0][0]) > last

        eventually(past, WITHIN)


def moment(entry: bytes) -> tuple[int, ...]:
    """A stream's id as it is ordered."""
    return tuple(map(int, entry.split(b"-")))


def a_job_is_done(stand: Stand) -> None:
    """Wait for the worker to remove what its job is there to remove.

    It is asked again every second: it may be killed with the job in its hands.
    """
    form = os.urandom(16)
    with stand.database() as database, Celery(
        broker=broker(stand.environment["REDIS_URL"]), set_as_current=False
    ) as jobs:  # fmt: skip
        database.execute(
            "INSERT INTO tenancy_usedform (digest, made, used_at)"
            " VALUES (%s, 'nothing', now() - interval '3 days')", [form],
        )  # fmt: skip

        def done() -> bool:
            held = "SELECT FROM tenancy_usedform WHERE digest = %s"
            return database.execute(held, [form]).fetchone() is None

        for _ in range(WITHIN):
            jobs.send_task("portal.tenancy.tasks.forget_sign_ins")
            with contextlib.suppress(AssertionError):
                eventually(done, 1)
                return
    raise AssertionError("no worker did the job")
