"""Everything that is stored, in one digest a table, but for what looking itself may write."""

from typing import Any, Final

import psycopg
from psycopg import sql

Db = psycopg.Connection[Any]

LEFT_OUT: Final = {
    "tenancy_session": "when a session was seen last",
    "tenancy_tries": "throttles",
    "core_outbox": "emptied by check processes, whoever looks",
}
"""Tables that are not part of it, each with its reason."""
ONLY: Final = {
    "ledger_entry": "outcome = 'success'",
    "ledger_payload": "entry_id IN (SELECT id FROM ledger_entry WHERE outcome = 'success')",
}
"""Refused attempts are recorded: of the ledger, what was done."""
MARKS: Final = {"tenancy_managementtoken": ["last_used_at"]}
"""Columns that say when something was used last."""


def tables(db: Db) -> list[str]:
    """Every table, partitions by their parents."""
    rows = db.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    return [name for (name,) in rows if name not in LEFT_OUT]


def digest(db: Db) -> dict[str, str]:
    """Of each table how many rows there are, and the sum of their hashes: in any order the same."""
    parts = [
        sql.SQL(
            "SELECT {name}, count(*) || ' ' || coalesce(sum(hashtextextended({row}, 0)), 0)"
            " FROM {table} t WHERE {only}"
        ).format(
            name=sql.Literal(name), table=sql.Identifier(name),
            only=sql.SQL(ONLY.get(name, "true")),
            row=sql.SQL(
                f"(to_jsonb(t) - {sql.Literal(MARKS[name]).as_string()}::text[])::text"
                if name in MARKS else "t::text"
            ),
        )
        for name in tables(db)
    ]  # fmt: skip
    return dict(db.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall())


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The tables that changed."""
    return sorted(name for name in after if after[name] != before.get(name))
