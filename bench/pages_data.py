"""What `bench.pages` looks at, by SQL: keys, a month of decisions and their sums, entries."""

import psycopg

DAYS = 30

PARTITIONS = """
DO $$ DECLARE day date; part text; BEGIN
    FOR day IN SELECT current_date - n FROM generate_series(1, {days}) n LOOP
        part := 'keys_decision_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I PARTITION OF keys_decision FOR VALUES FROM (%L) TO (%L)',
                       part, day, day + 1);
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
        EXECUTE format('CREATE POLICY scope ON %I USING (tenant_id = (SELECT app_tenant())'
                       ' OR (SELECT app_platform()))', part);
    END LOOP;
END $$;
"""
KEYS = """
CREATE TEMP TABLE owner_of AS
    SELECT row_number() OVER () - 1 AS place, m.tenant_id, m.id AS owner_id, g.api_id
    FROM tenancy_membership m JOIN tenancy_apigrant g ON g.tenant_id = m.tenant_id
    WHERE m.role = 'owner';
INSERT INTO keys_apikey (id, tenant_id, api_id, owner_id, name, environment, state, scopes,
    allowed_cidrs, allowed_models, metadata, expires_at, version, created_at)
SELECT 'key_' || lpad(n::text, 12, '0'), o.tenant_id, o.api_id, o.owner_id, 'service-' || n,
    CASE WHEN n % 7 = 0 THEN 'test' ELSE 'live' END,
    CASE WHEN n % 50 = 0 THEN 'revoked' WHEN n % 61 = 0 THEN 'suspended' ELSE 'active' END,
    ARRAY['chat:write', 'models:read'], '{{}}', '{{}}', '{{"team": "checkout"}}',
    CASE WHEN n % 3 = 0 THEN now() + make_interval(days => (n % 400)::int - 20) END, 1,
    now() - make_interval(mins => n % 400000)
FROM generate_series(1, {keys}) n
JOIN owner_of o
    ON o.place = floor(power((n * 0.6180339887) % 1, 2) * (SELECT count(*) FROM owner_of));
INSERT INTO keys_secret (kid, tenant_id, key_id, digest, pepper_id, issued_at)
SELECT right(id, 12), tenant_id, id, sha256(id::bytea), 1, created_at FROM keys_apikey
WHERE name LIKE 'service-%';
INSERT INTO keys_limit (id, tenant_id, key_id, name, unit, amount, "window", algorithm, burst,
    version, created_at)
SELECT 'lim_' || right(id, 12), tenant_id, id, 'minute', 'requests', 600, 'minute', 'smooth', 600,
    1, created_at FROM keys_apikey WHERE name LIKE 'service-%';
INSERT INTO keys_keylimit (tenant_id, key_id, limit_id, position)
SELECT tenant_id, key_id, id, 0 FROM keys_limit WHERE id LIKE 'lim_0%';
INSERT INTO keys_secretuse
SELECT right(id, 12), tenant_id, id, now() - make_interval(mins => length(name) * 977),
    '203.0.113.9'
FROM keys_apikey WHERE name LIKE 'service-%' AND id < 'key_' || lpad(({keys} / 2)::text, 12, '0');
ANALYZE keys_apikey;
CREATE TEMP TABLE asked AS
    SELECT row_number() OVER (ORDER BY id) - 1 AS place, id, tenant_id, right(id, 12) AS kid,
        (SELECT gateway_id FROM tenancy_gatewaytenant b WHERE b.tenant_id = k.tenant_id LIMIT 1)
            AS gateway
    FROM keys_apikey k WHERE name LIKE 'service-%';
CREATE UNIQUE INDEX ON asked (place);
ANALYZE asked;
"""
DECISIONS = """
INSERT INTO keys_decision
SELECT (lpad(to_hex((extract(epoch FROM d.at) * 1000)::bigint), 12, '0') || '7'
        || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15)
    )::uuid::text, a.tenant_id, d.at, a.id, a.kid, a.gateway,
    CASE WHEN d.luck >= 0.02 THEN 'OK' ELSE
        (ARRAY['RATE_LIMITED', 'QUOTA_EXCEEDED', 'SCOPE_MISSING', 'KEY_EXPIRED', 'IP_NOT_ALLOWED'])
        [1 + floor(d.luck * 250)::int] END,
    '{{"requests": 1}}', '203.0.113.9', 'POST', '/v1/chat/completions', 'gpt-4o', '', ''
FROM (
    SELECT (current_date - {day})::timestamptz + random() * {span} * interval '1 second' AS at,
        random() AS luck, floor(power(random(), 3) * {keys})::bigint AS place
    FROM generate_series(1, {count})) d JOIN asked a USING (place);
"""
USAGE = """
INSERT INTO keys_hourlyusage
SELECT tenant_id, key_id, date_trunc('hour', at), code, count(*),
    jsonb_build_object('requests', count(*))
FROM keys_decision WHERE at >= now() - interval '{days} days' GROUP BY 1, 2, 3, 4;
"""
LEDGER = """
INSERT INTO ledger_entry (id, tenant_id, occurred_at, type, outcome, actor_kind, actor_id,
    object_type, object_id, object_version, request_id, envelope, envelope_digest, txid)
SELECT id, tenant_id, at, type, outcome, 'user', actor, 'key', object, 1, request, e,
    sha256(convert_to(e, 'UTF8')), 1
FROM (
    SELECT gen_random_uuid()::text AS id, o.tenant_id,
        now() - make_interval(secs => n * 26.0) AS at, 'per_' || o.place AS actor,
        CASE WHEN n % 40 = 0 THEN 'access.refused' WHEN n % 3 = 0 THEN 'key.issued'
            ELSE 'key.changed' END AS type,
        CASE WHEN n % 40 = 0 THEN 'denied' ELSE 'success' END AS outcome,
        'key_' || lpad((n % {keys})::text, 12, '0') AS object, gen_random_uuid()::text AS request,
        '{{"actor":{{"auth":["pwd","otp"]}},"reason":null,"n":' || n || '}}' AS e
    FROM generate_series(1, {entries}) n
    JOIN owner_of o ON o.place = n % (SELECT count(*) FROM owner_of)) made;
INSERT INTO ledger_payload (entry_id, tenant_id, salt, body, retention_class)
SELECT id, tenant_id, sha256(id::bytea),
    '{{"actor":"Ada Lindqvist","target":"checkout","before":{{"state":"active"}},'
    '"after":{{"state":"suspended"}},"data":{{"action":"keys:write"}}}}', 'change'
FROM ledger_entry WHERE envelope LIKE '%"n":%';
"""


def fill(owner_url: str, keys: int, decisions: int, entries: int) -> None:
    """Everything by SQL, as the tables' owner."""
    with psycopg.connect(owner_url, autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        db.execute("SET synchronous_commit = off")
        db.execute(PARTITIONS.format(days=DAYS))
        db.execute(KEYS.format(keys=keys))
        seconds = db.execute("SELECT extract(epoch FROM now() - current_date)").fetchone()
        for day in range(DAYS):
            span = float(seconds[0]) if day == 0 and seconds else 86_400
            count = decisions // DAYS
            db.execute(DECISIONS.format(day=day, span=span, keys=keys, count=count))
            say(f"  decisions of {day + 1} days")
        db.execute(USAGE.format(days=DAYS))
        db.execute("SELECT top_keys_count(10)")  # what the worker does every hour
        db.execute(LEDGER.format(keys=keys, entries=entries))
        db.execute("VACUUM ANALYZE")


def say(text: str) -> None:
    """Progress, beside the table on standard output."""
    print(text, flush=True)
