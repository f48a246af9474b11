"""Mails that were written; recipient and text are sealed."""

import functools

from django.db import migrations, models

import portal.core.ids
from portal.core.rowsecurity import PLATFORM, protect


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_outbox_model"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mail",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("mai",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subject", models.CharField(max_length=128)),
                ("about", models.CharField(max_length=64)),
                ("sealed", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("tries", models.SmallIntegerField(default=0)),
                ("fault", models.CharField(default="", max_length=128)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["-created_at", "-id"], name="mail_list"),
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["created_at"],
                        name="mail_waiting",
                    ),
                ],
            },
        ),
        protect("core_mail", PLATFORM),
    ]
