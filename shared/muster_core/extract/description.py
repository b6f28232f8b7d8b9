"""What a PostgreSQL source offers: its columns with their types, its key, and what kind of thing it is."""

from __future__ import annotations

from dataclasses import dataclass

from muster_core.errors import SourceMissing, SourceUnreadable
from muster_core.extract.document import ExtractColumn, PostgresSource
from muster_core.extract.session import Session
from muster_core.extract.type import (
    LeftOut,
    ServerType,
    SourceColumn,
    map_column,
    map_json,
    quote,
)

_TYPES = """
WITH RECURSIVE needed(oid) AS (
    SELECT unnest(%s::oid[])
    UNION
    SELECT more.oid FROM needed JOIN pg_type t ON t.oid = needed.oid
    CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS more(oid) WHERE more.oid <> 0
)
SELECT t.oid::bigint, t.typname::text, t.typtype::text, t.typelem::bigint, t.typbasetype::bigint,
       t.typtypmod FROM pg_type t JOIN needed USING (oid)
"""

_RELATION = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, c.reltuples::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s)
"""

_PRIMARY_KEY = """
SELECT a.attname::text FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = %s::oid AND i.indisprimary ORDER BY k.place
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """The table or view a source names; `kind` is PostgreSQL's letter (r table, p partitioned, v view)."""

    oid: int
    schema: str
    name: str
    kind: str
    estimate: int

    @property
    def quoted(self) -> str:
        """Return schema and name as PostgreSQL takes them."""
        return f"{quote(self.schema)}.{quote(self.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A source as it is now; `key` is the declared one or the primary key."""

    #: Nothing for queries.
    relation: Relation | None
    columns: dict[str, SourceColumn]
    left_out: dict[str, LeftOut]
    key: list[str]
    #: Whether the key is a primary key, so that nobody has to look for repeated ones.
    unique: bool

    def select(self, columns: list[SourceColumn], origin: str, condition: str = "") -> str:
        """Return the statement that fetches `columns` of the rows of `origin` under `condition`."""
        fetched = ", ".join(f"{c.expression} AS {quote(c.name)}" for c in columns)
        where = f" WHERE {condition}" if condition else ""
        return f"SELECT {fetched} FROM {origin}{where}"  # noqa: S608 - a source is what the catalog names

    def origin(self, source: PostgresSource) -> str:
        """Return what stands behind FROM to read all rows."""
        if self.relation is not None:
            return f"{self.relation.quoted} AS q"
        # the line end closes a comment the query may end with
        return f"({source.statement}\n) AS q"


def describe(session: Session) -> Description:
    """Look at a source without reading its rows.

    Raises:
        SourceMissing: the table does not exist.
        SourceUnreadable: PostgreSQL does not take the query, or two columns share a name.
    """
    source = session.source
    relation = find_relation(session)
    origin = relation.quoted if relation else f"({source.statement}\n)"
    found = session.columns(f"SELECT q.* FROM {origin} AS q LIMIT 0")  # noqa: S608 - see `select`
    names = [name for name, _, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceUnreadable(
            f"The query of {session.table} gives two columns the name {twice[0]}.",
            hint="Give each a name of its own with AS.",
        )
    types = _types(session, [oid for _, oid, _ in found])
    mapped = {
        name: map_column(name, oid, modifier, types, source.columns.get(name, ExtractColumn()))
        for name, oid, modifier in found
    }
    oids = {name: oid for name, oid, _ in found}
    for name, said in source.columns.items():
        if said.json_ is not None:
            mapped[name] = map_json(name, said, oids, types)
        elif name not in mapped:
            raise SourceUnreadable(f"The source of {session.table} has no column {name}.")
    primary = _primary_key(session, relation)
    description = Description(
        relation=relation,
        columns={n: c for n, c in mapped.items() if isinstance(c, SourceColumn)},
        left_out={n: c for n, c in mapped.items() if isinstance(c, LeftOut)},
        key=source.key or primary,
        unique=bool(primary) and set(primary) <= set(source.key or primary),
    )
    _check_named(session, description)
    return description


def find_relation(session: Session) -> Relation | None:
    """Return the table or view a source names; None for a query.

    Raises:
        SourceMissing: there is none of this name.
    """
    if session.source.table is None:
        return None
    schema, name = session.source.relation
    written = f"{quote(schema)}.{quote(name)}" if schema else quote(name)
    rows = session.rows(_RELATION, [written])
    if not rows:
        raise SourceMissing(
            f"The source of {session.table} on {session.host} does not exist: {written}.",
            hint="Correct its name, with the schema before it.",
        )
    oid, schema, name, kind, estimate = rows[0]
    return Relation(oid=oid, schema=schema, name=name, kind=kind, estimate=max(0, estimate))


def _types(session: Session, oids: list[int]) -> dict[int, ServerType]:
    return {
        oid: ServerType(name=name, kind=kind, element=element, base=base, modifier=modifier)
        for oid, name, kind, element, base, modifier in session.rows(_TYPES, [oids])
    }


def _primary_key(session: Session, relation: Relation | None) -> list[str]:
    if relation is None:
        return []
    return [name for (name,) in session.rows(_PRIMARY_KEY, [relation.oid])]


def _check_named(session: Session, description: Description) -> None:
    """Refuse a key or watermark that is not there, or is of no use."""
    source = session.source
    for name in [*description.key, *([source.watermark] if source.watermark else [])]:
        if name in description.left_out:
            what = description.left_out[name]
            raise SourceUnreadable(
                f"Column {name} of {session.table} has the type {what.type}, which is not supported.",
                hint=what.hint,
            )
        if name not in description.columns:
            raise SourceUnreadable(f"The source of {session.table} has no column {name}.")
    if source.watermark is None:
        return
    kind = description.columns[source.watermark].kind
    if not kind.is_time and kind.kind != "integer":
        raise SourceUnreadable(
            f"Column {source.watermark} of {session.table} is {kind}, which is no watermark.",
            hint="A watermark is a timestamp, a date or a whole number.",
        )
    if isinstance(source.overlap, str) != kind.is_time and source.overlap is not None:
        raise SourceUnreadable(
            f"The overlap of {session.table} does not fit its watermark of type {kind}.",
            hint="Write a duration for times, a number for whole numbers.",
        )
    if not description.key:
        raise SourceUnreadable(
            f"{session.table} has a watermark, but nothing tells its rows apart.",
            hint="Name a key in the source, or give the table a primary key.",
        )
