"""The membership feed: who belongs to which segment since when, kept in PostgreSQL for journey tools.

Each version is one transaction: members that joined get a row, members that left get the time they left (or
lose their row), and the list of segments of each of these customers is brought up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import pyarrow as pa
from psycopg import sql

from muster_core.exports.connection import DatabaseSecret, FeedTarget
from muster_core.security.outbound import Guard
from muster_exporter.database import Database, copy_rows
from muster_exporter.version import Receipt, Version

_STAGE = sql.Identifier("muster_stage")
_VIEW_NAME = "msdynci_segmentmembership"


class FeedSink:
    """A schema with the tables of the feed, shared by all segments."""

    def __init__(self, target: FeedTarget, secret: DatabaseSecret, guard: Guard) -> None:
        self._history = target.history
        self._database = Database(target, secret, guard)

    def __enter__(self) -> Self:
        self._database.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def send(self, version: Version, check: Callable[[], None]) -> Receipt:
        """Make the feed tell the version's members of this segment, unless it tells newer ones."""
        claim = version.claim
        version.verify(check)
        said = {"segment": claim.segment, "version": claim.version, "as_of": claim.as_of}
        with self._database.making() as cursor:
            for statement in _TABLES:
                cursor.execute(self._named(statement))
            # replacing it would make its readers wait for the whole transaction
            cursor.execute(_HAS_VIEW, [self._database.target.db_schema, _VIEW_NAME])
            if cursor.fetchone() is None:
                cursor.execute(self._named(_VIEW))
        with self._database.transaction() as cursor:
            cursor.execute(self._named(_MAKE_STAGE))
            schema = pa.schema([pa.field("customer", pa.string())])
            rows, size = copy_rows(cursor, _STAGE, schema, _keys(version, schema, check))
            cursor.execute(self._named(_ANALYZE))
            # One version at a time: two segments may change the list of the same customer.
            cursor.execute(self._named(_LOCK))
            cursor.execute(self._named(_FIRST), said)
            cursor.execute(self._named(_KNOWN), said)
            found = cursor.fetchone()
            if found is None or found[0] <= claim.version:
                cursor.execute(self._named(_NOTE_LEFT), said)
                cursor.execute(self._named(_CLOSE if self._history else _REMOVE), said)
                cursor.execute(self._named(_JOIN), said)
                cursor.execute(self._named(_SHORTEN), said)
                cursor.execute(self._named(_LENGTHEN), said)
                cursor.execute(self._named(_FORGET))
                cursor.execute(self._named(_SET), {**said, "members": rows})
            check()
        location = f"{self._database.address}/muster_membership"
        return Receipt(rows=rows, size=size, files=0, location=location, kept=0)

    def erase(self, export: str, key_column: str, key: str) -> tuple[int, str]:
        """Delete a customer from the feed, whichever export brought them, with their whole history."""
        removed = 0
        with self._database.transaction() as cursor:
            for table in ("muster_membership", "muster_customer"):
                cursor.execute(_HAS_TABLE, [self._database.target.db_schema, table])
                if cursor.fetchone() is None:
                    continue
                name = self._database.name(table)
                cursor.execute(_ERASE.format(name), [key])
                removed += cursor.rowcount
        return removed, f"{self._database.address}/muster_membership"

    def probe(self) -> None:
        """See whether the tables of the feed are there or can be made; none is left that was not there."""
        with self._database.making() as cursor:
            cursor.execute(self._named(_PROBE))
            cursor.execute(self._named(_UNPROBE))

    def _named(self, statement: sql.SQL) -> sql.Composed:
        """Put the names of the feed's tables into a statement."""
        tables = ("membership", "customer", "feed_version", "probe")
        names = {name: self._database.name(f"muster_{name}") for name in tables}
        view = self._database.name(_VIEW_NAME)
        return statement.format(**names, view=view, stage=_STAGE)


def _keys(version: Version, schema: Any, check: Callable[[], None]) -> Iterator[Any]:
    """Yield the customers alone, as text."""
    for group in version.groups(check):
        yield pa.table([group.column(0).cast(pa.string())], schema=schema)


