"""What the lists of tenants and people are sorted by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0006_tries")]
    operations = [
        migrations.AddIndex(
            model_name=model, index=models.Index(fields=[column, "id"], name=f"{model}_by_{word}")
        )
        for model in ("tenant", "person")
        for column, word in (("name", "name"), ("created_at", "age"))
    ]
