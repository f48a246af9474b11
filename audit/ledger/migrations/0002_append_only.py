"""Row security, and triggers that keep history as it was, also from the tables' owner.

Grants alone stop the application (`append_only` in apps.py). The triggers stop everybody but a
superuser who disables them: `ALWAYS`, so that session_replication_role doesn't pass them by.
"""

from django.db import migrations

from portal.core.rowsecurity import protect

TABLES = ("ledger_entry", "ledger_payload", "ledger_object_salt")

FUNCTIONS = """
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the ledger is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
-- The one change of a payload or a salt: its content goes, once, at PostgreSQL's time.
CREATE FUNCTION ledger_erase_once() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE erasable text[] := '{body,salt,erased_at}';
BEGIN
    IF OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL AND NEW.salt IS NULL
        AND to_jsonb(NEW) - erasable = to_jsonb(OLD) - erasable
    THEN
        NEW.erased_at := clock_timestamp();
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'UPDATE of % is refused: it may be erased, once', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""

CHECKS = """
ALTER TABLE ledger_entry ADD CONSTRAINT entry_envelope CHECK (
    octet_length(envelope) <= 32768
    AND envelope_digest = sha256(convert_to(envelope, 'UTF8')));
ALTER TABLE ledger_payload ADD CONSTRAINT payload_whole_or_erased CHECK (
    CASE WHEN erased_at IS NULL THEN body IS NOT NULL AND salt IS NOT NULL
        AND octet_length(salt) = 32 ELSE body IS NULL AND salt IS NULL END);
ALTER TABLE ledger_object_salt ADD CONSTRAINT object_salt_whole_or_erased CHECK (
    CASE WHEN erased_at IS NULL THEN salt IS NOT NULL AND octet_length(salt) = 32
        ELSE salt IS NULL END);
"""


def trigger(table: str, name: str, when: str, function: str) -> str:
    """SQL of one trigger that fires whatever the session's replication role."""
    return (
        f"CREATE TRIGGER {name} BEFORE {when} EXECUTE FUNCTION {function}();"
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};"
    )


def triggers(table: str) -> str:
    """SQL of a table's three triggers."""
    update = "ledger_refuse" if table == "ledger_entry" else "ledger_erase_once"
    return (
        trigger(table, "keep_update", f"UPDATE ON {table} FOR EACH ROW", update)
        + trigger(table, "keep_delete", f"DELETE ON {table} FOR EACH ROW", "ledger_refuse")
        + trigger(table, "keep_truncate", f"TRUNCATE ON {table}", "ledger_refuse")
    )


UNDO = "".join(
    f"DROP TRIGGER keep_{verb} ON {table};"
    for table in TABLES
    for verb in ("update", "delete", "truncate")
) + (
    "DROP FUNCTION ledger_refuse(); DROP FUNCTION ledger_erase_once();"
    "ALTER TABLE ledger_entry DROP CONSTRAINT entry_envelope;"
    "ALTER TABLE ledger_payload DROP CONSTRAINT payload_whole_or_erased;"
    "ALTER TABLE ledger_object_salt DROP CONSTRAINT object_salt_whole_or_erased;"
)


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0001_entries_payloads_and_salts"),
        ("core", "0001_scope_functions_and_outbox"),
    ]
    operations = [
        *map(protect, TABLES),
        migrations.RunSQL(FUNCTIONS + CHECKS + "".join(map(triggers, TABLES)), UNDO),
    ]
