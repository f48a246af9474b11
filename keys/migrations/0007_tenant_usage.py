"""Usage by tenant and hour, for pages over all keys, and what finds keys that need attention."""

import django.db.models.fields.composite
from django.db import migrations, models

from portal.core.rowsecurity import protect

TABLE = """
CREATE TABLE keys_tenantusage (
    hour timestamptz NOT NULL, tenant_id text NOT NULL, code text NOT NULL,
    decisions bigint NOT NULL, PRIMARY KEY (hour, tenant_id, code)
);
-- Whoever writes usage by key, the sums follow in the same statement. Usage is never deleted.
CREATE FUNCTION tenant_usage_follow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO keys_tenantusage AS u
            SELECT hour, tenant_id, code, sum(decisions) FROM fresh GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
            ON CONFLICT (hour, tenant_id, code) DO UPDATE SET decisions = u.decisions + excluded.decisions;
    ELSE
        INSERT INTO keys_tenantusage AS u
            SELECT hour, tenant_id, code, sum(n) FROM (
                SELECT hour, tenant_id, code, decisions AS n FROM fresh
                UNION ALL SELECT hour, tenant_id, code, -decisions FROM stale) changed
            GROUP BY 1, 2, 3 HAVING sum(n) <> 0 ORDER BY 1, 2, 3
            ON CONFLICT (hour, tenant_id, code) DO UPDATE SET decisions = u.decisions + excluded.decisions;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tenant_usage_added AFTER INSERT ON keys_hourlyusage
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION tenant_usage_follow();
CREATE TRIGGER tenant_usage_changed AFTER UPDATE ON keys_hourlyusage
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tenant_usage_follow();
INSERT INTO keys_tenantusage
    SELECT hour, tenant_id, code, sum(decisions) FROM keys_hourlyusage GROUP BY 1, 2, 3;
-- Refusals are few among allowed requests: whose they are is found without reading those.
CREATE INDEX keys_hourlyusage_denied ON keys_hourlyusage (hour) WHERE code <> 'OK';
"""
UNDO = """
DROP INDEX keys_hourlyusage_denied;
DROP TRIGGER tenant_usage_added ON keys_hourlyusage;
DROP TRIGGER tenant_usage_changed ON keys_hourlyusage;
DROP FUNCTION tenant_usage_follow();
DROP TABLE keys_tenantusage;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0006_forget_usage")]
    operations = [
        migrations.RunSQL(TABLE, UNDO),
        protect("keys_tenantusage"),
        migrations.CreateModel(
            name="TenantUsage",
            fields=[
                (
                    "pk",
                    django.db.models.fields.composite.CompositePrimaryKey(
                        "hour",
                        "tenant_id",
                        "code",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("tenant_id", models.CharField(max_length=32)),
                ("code", models.CharField(max_length=32)),
                ("decisions", models.BigIntegerField()),
            ],
            options={"db_table": "keys_tenantusage", "managed": False},
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["tenant", "state"], name="key_by_state"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(
                condition=models.Q(("state", "active")), fields=["expires_at"], name="key_expiry"
            ),
        ),
    ]
