"""The two functions that every policy reads, and the outbox of versions to publish."""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION app_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.tenant', true), '') $$;
CREATE FUNCTION app_platform() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('app.platform', true), '') = 'on' $$;
"""

OUTBOX = """
CREATE TABLE core_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    versions jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
-- Claims what a writer left behind: rows older than `age`, locked until the caller's transaction
-- ends, so that two pollers never publish the same row. The caller publishes, then calls done.
CREATE FUNCTION outbox_claim(age interval, most integer)
    RETURNS TABLE (id bigint, versions jsonb)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.versions FROM core_outbox o
    WHERE o.created_at < clock_timestamp() - age
    ORDER BY o.id LIMIT most FOR UPDATE SKIP LOCKED $$;
CREATE FUNCTION outbox_done(ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM core_outbox o WHERE o.id = ANY (ids) $$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION app_tenant(); DROP FUNCTION app_platform();"),
        migrations.RunSQL(
            OUTBOX,
            "DROP FUNCTION outbox_claim(interval, integer); DROP FUNCTION outbox_done(bigint[]);"
            "DROP TABLE core_outbox;",
        ),
    ]