_TABLES = [
    sql.SQL("""
CREATE TABLE IF NOT EXISTS {membership} (
    customer text, segment text, joined_at timestamptz, left_at timestamptz,
    version bigint NOT NULL, PRIMARY KEY (segment, customer, joined_at))
"""),
    sql.SQL("""
CREATE TABLE IF NOT EXISTS {customer} (
    customer text PRIMARY KEY, segments text[] NOT NULL, changed_at timestamptz NOT NULL)
"""),
    sql.SQL("""
CREATE TABLE IF NOT EXISTS {feed_version} (
    segment text PRIMARY KEY, version bigint NOT NULL, members bigint, as_of timestamptz,
    written_at timestamptz)
"""),
]
_HAS_VIEW = sql.SQL("SELECT FROM pg_views WHERE schemaname = %s AND viewname = %s")
_HAS_TABLE = sql.SQL("SELECT FROM pg_tables WHERE schemaname = %s AND tablename = %s")
_ERASE = sql.SQL("DELETE FROM {} WHERE customer = %s")
_VIEW = sql.SQL("""
CREATE VIEW {view} AS
SELECT md5(customer || '|Muster|Customer')::uuid AS msdynci_segmentmembershipid,
       customer || '|Muster|Customer' AS msdynci_identifier, customer AS "CustomerId",
       'Muster' AS "SegmentProvider", 'Customer' AS "SegmentMembershipType",
       to_json(segments)::text AS "Segments"
  FROM {customer}
""")
_MAKE_STAGE = sql.SQL("CREATE TEMPORARY TABLE {stage} (customer text) ON COMMIT DROP")
_ANALYZE = sql.SQL("ANALYZE {stage}")
_LOCK = sql.SQL("LOCK TABLE {feed_version} IN EXCLUSIVE MODE")
_FIRST = sql.SQL("""
INSERT INTO {feed_version} (segment, version) VALUES (%(segment)s, 0) ON CONFLICT DO NOTHING
""")
_KNOWN = sql.SQL("SELECT version FROM {feed_version} WHERE segment = %(segment)s")
_NOTE_LEFT = sql.SQL("""
CREATE TEMPORARY TABLE muster_left ON COMMIT DROP AS
SELECT customer FROM {membership} m
 WHERE segment = %(segment)s AND left_at IS NULL
   AND NOT EXISTS (SELECT FROM {stage} s WHERE s.customer = m.customer)
""")
_CLOSE = sql.SQL("""
UPDATE {membership} m SET left_at = %(as_of)s, version = %(version)s
 WHERE segment = %(segment)s AND left_at IS NULL
   AND customer IN (SELECT customer FROM muster_left)
""")
_REMOVE = sql.SQL("""
DELETE FROM {membership}
 WHERE segment = %(segment)s AND customer IN (SELECT customer FROM muster_left)
""")
# someone who left and joined again at the same evaluation time has one row, that of now
_JOIN = sql.SQL("""
INSERT INTO {membership} (customer, segment, joined_at, version)
SELECT customer, %(segment)s, %(as_of)s, %(version)s FROM {stage} s
 WHERE NOT EXISTS (SELECT FROM {membership} m WHERE m.segment = %(segment)s
                   AND m.customer = s.customer AND m.left_at IS NULL)
ON CONFLICT (segment, customer, joined_at)
DO UPDATE SET left_at = NULL, version = EXCLUDED.version
""")
_SHORTEN = sql.SQL("""
UPDATE {customer} c
   SET segments = array_remove(c.segments, %(segment)s), changed_at = %(as_of)s
  FROM muster_left l WHERE c.customer = l.customer AND %(segment)s = ANY(c.segments)
""")
_LENGTHEN = sql.SQL("""
INSERT INTO {customer} AS c (customer, segments, changed_at)
SELECT customer, ARRAY[CAST(%(segment)s AS text)], %(as_of)s FROM {stage}
ON CONFLICT (customer) DO UPDATE
   SET segments = ARRAY(SELECT unnest(c.segments || EXCLUDED.segments) ORDER BY 1),
       changed_at = EXCLUDED.changed_at
 WHERE NOT c.segments @> EXCLUDED.segments
""")
_FORGET = sql.SQL("""
DELETE FROM {customer}
 WHERE segments = ARRAY[]::text[] AND customer IN (SELECT customer FROM muster_left)
""")
_SET = sql.SQL("""
UPDATE {feed_version} SET version = %(version)s, members = %(members)s, as_of = %(as_of)s,
       written_at = clock_timestamp() WHERE segment = %(segment)s
""")
_PROBE = sql.SQL("CREATE TABLE {probe} (x integer)")
_UNPROBE = sql.SQL("DROP TABLE {probe}")
