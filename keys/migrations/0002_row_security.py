"""Row security on keys, secrets and limits."""

from django.db import migrations

from portal.core.rowsecurity import protect


class Migration(migrations.Migration):
    dependencies = [("keys", "0001_initial"), ("tenancy", "0002_row_security")]
    operations = [
        protect("keys_apikey"),
        protect("keys_secret"),
        protect("keys_limit"),
        protect("keys_keylimit"),
    ]
