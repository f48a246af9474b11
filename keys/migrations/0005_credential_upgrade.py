"""A credential's digest under a newer pepper: written by who has just seen the whole text."""

from django.db import migrations

UPGRADE = """
-- Only from the pepper that it was verified under, so that a slow writer undoes nothing.
CREATE FUNCTION credential_upgrade(kind text, wanted text, was smallint, fresh bytea, becomes smallint)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF kind = 'key' THEN
        UPDATE keys_secret SET digest = fresh, pepper_id = becomes
            WHERE kid = wanted AND pepper_id = was AND becomes > was;
    ELSIF kind = 'gateway' THEN
        UPDATE tenancy_gateway SET digest = fresh, pepper_id = becomes
            WHERE kid = wanted AND pepper_id = was AND becomes > was;
    END IF;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0004_check_functions"), ("tenancy", "0002_row_security")]
    operations = [
        migrations.RunSQL(
            UPGRADE, "DROP FUNCTION credential_upgrade(text, text, smallint, bytea, smallint);"
        ),
    ]
