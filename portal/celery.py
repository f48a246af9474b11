"""Celery's application and its static schedule. Nothing that is time-critical is a job."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.imports = ("audit.pages.exporting",)
"""What knows a sort of long work (portal.tenancy.jobs)."""
app.conf.beat_schedule = {
    "decision partitions": {"task": "keys.tasks.make_partitions", "schedule": 6 * 3600.0},
    "top keys": {"task": "keys.tasks.count_top_keys", "schedule": 3600.0},
    "exposed credentials": {"task": "keys.tasks.record_exposures", "schedule": 10.0},
    "old usage": {"task": "keys.tasks.forget_usage", "schedule": 3600.0},
    "sessions": {"task": "portal.tenancy.tasks.forget_sign_ins", "schedule": 3600.0},
    "mails": {"task": "portal.tenancy.tasks.deliver_mails", "schedule": 60.0},
    "jobs left behind": {"task": "portal.tenancy.tasks.take_jobs_up", "schedule": 15.0},
    "old jobs": {"task": "portal.tenancy.tasks.forget_jobs", "schedule": 3600.0},
    "old invitations": {
        "task": "portal.tenancy.tasks.forget_invitations",
        "schedule": 24 * 3600.0,
    },
    "old mails": {"task": "portal.tenancy.tasks.forget_mails", "schedule": 24 * 3600.0},
    "idempotency records": {"task": "portal.tenancy.tasks.forget_requests", "schedule": 3600.0},
}
