"""What the application's and the check path's roles may do in the database.

Granted after every migration by the owner, from what each app's config declares:

- `append_only`: tables that the application may read and insert into, nothing else;
- `read_only`: tables that it may only read (their rows are written by functions);
- `check_functions`: SECURITY DEFINER functions for the check path and the drain;
- `app_functions`: SECURITY DEFINER functions for the application, before the tenant is known.

Everything else in the schema: SELECT, INSERT, UPDATE, DELETE for the application, under row
security; nothing at all for the check role (DESIGN.md, section 7).
"""

from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.db import connections, transaction
from psycopg import sql

from portal.core import configuration


def role_of(url: str) -> str:
    """The role that a database URL signs in as."""
    return urlsplit(url).username or ""


def app_role() -> str:
    """The application's role."""
    return role_of(configuration.DATABASE_URL())


def check_role() -> str:
    """The check path's role; the application's own when none is configured."""
    return role_of(configuration.DATABASE_CHECK_URL() or configuration.DATABASE_URL())


def declared(attribute: str) -> list[str]:
    """What all apps' configs declare under one of the names above."""
    return [item for config in apps.get_app_configs() for item in getattr(config, attribute, ())]


def statements(partitions: list[str]) -> list[sql.Composed]:
    """The grants, in order; each may be repeated. Partitions are reached by their parent alone."""
    app, check = sql.Identifier(app_role()), sql.Identifier(check_role())
    both = app if app == check else sql.SQL(", ").join([app, check])

    def each(text: str, names: list[str]) -> list[sql.Composed]:
        return [
            sql.SQL(text).format(app=app, both=both, name=sql.Identifier(name)) for name in names
        ]

    return [
        *each("GRANT USAGE ON SCHEMA public TO {both}", [""]),
        *each("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {both}", [""]),
        *each("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC", [""]),
        *each("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}", [""]),
        *each("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}", [""]),
        *each("REVOKE ALL ON {name} FROM {app}", partitions),
        *each("REVOKE UPDATE, DELETE ON {name} FROM {app}", declared("append_only")),
        *each("REVOKE INSERT, UPDATE, DELETE ON {name} FROM {app}", declared("read_only")),
        *each("GRANT EXECUTE ON FUNCTION {name} TO {app}", ["app_tenant", "app_platform"]),
        *each("GRANT EXECUTE ON FUNCTION {name} TO {app}", declared("app_functions")),
        *each("GRANT EXECUTE ON FUNCTION {name} TO {both}", declared("check_functions")),
    ]


def grant_after_migrate(*, using: str, **_: Any) -> None:
    """post_migrate: grant as the owner. Sent for `core`, so every table exists by then."""
    from django.db.migrations.executor import MigrationExecutor

    connection = connections[using]
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return  # stopped halfway on purpose (`migrate app 0003`); the next full run grants
    # Together, or a release that is serving would be without its rights in between.
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
            " AND relnamespace = 'public'::regnamespace"
        )
        partitions = [name for (name,) in cursor.fetchall()]
        for statement in statements(partitions):
            cursor.execute(statement.as_string(cursor.connection))
