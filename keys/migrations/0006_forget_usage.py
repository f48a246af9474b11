"""What usage need not be kept for ever: closed quota windows, old counts of unknown keys."""

from django.db import migrations

FORGET = """
-- Quota windows two days after their end, counts of unknown keys after ninety; at most `most` of
-- each, so that no transaction is long. Returns how many rows went.
CREATE FUNCTION usage_forget(most integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE windows integer; counts integer;
BEGIN
    DELETE FROM keys_quotawindow WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM keys_quotawindow
        WHERE window_end < clock_timestamp() - interval '2 days' LIMIT most));
    GET DIAGNOSTICS windows = ROW_COUNT;
    DELETE FROM keys_unknownkeys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM keys_unknownkeys
        WHERE minute < clock_timestamp() - interval '90 days' LIMIT most));
    GET DIAGNOSTICS counts = ROW_COUNT;
    RETURN windows + counts;
END $$;
CREATE INDEX keys_unknownkeys_minute ON keys_unknownkeys (minute);
CREATE INDEX keys_hourlyusage_hour ON keys_hourlyusage (tenant_id, hour);
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0005_credential_upgrade")]
    operations = [
        migrations.RunSQL(
            FORGET,
            "DROP FUNCTION usage_forget(integer); DROP INDEX keys_unknownkeys_minute;"
            "DROP INDEX keys_hourlyusage_hour;",
        ),
    ]
