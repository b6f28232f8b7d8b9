"""Keeps a table of a PostgreSQL database equal to the members: one table for each export.

A version is copied into a temporary table, compared with what stands there, and only the difference is written,
in one transaction with the version's number. Lists are jsonb.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import psycopg
from psycopg import sql

from muster_core.errors import TargetRefused
from muster_core.exports.capability import SEGMENT_COLUMN as SEGMENT
from muster_core.exports.connection import DatabaseSecret, PostgresTarget
from muster_core.security.outbound import Guard
from muster_exporter.database import Database, column_type, copy_rows
from muster_exporter.version import Receipt, Version

VERSIONS = "muster_export_version"
_STAGE = sql.Identifier("muster_stage")

Cursor = psycopg.Cursor[tuple[Any, ...]]


class PostgresSink:
    """A schema with one table for each export."""

    def __init__(self, target: PostgresTarget, secret: DatabaseSecret, guard: Guard) -> None:
        self._database = Database(target, secret, guard)

    def __enter__(self) -> Self:
        self._database.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def send(self, version: Version, check: Callable[[], None]) -> Receipt:
        """Make the table hold the version's members of this segment, unless it holds newer ones."""
        claim = version.claim
        version.verify(check)
        table = claim.export
        place = self._database.name(table)
        versions = self._database.name(VERSIONS)
        with self._database.making() as cursor:
            cursor.execute(_MAKE_VERSIONS.format(versions))
            self._make_table(cursor, table, version)
        with self._database.transaction() as cursor:
            _make_stage(cursor, version)
            rows, size = copy_rows(cursor, _STAGE, version.schema, version.groups(check))
            cursor.execute(sql.SQL("ANALYZE {}").format(_STAGE))
            key = [claim.export, claim.segment]
            cursor.execute(_FIRST_VERSION.format(versions), key)
            cursor.execute(_LOCK_VERSION.format(versions), key)
            found = cursor.fetchone()
            if found is None or found[0] <= claim.version:
                names = [sql.Identifier(name) for name in version.schema.names]
                _remove_others(cursor, place, names[0], claim.segment)
                _put(cursor, place, names, claim.segment)
                cursor.execute(
                    _SET_VERSION.format(versions), [claim.version, rows, claim.as_of, *key]
                )
            check()
        return Receipt(
            rows=rows,
            size=size,
            files=0,
            location=f"{self._database.address}/{table}",
            kept=0,
        )

    def erase(self, export: str, key_column: str, key: str) -> tuple[int, str]:
        """Delete a customer's rows from the table of the export, those of every segment."""
        removed = 0
        with self._database.transaction() as cursor:
            cursor.execute(_COLUMNS, [self._database.target.db_schema, export])
            types: dict[str, str] = dict(cursor.fetchall())
            if key_column in types and SEGMENT in types:
                cursor.execute(
                    _ERASE.format(
                        table=self._database.name(export),
                        versions=self._database.name(VERSIONS),
                        segment=sql.Identifier(SEGMENT),
                        key=sql.Identifier(key_column),
                        # a type as PostgreSQL itself calls it
                        type=sql.SQL(types[key_column]),
                    ),
                    [export, key],
                )
                removed = cursor.rowcount
        return removed, f"{self._database.address}/{export}"

    def probe(self) -> None:
        """See whether tables could be made in the schema."""
        probe = self._database.name("muster_probe")
        with self._database.making() as cursor:
            cursor.execute(sql.SQL("CREATE TABLE {} (x integer)").format(probe))
            cursor.execute(sql.SQL("DROP TABLE {}").format(probe))

    def _make_table(self, cursor: Cursor, table: str, version: Version) -> None:
        """Make the table, or add the columns it does not have yet.

        Raises:
            TargetRefused: what stands there under its name was made for something else, or altered.
        """
        place = self._database.name(table)
        types = {field.name: column_type(field.type) for field in version.schema}
        key = version.schema.names[0]
        cursor.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({} text, {} {}, PRIMARY KEY ({}, {}))").format(
                place,
                sql.Identifier(SEGMENT),
                sql.Identifier(key),
                sql.SQL(types[key]),
                sql.Identifier(SEGMENT),
                sql.Identifier(key),
            )
        )
        cursor.execute(_COLUMNS, [self._database.target.db_schema, table])
        found: dict[str, str] = dict(cursor.fetchall())
        self._require_fit(cursor, table, [SEGMENT, *types])
        other = [name for name in types if name in found and found[name] != types[name]]
        if other:
            raise TargetRefused(
                f"The table {table} has a column of another type: {', '.join(other)}.",
                hint="Give the column another name with `as`, or drop the table.",
            )
        for name in (name for name in types if name not in found):
            cursor.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    place, sql.Identifier(name), sql.SQL(types[name])
                )
            )

    def _require_fit(self, cursor: Cursor, table: str, names: list[str]) -> None:
        """Make sure that rows can be told apart by segment and key, and that no other column must have a value."""
        hint = "Drop it, or put right what was altered; another export name makes another table."
        cursor.execute(_KIND, [self._database.target.db_schema, table])
        if cursor.fetchone() not in [("r",), ("p",)]:
            raise TargetRefused(f"{table} is no table.", hint=hint)
        cursor.execute(_DEMANDING, [self._database.target.db_schema, table, names])
        if demanding := [name for (name,) in cursor.fetchall()]:
            raise TargetRefused(
                f"The table {table} has columns that must have a value and are not delivered:"
                f" {', '.join(demanding)}.",
                hint=hint,
            )
        cursor.execute(_UNIQUE, [self._database.target.db_schema, table])
        if sorted(names[:2]) not in [sorted(columns) for (columns,) in cursor.fetchall()]:
            raise TargetRefused(
                f"The table {table} has no unique key of {names[0]} and {names[1]}.", hint=hint
            )


