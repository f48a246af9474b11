"""What the decision log is searched by, usage by API, and the keys that are used most."""

from django.db import migrations

from portal.core.rowsecurity import protect

# Building them holds up the drain alone: decisions wait in Redis, and checks go on.
DECISIONS = """
-- Refusals are few: their code stands in the index, so that one code is found among them.
CREATE INDEX keys_decision_denied ON keys_decision (at, code) WHERE code <> 'OK';
CREATE INDEX keys_decision_gateway ON keys_decision (gateway_id, at);
CREATE INDEX keys_decision_address ON keys_decision (address, at);
CREATE INDEX keys_decision_subject ON keys_decision (subject_ref, at) WHERE subject_ref <> '';
"""
UNDO_DECISIONS = """
DROP INDEX keys_decision_denied, keys_decision_gateway, keys_decision_address,
    keys_decision_subject;
"""

FOLLOW = """
CREATE OR REPLACE FUNCTION tenant_usage_follow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO keys_tenantusage AS u (hour, tenant_id, api_id, code, decisions)
            SELECT f.hour, f.tenant_id, coalesce(k.api_id, ''), f.code, sum(f.decisions)
            FROM fresh f LEFT JOIN keys_apikey k ON k.id = f.key_id
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (hour, tenant_id, api_id, code)
                DO UPDATE SET decisions = u.decisions + excluded.decisions;
    ELSE
        INSERT INTO keys_tenantusage AS u (hour, tenant_id, api_id, code, decisions)
            SELECT c.hour, c.tenant_id, coalesce(k.api_id, ''), c.code, sum(c.n) FROM (
                SELECT hour, tenant_id, key_id, code, decisions AS n FROM fresh
                UNION ALL SELECT hour, tenant_id, key_id, code, -decisions FROM stale) c
            LEFT JOIN keys_apikey k ON k.id = c.key_id
            GROUP BY 1, 2, 3, 4 HAVING sum(c.n) <> 0 ORDER BY 1, 2, 3, 4
            ON CONFLICT (hour, tenant_id, api_id, code)
                DO UPDATE SET decisions = u.decisions + excluded.decisions;
    END IF;
    RETURN NULL;
END $$;
"""
BY_API = f"""
LOCK TABLE keys_hourlyusage IN SHARE ROW EXCLUSIVE MODE;
TRUNCATE keys_tenantusage;
ALTER TABLE keys_tenantusage ADD COLUMN api_id text NOT NULL,
    DROP CONSTRAINT keys_tenantusage_pkey, ADD PRIMARY KEY (hour, tenant_id, api_id, code);
{FOLLOW}
INSERT INTO keys_tenantusage (hour, tenant_id, api_id, code, decisions)
    SELECT u.hour, u.tenant_id, coalesce(k.api_id, ''), u.code, sum(u.decisions)
    FROM keys_hourlyusage u LEFT JOIN keys_apikey k ON k.id = u.key_id GROUP BY 1, 2, 3, 4;
"""
UNDO_BY_API = """
CREATE TEMP TABLE summed ON COMMIT DROP AS
    SELECT hour, tenant_id, code, sum(decisions) FROM keys_tenantusage GROUP BY 1, 2, 3;
TRUNCATE keys_tenantusage;
ALTER TABLE keys_tenantusage DROP COLUMN api_id, ADD PRIMARY KEY (hour, tenant_id, code);
INSERT INTO keys_tenantusage SELECT * FROM summed;
"""

TOP = """
CREATE TABLE keys_topkey (
    days smallint NOT NULL, key_id text NOT NULL, tenant_id text NOT NULL, api_id text NOT NULL,
    allowed bigint NOT NULL, denied bigint NOT NULL, counted_at timestamptz NOT NULL,
    PRIMARY KEY (days, key_id)
);
-- Of each tenant and Api the `most` keys with which most was asked in the last 1, 7 and 30 days, and
-- as many that were most refused: no index over hours finds them. Returns how many rows there are.
CREATE FUNCTION top_keys_count(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET work_mem = '64MB' AS $$
DECLARE
    present timestamptz := date_trunc('hour', clock_timestamp());
    counted integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keys_topkey')) THEN RETURN 0; END IF;
    DELETE FROM keys_topkey;
    INSERT INTO keys_topkey
        WITH sums AS (
            SELECT key_id, max(tenant_id) AS tenant_id,
                sum(decisions) FILTER (WHERE code = 'OK') AS a30,
                sum(decisions) FILTER (WHERE code <> 'OK') AS d30,
                sum(decisions) FILTER (WHERE code = 'OK' AND hour > present - interval '7 days') AS a7,
                sum(decisions) FILTER (WHERE code <> 'OK' AND hour > present - interval '7 days') AS d7,
                sum(decisions) FILTER (WHERE code = 'OK' AND hour > present - interval '1 day') AS a1,
                sum(decisions) FILTER (WHERE code <> 'OK' AND hour > present - interval '1 day') AS d1
            FROM keys_hourlyusage WHERE hour > present - interval '30 days' GROUP BY key_id
        ), told AS (
            SELECT v.days, s.key_id, s.tenant_id, coalesce(k.api_id, '') AS api_id,
                coalesce(v.allowed, 0) AS allowed, coalesce(v.denied, 0) AS denied
            FROM sums s LEFT JOIN keys_apikey k ON k.id = s.key_id
            CROSS JOIN LATERAL (VALUES (1, s.a1, s.d1), (7, s.a7, s.d7), (30, s.a30, s.d30))
                AS v(days, allowed, denied)
            WHERE v.allowed > 0 OR v.denied > 0
        ), ranked AS (
            SELECT *, row_number() OVER (PARTITION BY days, tenant_id, api_id
                    ORDER BY allowed + denied DESC, key_id) AS place,
                row_number() OVER (PARTITION BY days, tenant_id, api_id
                    ORDER BY denied DESC, key_id) AS place_denied
            FROM told)
        SELECT days, key_id, tenant_id, api_id, allowed, denied, clock_timestamp() FROM ranked
        WHERE place <= most OR (place_denied <= most AND denied > 0);
    GET DIAGNOSTICS counted = ROW_COUNT;
    RETURN counted;
END $$;
"""
UNDO_TOP = "DROP FUNCTION top_keys_count(integer); DROP TABLE keys_topkey;"


class Migration(migrations.Migration):
    dependencies = [("keys", "0008_lists_of_all_keys")]
    operations = [
        migrations.RunSQL(DECISIONS, UNDO_DECISIONS),
        migrations.RunSQL(BY_API, UNDO_BY_API),
        migrations.RunSQL(TOP, UNDO_TOP),
        protect("keys_topkey"),
    ]
