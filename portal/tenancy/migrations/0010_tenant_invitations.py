"""Roles in a tenant that are offered to a mail address."""

import functools

import django.db.models.deletion
from django.db import migrations, models

import portal.core.ids
from portal.core.rowsecurity import protect


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0009_sso")]

    operations = [
        migrations.CreateModel(
            name="TenantInvitation",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("jn",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("developer", "Developer"),
                            ("privacy_officer", "Privacy Officer"),
                            ("viewer", "Viewer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                (
                    "inviter",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="tenancy.membership",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="tenancy.tenant"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("tenant", "email"), name="one_tenant_invitation_an_address"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("role__in", ["owner", "developer", "privacy_officer", "viewer"])
                        ),
                        name="tenant_invitation_role",
                    ),
                ],
            },
        ),
        protect("tenancy_tenantinvitation"),
    ]
