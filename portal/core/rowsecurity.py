"""Row security, as migration operations.

One policy form for every table of tenants' rows (DESIGN.md, section 7): a row is seen and written
only inside `tenant_scope` of its tenant or inside `platform_scope`. Both are transaction-local
settings; unset, nothing is seen. The subselects make PostgreSQL read them once a statement.
"""

from django.db import migrations

TENANT = "tenant_id = (SELECT app_tenant()) OR (SELECT app_platform())"
PLATFORM = "(SELECT app_platform())"


def protect(table: str, rule: str = TENANT) -> migrations.RunSQL:
    """Turn row security on for `table` under `rule`, for reading and for writing."""
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY scope ON {table} USING ({rule}) WITH CHECK ({rule});",
        f"DROP POLICY scope ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;",
    )


def protect_shared(table: str, seen: str, written: str = PLATFORM) -> migrations.RunSQL:
    """Rows that several tenants may see (`seen`) and fewer may write (`written`)."""
    commands = "".join(
        f"CREATE POLICY {name} ON {table} FOR {verb} {clause};"
        for name, verb, clause in (
            ("seen", "SELECT", f"USING ({seen})"),
            ("added", "INSERT", f"WITH CHECK ({written})"),
            ("changed", "UPDATE", f"USING ({written}) WITH CHECK ({written})"),
            ("removed", "DELETE", f"USING ({written})"),
        )
    )
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;{commands}",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
        + "".join(f"DROP POLICY {n} ON {table};" for n in ("seen", "added", "changed", "removed")),
    )
