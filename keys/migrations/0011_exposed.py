"""Credentials that gateways saw where others could read them, until the worker records them."""

from django.db import migrations, models

from portal.core.rowsecurity import protect

NOTE = """
-- One note for each credential and way; what is no credential of ours is none.
CREATE FUNCTION credential_exposed(kind text, wanted text, how text, whence text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO keys_exposed (kid, way, kind, object_id, tenant_id, network, seen_at)
    SELECT s.kid, how, kind, s.key_id, s.tenant_id, whence, clock_timestamp()
        FROM keys_secret s WHERE kind = 'key' AND s.kid = wanted
    UNION ALL SELECT g.kid, how, kind, g.id, NULL, whence, clock_timestamp()
        FROM tenancy_gateway g WHERE kind = 'gateway' AND g.kid = wanted
    ON CONFLICT DO NOTHING $$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0010_usage_of_a_tenant"), ("tenancy", "0002_row_security")]
    operations = [
        migrations.CreateModel(
            name="Exposed",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "kid", "way", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kid", models.CharField(max_length=12)),
                ("way", models.CharField(max_length=16)),
                ("kind", models.CharField(max_length=16)),
                ("object_id", models.CharField(max_length=32)),
                ("tenant_id", models.CharField(max_length=32, null=True)),
                ("network", models.CharField(max_length=64)),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        protect("keys_exposed"),
        migrations.RunSQL(NOTE, "DROP FUNCTION credential_exposed(text, text, text, text)"),
    ]
