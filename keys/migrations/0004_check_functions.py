"""The check path's and the drain's functions: all that their role may do."""

from django.db import migrations

SNAPSHOTS = """
-- Everything a decision needs of these gateways and keys, in one statement: rows of kind `g`
-- (gateway, by kid), `k` (key, by kid), `t` (its tenant, by id), `a` (its Api with routes, by id).
CREATE FUNCTION check_snapshots(gateways text[], keys text[])
    RETURNS TABLE (kind text, id text, body text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
WITH found AS MATERIALIZED (
    SELECT s.kid, s.digest, s.pepper_id, s.expires_at AS secret_end, s.revoked_at,
           k.id AS key_id, k.tenant_id, k.api_id, k.owner_id, k.name, k.environment, k.state,
           k.scopes, k.allowed_cidrs, k.allowed_models, k.purposes, k.metadata, k.expires_at,
           k.version, m.is_active AND p.is_active AS owner_active
    FROM keys_secret s
    JOIN keys_apikey k ON k.id = s.key_id
    JOIN tenancy_membership m ON m.id = k.owner_id
    JOIN tenancy_person p ON p.id = m.person_id
    WHERE s.kid = ANY (keys)
)
SELECT 'g', g.kid, jsonb_build_object(
    'id', g.id, 'api', g.api_id, 'environments', g.environments, 'cidrs', g.allowed_cidrs,
    'declared', g.declared_headers, 'version', g.version, 'disabled', g.disabled_at IS NOT NULL,
    'digest', encode(g.digest, 'base64'), 'pepper', g.pepper_id,
    'tenants', coalesce((SELECT jsonb_agg(b.tenant_id) FROM tenancy_gatewaytenant b
                         WHERE b.gateway_id = g.id), '[]'))::text
FROM tenancy_gateway g WHERE g.kid = ANY (gateways)
UNION ALL
SELECT 'k', f.kid, jsonb_build_object(
    'id', f.key_id, 'tenant', f.tenant_id, 'api', f.api_id, 'owner', f.owner_id,
    'owner_active', f.owner_active, 'name', f.name, 'environment', f.environment,
    'state', f.state, 'scopes', f.scopes, 'cidrs', f.allowed_cidrs, 'models', f.allowed_models,
    'purposes', f.purposes, 'metadata', f.metadata, 'version', f.version,
    'expires', floor(extract(epoch FROM f.expires_at) * 1000)::bigint,
    'secret_end', floor(extract(epoch FROM f.secret_end) * 1000)::bigint,
    'revoked', floor(extract(epoch FROM f.revoked_at) * 1000)::bigint,
    'digest', encode(f.digest, 'base64'), 'pepper', f.pepper_id,
    'limits', coalesce((SELECT jsonb_agg(jsonb_build_object(
            'name', l.name, 'unit', l.unit, 'amount', l.amount, 'window', l."window",
            'algorithm', l.algorithm, 'burst', l.burst, 'of', coalesce(l.key_id, l.tenant_id),
            'made', floor(extract(epoch FROM l.created_at) * 1000)::bigint) ORDER BY j.position)
        FROM keys_keylimit j JOIN keys_limit l ON l.id = j.limit_id
        WHERE j.key_id = f.key_id), '[]'))::text
FROM found f
UNION ALL
SELECT 't', t.id, jsonb_build_object('id', t.id, 'slug', t.slug, 'status', t.status,
    'epoch', t.epoch, 'consent_epoch', t.consent_epoch)::text
FROM tenancy_tenant t WHERE t.id IN (SELECT tenant_id FROM found)
UNION ALL
SELECT 'a', a.id, jsonb_build_object('id', a.id, 'slug', a.slug,
    'routes', coalesce((SELECT jsonb_agg(jsonb_build_object('method', r.method,
        'pattern', r.pattern, 'scopes', r.scopes, 'purpose', r.default_purpose,
        'consent', r.consent_required) ORDER BY r.id) FROM tenancy_route r WHERE r.api_id = a.id),
        '[]'))::text
FROM tenancy_api a WHERE a.id IN (SELECT api_id FROM found)
$$;
"""