def _make_stage(cursor: Cursor, version: Version) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(column_type(field.type)))
        for field in version.schema
    )
    cursor.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(_STAGE, columns))


def _remove_others(
    cursor: Cursor, place: sql.Identifier, key: sql.Identifier, segment: str
) -> None:
    cursor.execute(
        sql.SQL(
            "DELETE FROM {table} t WHERE t.{segment} = %s"
            " AND NOT EXISTS (SELECT FROM {stage} s WHERE s.{key} = t.{key})"
        ).format(table=place, segment=sql.Identifier(SEGMENT), stage=_STAGE, key=key),
        [segment],
    )


def _put(cursor: Cursor, place: sql.Identifier, names: list[sql.Identifier], segment: str) -> None:
    """Write the rows that are new or different; the others are not touched."""
    key, *others = names
    action: sql.Composable = sql.SQL("NOTHING")
    if others:
        action = sql.SQL("UPDATE SET {} WHERE ({}) IS DISTINCT FROM ({})").format(
            sql.SQL(", ").join(sql.SQL("{} = EXCLUDED.{}").format(n, n) for n in others),
            sql.SQL(", ").join(sql.SQL("t.{}").format(n) for n in others),
            sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(n) for n in others),
        )
    columns = sql.SQL(", ").join(names)
    cursor.execute(
        sql.SQL(
            "INSERT INTO {table} AS t ({segment}, {columns}) SELECT %s, {columns} FROM {stage}"
            " ON CONFLICT ({segment}, {key}) DO {action}"
        ).format(
            table=place,
            segment=sql.Identifier(SEGMENT),
            columns=columns,
            stage=_STAGE,
            key=key,
            action=action,
        ),
        [segment],
    )


_MAKE_VERSIONS = sql.SQL("""
CREATE TABLE IF NOT EXISTS {} (
    export text, segment text, version bigint NOT NULL, members bigint, as_of timestamptz,
    written_at timestamptz, PRIMARY KEY (export, segment))
""")
_FIRST_VERSION = sql.SQL("""
INSERT INTO {} (export, segment, version) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING
""")
_LOCK_VERSION = sql.SQL("SELECT version FROM {} WHERE export = %s AND segment = %s FOR UPDATE")
_SET_VERSION = sql.SQL("""
UPDATE {} SET version = %s, members = %s, as_of = %s, written_at = clock_timestamp()
 WHERE export = %s AND segment = %s
""")
# by segment and key, in the order of the primary key: the table may be large
_ERASE = sql.SQL("""
DELETE FROM {table} t USING {versions} v
 WHERE v.export = %s AND t.{segment} = v.segment AND t.{key} = CAST(%s AS {type})
""")
_COLUMNS = sql.SQL("""
SELECT column_name, data_type FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s
""")
# r: a table, p: one in partitions
_KIND = sql.SQL("""
SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relname = %s
""")
_DEMANDING = sql.SQL("""
SELECT column_name::text FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s AND is_nullable = 'NO' AND column_default IS NULL
   AND is_identity = 'NO' AND is_generated = 'NEVER' AND NOT column_name = ANY(%s)
 ORDER BY ordinal_position
""")
_UNIQUE = sql.SQL("""
SELECT array_agg(a.attname::text)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
 WHERE n.nspname = %s AND c.relname = %s
   AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
 GROUP BY i.indexrelid
""")
