"""Entries, their payloads and the objects' salts."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.CharField(max_length=36, primary_key=True, serialize=False)),
                ("tenant_id", models.CharField(max_length=128, null=True)),
                ("occurred_at", models.DateTimeField()),
                ("type", models.CharField(max_length=64)),
                ("outcome", models.CharField(max_length=8)),
                ("actor_kind", models.CharField(max_length=16)),
                ("actor_id", models.CharField(max_length=128)),
                ("object_type", models.CharField(max_length=64)),
                ("object_id", models.CharField(max_length=128)),
                ("object_version", models.BigIntegerField(null=True)),
                ("request_id", models.CharField(max_length=128, null=True)),
                ("envelope", models.TextField()),
                ("envelope_digest", models.BinaryField()),
                ("txid", models.BigIntegerField()),
            ],
            options={
                "verbose_name_plural": "entries",
                "db_table": "ledger_entry",
            },
        ),
        migrations.CreateModel(
            name="ObjectSalt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("object_type", models.CharField(max_length=64)),
                ("object_id", models.CharField(max_length=128)),
                ("tenant_id", models.CharField(max_length=128, null=True)),
                ("salt", models.BinaryField(null=True)),
                ("erased_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ledger_object_salt",
            },
        ),
        migrations.CreateModel(
            name="Payload",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        serialize=False,
                        to="ledger.entry",
                    ),
                ),
                ("tenant_id", models.CharField(max_length=128, null=True)),
                ("salt", models.BinaryField(null=True)),
                ("body", models.TextField(null=True)),
                ("retention_class", models.CharField(max_length=16)),
                ("expires_at", models.DateTimeField(null=True)),
                ("erased_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ledger_payload",
            },
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="entry_time",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.F("tenant_id"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="entry_tenant",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.F("tenant_id"),
                models.F("type"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="entry_type",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.F("tenant_id"),
                models.F("actor_id"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="entry_actor",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                models.F("tenant_id"),
                models.F("object_id"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="entry_object",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("request_id__isnull", False)),
                fields=["request_id"],
                name="entry_request",
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["success", "denied", "error"])),
                name="entry_outcome",
            ),
        ),
        migrations.AddConstraint(
            model_name="objectsalt",
            constraint=models.UniqueConstraint(
                fields=("object_type", "object_id", "tenant_id"),
                name="object_salt_once",
                nulls_distinct=False,
            ),
        ),
        migrations.AddIndex(
            model_name="payload",
            index=models.Index(
                condition=models.Q(("erased_at__isnull", True)),
                fields=["retention_class", "expires_at"],
                name="payload_due",
            ),
        ),
    ]