DRAIN = """
-- Writes one stretch of a shard's stream, exactly once: the position moves in the same transaction,
-- and a stretch that does not begin where the last one ended is refused (false).
CREATE FUNCTION drain_apply(of_shard smallint, of_era text, was text, becomes text, batch jsonb)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held record;
BEGIN
    INSERT INTO keys_drainposition VALUES (of_shard, of_era, '0-0', clock_timestamp())
        ON CONFLICT DO NOTHING;
    SELECT d.era, d."position" AS place INTO held FROM keys_drainposition d WHERE d.shard = of_shard FOR UPDATE;
    IF was <> (CASE WHEN held.era = of_era THEN held.place ELSE '0-0' END) THEN
        RETURN false;
    END IF;
    INSERT INTO keys_decision
        SELECT id, tenant_id, to_timestamp(at / 1000.0), key_id, kid, gateway_id, code, units,
               address, method, route, model, subject_ref, purpose
        FROM jsonb_to_recordset(batch->'decisions') AS d(id text, tenant_id text, at float8,
            key_id text, kid text, gateway_id text, code text, units jsonb, address inet,
            method text, route text, model text, subject_ref text, purpose text)
        -- A row of a stream that was drained before Redis lost its position is the same row.
        ON CONFLICT DO NOTHING;
    INSERT INTO keys_quotawindow AS q
        SELECT tenant_id, counter, to_timestamp(start / 1000.0), to_timestamp("end" / 1000.0), used
        FROM jsonb_to_recordset(batch->'quota')
            AS d(tenant_id text, counter text, start float8, "end" float8, used bigint)
        ON CONFLICT (counter, window_start) DO UPDATE SET used = q.used + excluded.used;
    INSERT INTO keys_hourlyusage AS u
        SELECT tenant_id, key_id, to_timestamp(hour / 1000.0), code, decisions, units
        FROM jsonb_to_recordset(batch->'usage') AS d(tenant_id text, key_id text, hour float8,
            code text, decisions bigint, units jsonb)
        ON CONFLICT (tenant_id, key_id, hour, code) DO UPDATE SET
            decisions = u.decisions + excluded.decisions,
            units = (SELECT coalesce(jsonb_object_agg(unit, total), '{}') FROM (
                SELECT unit, sum(n::numeric) AS total FROM (
                    SELECT * FROM jsonb_each_text(u.units) AS a(unit, n)
                    UNION ALL SELECT * FROM jsonb_each_text(excluded.units) AS b(unit, n)) both_
                GROUP BY unit) summed);
    INSERT INTO keys_secretuse AS s
        SELECT kid, tenant_id, key_id, to_timestamp(at / 1000.0), address
        FROM jsonb_to_recordset(batch->'uses')
            AS d(kid text, tenant_id text, key_id text, at float8, address inet)
        ON CONFLICT (kid) DO UPDATE SET last_used_at = excluded.last_used_at,
            last_address = coalesce(excluded.last_address, s.last_address)
        WHERE excluded.last_used_at >= s.last_used_at;
    INSERT INTO keys_seen AS s
        SELECT key_id, kind, value, tenant_id, to_timestamp(at / 1000.0), to_timestamp(at / 1000.0)
        FROM jsonb_to_recordset(batch->'seen')
            AS d(key_id text, kind text, value text, tenant_id text, at float8)
        -- At most one write an hour for what is seen all the time.
        ON CONFLICT (key_id, kind, value) DO UPDATE SET last_at = excluded.last_at
        WHERE excluded.last_at > s.last_at + interval '1 hour';
    UPDATE keys_drainposition SET era = of_era, "position" = becomes, at = clock_timestamp()
        WHERE shard = of_shard;
    RETURN true;
END $$;

CREATE FUNCTION drain_position(of_shard smallint) RETURNS TABLE (era text, "position" text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT era, "position" FROM keys_drainposition WHERE shard = of_shard $$;

-- Counts are absolute for their minute, so that writing one twice changes nothing.
CREATE FUNCTION drain_unknown(counts jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO keys_unknownkeys AS u
        SELECT gateway_id, prefix, to_timestamp(minute / 1000.0), code, checks
        FROM jsonb_to_recordset(counts)
            AS d(gateway_id text, prefix text, minute float8, code text, checks bigint)
        ON CONFLICT (gateway_id, prefix, minute, code)
            DO UPDATE SET checks = greatest(u.checks, excluded.checks) $$;

-- Calendar counters whose window is still open, in pages: what a Redis without memory is given back.
CREATE FUNCTION quota_windows_open(after_counter text, after_start timestamptz, most integer)
    RETURNS TABLE (counter text, window_start timestamptz, window_end timestamptz, used bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT counter, window_start, window_end, used FROM keys_quotawindow
    WHERE window_end > clock_timestamp() AND (counter, window_start) > (after_counter, after_start)
    ORDER BY counter, window_start LIMIT most $$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_decisions_and_usage")]
    operations = [
        migrations.RunSQL(SNAPSHOTS, "DROP FUNCTION check_snapshots(text[], text[]);"),
        migrations.RunSQL(
            DRAIN,
            "DROP FUNCTION drain_apply(smallint, text, text, text, jsonb);"
            "DROP FUNCTION drain_position(smallint); DROP FUNCTION drain_unknown(jsonb);"
            "DROP FUNCTION quota_windows_open(text, timestamptz, integer);",
        ),
    ]
