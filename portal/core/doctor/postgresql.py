"""PostgreSQL: its version, what its roles may do, row security, migrations."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg

from portal.core import configuration as env
from portal.core.configuration import ConfigurationError
from portal.core.doctor.finding import Finding, fail, ok, warn
from portal.core.grants import role_of
from portal.core.health import wanted_migrations

OLDEST: Final = 150_000
PATIENCE: Final = 5
"""Seconds to wait for a connection."""

ROLE: Final = """
SELECT rolname, rolsuper, rolbypassrls,
       (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid
        AND c.relkind IN ('r', 'p', 'v', 'm')),
       (SELECT count(*) FROM pg_roles o WHERE o.oid <> r.oid AND NOT r.rolsuper
        AND pg_has_role(r.oid, o.oid, 'MEMBER')
        AND (o.rolsuper OR o.rolbypassrls OR EXISTS (
            SELECT 1 FROM pg_class c WHERE c.relowner = o.oid
            AND c.relnamespace = 'public'::regnamespace)))
FROM pg_roles r WHERE rolname = current_user
"""
UNPROTECTED: Final = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND a.attname = 'tenant_id' AND NOT a.attisdropped AND NOT c.relrowsecurity
ORDER BY c.relname
"""
READABLE: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname
"""

Database = psycopg.Connection[tuple[Any, ...]]
Examination = Callable[[Database], Iterator[Finding]]


def _version(db: Database) -> Iterator[Finding]:
    number = db.info.server_version
    shown = f"{number // 10_000}.{number % 10_000}"
    if number < OLDEST:
        yield fail("PostgreSQL", f"version {shown}", "15 or newer is needed")
    else:
        yield ok("PostgreSQL", f"version {shown}")


def _role(name: str) -> Examination:
    def examine(db: Database) -> Iterator[Finding]:
        row = db.execute(ROLE).fetchone()
        assert row is not None, "current_user is a role"
        role, superuser, bypasses, owns, inherits = row
        wrong = [
            text
            for text, holds in (
                ("is a superuser", superuser),
                ("has BYPASSRLS", bypasses),
                (f"owns {owns} tables", owns),
                ("is a member of a role that does", inherits),
            )
            if holds
        ]
        if wrong:
            hint = "Row security does not hold for it: use a role that owns nothing"
            yield fail(name, f"{role} {', '.join(wrong)}", hint)
        else:
            yield ok(name, f"{role} is no superuser and owns no table")

    return examine


def _row_security(db: Database) -> Iterator[Finding]:
    tables = [row[0] for row in db.execute(UNPROTECTED)]
    if tables:
        yield fail("row security", f"off on {', '.join(tables)}", "Run migrate as the owner")
    else:
        yield ok("row security", "on for every table with tenants' rows")


def _migrations(db: Database) -> Iterator[Finding]:
    try:
        applied = set(db.execute("SELECT app, name FROM django_migrations").fetchall())
    except psycopg.Error:
        yield fail("migrations", "none was run", "Run `python manage.py migrate --database owner`")
        return
    missing = sorted(f"{app}.{name}" for app, name in wanted_migrations() - applied)
    if missing:
        hint = "Run `python manage.py migrate --database owner`"
        yield fail("migrations", f"missing: {', '.join(missing)}", hint)
    else:
        yield ok("migrations", "all are applied")


def _check_role(db: Database) -> Iterator[Finding]:
    tables = [row[0] for row in db.execute(READABLE)]
    if tables:
        hint = "It needs its functions only: run migrate as the owner with DATABASE_CHECK_URL set"
        yield fail("check role", f"may read {', '.join(tables[:5])}", hint)
    else:
        yield ok("check role", "may execute its functions and read no table")


def _connected(name: str, url: str, *examinations: Examination) -> Iterator[Finding]:
    """Run the examinations on one connection; a failure says the reason, never the URL."""
    try:
        with psycopg.connect(url, connect_timeout=PATIENCE, autocommit=True) as db:
            for examination in examinations:
                yield from examination(db)
    except psycopg.Error as error:
        yield fail(
            name, f"can't be reached ({type(error).__name__})", "Is it running? Is the URL right?"
        )


def examine_postgresql() -> Iterator[Finding]:
    """The three roles' findings; a URL that can't be read was told of with the settings."""
    try:
        app, check, owner = env.DATABASE_URL(), env.DATABASE_CHECK_URL(), env.DATABASE_OWNER_URL()
    except ConfigurationError:
        return
    yield from _connected(
        "DATABASE_URL", app, _version, _role("application role"), _row_security, _migrations
    )
    if check is None or role_of(check) == role_of(app):
        hint = "Set DATABASE_CHECK_URL: the check path should be able to read no table"
        yield warn("check role", "is the application's", hint)
    else:
        yield from _connected("DATABASE_CHECK_URL", check, _role("check role"), _check_role)
    if owner is None:
        hint = "Set it where you run migrate, and only there"
        yield warn("DATABASE_OWNER_URL", "not set: migrations can't be run from here", hint)
    elif role_of(owner) == role_of(app):
        yield fail("DATABASE_OWNER_URL", "is the application's role", "Use two roles")
    else:
        yield from _connected("DATABASE_OWNER_URL", owner, _owner)


def _owner(db: Database) -> Iterator[Finding]:
    yield ok("DATABASE_OWNER_URL", f"{db.info.user} can sign in")
