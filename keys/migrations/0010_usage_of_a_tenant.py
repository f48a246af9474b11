"""One tenant's usage over time, for its own pages: without the hours of all others."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0009_decision_lists")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX keys_tenantusage_tenant ON keys_tenantusage (tenant_id, hour);",
            "DROP INDEX keys_tenantusage_tenant;",
        )
    ]
