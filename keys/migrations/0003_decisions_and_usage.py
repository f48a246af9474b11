"""What the drain writes: decisions by day, usage by hour, quota windows, last uses."""

from django.db import migrations

from portal.core.rowsecurity import PLATFORM, protect

TABLES = """
CREATE TABLE keys_decision (
    id text NOT NULL, tenant_id text NOT NULL, at timestamptz NOT NULL, key_id text NOT NULL,
    kid text NOT NULL, gateway_id text NOT NULL, code text NOT NULL, units jsonb NOT NULL,
    address inet, method text NOT NULL, route text NOT NULL, model text NOT NULL,
    subject_ref text NOT NULL, purpose text NOT NULL,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX keys_decision_key ON keys_decision (key_id, at);
CREATE INDEX keys_decision_tenant ON keys_decision (tenant_id, at);
-- Midnight depends on nothing: a day without a partition of its own falls in here.
CREATE TABLE keys_decision_rest PARTITION OF keys_decision DEFAULT;
CREATE TABLE keys_hourlyusage (
    tenant_id text NOT NULL, key_id text NOT NULL, hour timestamptz NOT NULL, code text NOT NULL,
    decisions bigint NOT NULL, units jsonb NOT NULL, PRIMARY KEY (tenant_id, key_id, hour, code)
);
CREATE TABLE keys_quotawindow (
    tenant_id text NOT NULL, counter text NOT NULL, window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL, used bigint NOT NULL, PRIMARY KEY (counter, window_start)
);
CREATE INDEX keys_quotawindow_end ON keys_quotawindow (window_end);
CREATE TABLE keys_secretuse (
    kid text PRIMARY KEY, tenant_id text NOT NULL, key_id text NOT NULL,
    last_used_at timestamptz NOT NULL, last_address inet
);
CREATE INDEX keys_secretuse_key ON keys_secretuse (key_id);
CREATE TABLE keys_seen (
    key_id text NOT NULL, kind text NOT NULL, value text NOT NULL, tenant_id text NOT NULL,
    first_at timestamptz NOT NULL, last_at timestamptz NOT NULL, PRIMARY KEY (key_id, kind, value)
);
CREATE TABLE keys_unknownkeys (
    gateway_id text NOT NULL, prefix text NOT NULL, minute timestamptz NOT NULL, code text NOT NULL,
    checks bigint NOT NULL, PRIMARY KEY (gateway_id, prefix, minute, code)
);
CREATE TABLE keys_drainposition (
    shard smallint PRIMARY KEY, era text NOT NULL, position text NOT NULL, at timestamptz NOT NULL
);
"""
DROP_TABLES = """
DROP TABLE keys_decision, keys_hourlyusage, keys_quotawindow, keys_secretuse, keys_seen,
    keys_unknownkeys, keys_drainposition;
"""

PARTITIONS = """
-- Makes the partitions of today and the next `ahead` days; rows that fell into the default
-- partition meanwhile are moved. Returns how many were made.
CREATE FUNCTION decision_partitions_make(ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE day date; part text; made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('keys_decision partitions'));
    FOR day IN SELECT d::date FROM generate_series(current_date, current_date + least(ahead, 14), '1 day') d LOOP
        part := 'keys_decision_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        -- Writers wait before they choose a partition: one that had chosen the default would fail.
        LOCK TABLE ONLY keys_decision IN SHARE ROW EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE keys_decision INCLUDING ALL)', part);
        EXECUTE format('WITH moved AS (DELETE FROM keys_decision_rest WHERE at >= %L AND at < %L RETURNING *)'
                       ' INSERT INTO %I SELECT * FROM moved', day, day + 1, part);
        EXECUTE format('ALTER TABLE keys_decision ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       part, day, day + 1);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('CREATE POLICY scope ON %I USING (tenant_id = (SELECT app_tenant()) OR (SELECT app_platform()))', part);
        EXECUTE format('REVOKE ALL ON %I FROM PUBLIC', part);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
-- Drops whole days that ended before `before`, never one that is not over. Returns how many.
CREATE FUNCTION decision_partitions_drop(before date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE part text; dropped integer := 0;
BEGIN
    FOR part IN SELECT c.relname FROM pg_class c
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        AND c.relname ~ '^keys_decision_[0-9]{8}$'
        AND to_date(right(c.relname, 8), 'YYYYMMDD') < least(before, current_date) LOOP
        EXECUTE format('DROP TABLE %I', part);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
SELECT decision_partitions_make(3);
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_row_security")]
    operations = [
        migrations.RunSQL(TABLES, DROP_TABLES),
        *(
            protect(table)
            for table in (
                "keys_decision", "keys_decision_rest", "keys_hourlyusage", "keys_quotawindow",
                "keys_secretuse", "keys_seen",
            )
        ),
        protect("keys_unknownkeys", PLATFORM),
        protect("keys_drainposition", PLATFORM),
        migrations.RunSQL(
            PARTITIONS,
            "DROP FUNCTION decision_partitions_make(integer);"
            "DROP FUNCTION decision_partitions_drop(date);",
        ),
    ]  # fmt: skip
