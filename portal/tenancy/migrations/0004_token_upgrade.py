"""A management token's digest under a newer pepper."""

from django.db import migrations

UPGRADE = """
CREATE FUNCTION tenancy_token_upgrade(wanted text, was smallint, fresh bytea, becomes smallint)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE tenancy_managementtoken SET digest = fresh, pepper_id = becomes
    WHERE kid = wanted AND pepper_id = was $$;
"""


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0003_withdrawn_grants")]
    operations = [
        migrations.RunSQL(
            UPGRADE, "DROP FUNCTION tenancy_token_upgrade(text, smallint, bytea, smallint);"
        ),
    ]
