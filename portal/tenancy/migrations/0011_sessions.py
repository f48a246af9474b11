"""Sessions with limits, a place and a proof; second factors by tenant; forgotten passwords."""

import functools

import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import portal.core.ids
from portal.core.rowsecurity import PLATFORM, protect

# The functions of 0005 stay for a release: the previous one may run beside this.
FUNCTIONS = """
-- What a session holds, and how many seconds ago its person proved a factor. That it was used is
-- written at most once a minute.
CREATE FUNCTION tenancy_session_open(wanted text, idle interval)
    RETURNS TABLE (data text, proved_ago double precision)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
BEGIN
    UPDATE tenancy_session s SET last_seen_at = present
    WHERE s.digest = wanted AND s.expires_at > present AND s.last_seen_at > present - idle
      AND s.last_seen_at < present - interval '1 minute';
    RETURN QUERY SELECT s.data, extract(epoch FROM present - s.proved_at)::double precision
    FROM tenancy_session s
    WHERE s.digest = wanted AND s.expires_at > present AND s.last_seen_at > present - idle;
END $$;
-- `proved`: how many seconds ago its person proved a factor; NULL: they proved none.
CREATE FUNCTION tenancy_session_begin(wanted text, content text, whose text, lasts interval,
                                      proved double precision, agent text, place text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
BEGIN
    INSERT INTO tenancy_session (digest, person_id, data, created_at, expires_at, last_seen_at,
                                 proved_at, browser, network)
    VALUES (wanted, whose, content, present, present + lasts, present,
            present - make_interval(secs => proved), agent, place)
    ON CONFLICT (digest) DO NOTHING;
    RETURN FOUND;
END $$;
CREATE FUNCTION tenancy_session_keep(wanted text, content text, whose text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE tenancy_session SET person_id = whose, data = content
    WHERE digest = wanted AND expires_at > clock_timestamp();
    RETURN FOUND;
END $$;
CREATE FUNCTION tenancy_session_rekey(old text, new text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE tenancy_session SET digest = new WHERE digest = old;
    RETURN FOUND;
END $$;
"""
DROP = """
DROP FUNCTION tenancy_session_open(text, interval);
DROP FUNCTION tenancy_session_begin(text, text, text, interval, double precision, text, text);
DROP FUNCTION tenancy_session_keep(text, text, text);
DROP FUNCTION tenancy_session_rekey(text, text);
"""
PLACES = """
DROP FUNCTION tenancy_places(text, text);
CREATE FUNCTION tenancy_places(wanted_person text, wanted_slug text)
    RETURNS TABLE (tenant_id text, slug text, name text, status text, membership_id text,
                   role text, issuer text, enforced boolean{column})
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.slug, t.name, t.status, m.id, m.role, coalesce(p.issuer, ''),
           coalesce(p.enforced, false){value}
    FROM tenancy_membership m JOIN tenancy_tenant t ON t.id = m.tenant_id
    LEFT JOIN tenancy_identityprovider p ON p.tenant_id = t.id AND p.is_active
    WHERE m.person_id = wanted_person AND m.is_active
      AND (wanted_slug IS NULL OR t.slug = wanted_slug)
    ORDER BY t.name, t.id $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0010_tenant_invitations")]

    operations = [
        migrations.AddField(
            model_name="tenant",
            name="mfa_required",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="session",
            name="ref",
            field=models.UUIDField(
                db_default=django.contrib.postgres.functions.RandomUUID(), editable=False,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="last_seen_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddField(
            model_name="session", name="proved_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="session",
            name="browser",
            field=models.CharField(db_default="", max_length=64),
        ),
        migrations.AddField(
            model_name="session",
            name="network",
            field=models.CharField(db_default="", max_length=64),
        ),
        migrations.CreateModel(
            name="PasswordReset",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=functools.partial(portal.core.ids.new_id, *("rst",), **{}),
                        max_length=32, primary_key=True, serialize=False,
                    ),
                ),
                ("digest", models.BinaryField(unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        protect("tenancy_passwordreset", PLATFORM),
        migrations.RunSQL(FUNCTIONS, DROP),
        migrations.RunSQL(
            PLACES.format(column=", mfa_required boolean", value=", t.mfa_required"),
            PLACES.format(column="", value=""),
        ),
    ]  # fmt: skip
