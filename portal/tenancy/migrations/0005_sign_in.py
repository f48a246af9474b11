"""Sign-in: sessions, second factors, recovery codes, invitations, forms that are good once."""

import functools

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import portal.core.ids
from portal.core.rowsecurity import PLATFORM, protect

FUNCTIONS = """
-- Sessions are read and written before anyone is known. A row is reached by its digest alone.
CREATE FUNCTION tenancy_session_read(wanted text) RETURNS TABLE (data text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT s.data FROM tenancy_session s
    WHERE s.digest = wanted AND s.expires_at > clock_timestamp() $$;
CREATE FUNCTION tenancy_session_write(wanted text, content text, whose text, lasts interval,
                                      fresh boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF fresh THEN
        INSERT INTO tenancy_session (digest, person_id, data, created_at, expires_at)
        VALUES (wanted, whose, content, clock_timestamp(), clock_timestamp() + lasts)
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE tenancy_session SET person_id = whose, data = content,
            expires_at = clock_timestamp() + lasts
        WHERE digest = wanted AND expires_at > clock_timestamp();
    END IF;
    RETURN FOUND;
END $$;
CREATE FUNCTION tenancy_session_end(wanted text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM tenancy_session WHERE digest = wanted $$;
-- A person by id or by the address they sign in with: what a session and sign-in need.
CREATE FUNCTION tenancy_person_read(wanted_id text, wanted_email text)
    RETURNS TABLE (id text, email text, name text, password text, platform_role text,
                   is_active boolean, created_at timestamptz, last_sign_in_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id, p.email, p.name, p.password, p.platform_role, p.is_active, p.created_at,
           p.last_sign_in_at
    FROM tenancy_person p WHERE p.id = wanted_id OR p.email = wanted_email $$;
"""
DROP = """
DROP FUNCTION tenancy_session_read(text);
DROP FUNCTION tenancy_session_write(text, text, text, interval, boolean);
DROP FUNCTION tenancy_session_end(text);
DROP FUNCTION tenancy_person_read(text, text);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0004_token_upgrade"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsedForm",
            fields=[
                ("digest", models.BinaryField(primary_key=True, serialize=False)),
                ("made", models.CharField(max_length=32)),
                ("used_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
        ),
        # The column stays for a release: the previous one, which may run beside this, reads it.
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="person", name="last_login")]
        ),
        migrations.AddField(
            model_name="person",
            name="last_sign_in_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("data", models.TextField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Totp",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="The human-readable name of this device.", max_length=64
                    ),
                ),
                (
                    "confirmed",
                    models.BooleanField(default=True, help_text="Is this device ready for use?"),
                ),
                ("sealed_seed", models.TextField()),
                ("last_step", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "authenticator app",
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("inv",), **{}),
                        max_length=32,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("used_at__isnull", True)),
                        fields=("person",),
                        name="one_open_invitation",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.BinaryField()),
                ("pepper_id", models.SmallIntegerField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("person", "digest"), name="recovery_code_once")
                ],
            },
        ),
        *(
            protect(table, PLATFORM)
            for table in (
                "tenancy_session",
                "tenancy_totp",
                "tenancy_recoverycode",
                "tenancy_invitation",
            )
        ),
        migrations.RunSQL(FUNCTIONS, DROP),
    ]
