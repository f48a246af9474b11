"""How often someone tried to sign in: a digest of who, and when the last try is paid for."""

from django.db import migrations, models

from portal.core.rowsecurity import PLATFORM, protect

FUNCTIONS = """
-- Called before anyone is known. A bucket has `burst` tries and gets one back each `every`: what
-- is kept is when it would be full again (GCRA, ITU-T I.371). A refused try costs nothing.
CREATE FUNCTION tenancy_try(wanted bytea, every interval, burst integer) RETURNS double precision
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    present timestamptz := clock_timestamp();
    wait double precision;
BEGIN
    INSERT INTO tenancy_tries AS t (bucket, full_at) VALUES (wanted, present + every)
    ON CONFLICT (bucket) DO UPDATE SET full_at = greatest(t.full_at, present) + every
    WHERE greatest(t.full_at, present) + every <= present + every * burst;
    IF FOUND THEN
        RETURN 0;
    END IF;
    SELECT extract(epoch FROM full_at + every - every * burst - present) INTO wait
    FROM tenancy_tries WHERE bucket = wanted;
    RETURN greatest(coalesce(wait, 0), 0.001);
END $$;
CREATE FUNCTION tenancy_try_back(wanted bytea, every interval) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE tenancy_tries SET full_at = full_at - every WHERE bucket = wanted $$;
"""
DROP = """
DROP FUNCTION tenancy_try(bytea, interval, integer);
DROP FUNCTION tenancy_try_back(bytea, interval);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("tenancy", "0005_sign_in"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tries",
            fields=[
                ("bucket", models.BinaryField(primary_key=True, serialize=False)),
                ("full_at", models.DateTimeField(db_index=True)),
            ],
        ),
        protect("tenancy_tries", PLATFORM),
        migrations.RunSQL(FUNCTIONS, DROP),
    ]
