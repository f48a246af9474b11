"""What the list of all tenants' keys is sorted by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_tenant_usage")]
    operations = [
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["created_at", "id"], name="key_by_age"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["name", "id"], name="key_by_name"),
        ),
        migrations.AddIndex(
            model_name="apikey",
            index=models.Index(fields=["expires_at", "id"], name="key_by_end"),
        ),
    ]
