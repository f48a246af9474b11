"""Serving as a role that row security does not bind would make every scope a decoration."""

import psycopg

QUESTION = """
SELECT rolsuper OR rolbypassrls,
       EXISTS (SELECT FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p')
               AND relnamespace = 'public'::regnamespace)
FROM pg_roles r WHERE rolname = current_user
"""


def fault_of(url: str, name: str) -> str | None:
    """Why this database role must not serve, or None; None too while PostgreSQL is away.

    `name` is the setting that gave the URL. DESIGN.md, section 7: superusers, roles with BYPASSRLS
    and owners of tables are refused.
    """
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            row = connection.execute(QUESTION).fetchone()
    except psycopg.Error:
        return None
    if row and row[0]:
        return f"{name}: this role is a superuser or has BYPASSRLS; row security would not bind it."
    if row and row[1]:
        return f"{name}: this role owns tables; use another one than DATABASE_OWNER_URL's."
    return None
