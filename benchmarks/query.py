"""The same segments as SQL: one query each, as a person would write it, and one query for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from benchmarks.data import AS_OF
from benchmarks.mix import Aggregate, Segment, Test

_SIGNS = {"eq": "=", "gte": ">=", "gt": ">", "lt": "<"}
_DATES = {"joined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How an engine writes an instant and names a table, and whether it knows correlated NOT EXISTS."""

    instant: str = "TIMESTAMPTZ '{:%Y-%m-%d %H:%M:%S}+00'"
    tables: Mapping[str, str] = field(default_factory=dict)
    correlated: bool = True

    def at(self, moment: datetime) -> str:
        """Return an instant as a literal."""
        return self.instant.format(moment)

    def table(self, name: str) -> str:
        """Return what stands behind FROM."""
        return self.tables.get(name, name)


DUCKDB = Dialect()
SPARK = Dialect(instant="TIMESTAMP '{:%Y-%m-%d %H:%M:%S}+00:00'")


def clickhouse(tables: Mapping[str, str]) -> Dialect:
    """Return ClickHouse's way, reading each table from `tables`."""
    return Dialect(
        instant="toDateTime64('{:%Y-%m-%d %H:%M:%S}', 6, 'UTC')", tables=tables, correlated=False
    )


def alone(segment: Segment, dialect: Dialect) -> str:
    """Return the query that counts one segment's members."""
    conditions = [condition(test) for test in segment.tests]
    conditions += [_membership(aggregate, dialect) for aggregate in segment.aggregates]
    return f"SELECT count(*) FROM {dialect.table('customers')} c WHERE {' AND '.join(conditions)}"


def together(segments: Sequence[Segment], dialect: Dialect) -> str:
    """Return one query with a column of members for each segment: every table is read and grouped once."""
    names: dict[Aggregate, str] = {}
    for segment in segments:
        for aggregate in segment.aggregates:
            names.setdefault(_measured(aggregate), f"a{len(names)}")
    counts = [
        f"count(*) FILTER (WHERE {' AND '.join(_joined(segment, names))})" for segment in segments
    ]
    joins = [
        f" LEFT JOIN ({_grouped(table, names, dialect)}) {table}_of USING (customer_id)"
        for table in sorted({aggregate.table for aggregate in names})
    ]
    return f"SELECT {', '.join(counts)} FROM {dialect.table('customers')} c{''.join(joins)}"


def columns_needed(segments: Sequence[Segment]) -> dict[str, set[str]]:
    """Return the columns each table is asked for, besides key and time."""
    needed: dict[str, set[str]] = {"customers": {t.column for s in segments for t in s.tests}}
    for segment in segments:
        for aggregate in segment.aggregates:
            own = needed.setdefault(aggregate.table, set())
            own |= {aggregate.column} if aggregate.column else set()
            own |= {aggregate.test.column} if aggregate.test else set()
    return needed


def oldest_needed(segments: Sequence[Segment]) -> dict[str, datetime]:
    """Return, per related table, the instant before which no segment looks."""
    days: dict[str, int] = {}
    for segment in segments:
        for aggregate in segment.aggregates:
            days[aggregate.table] = max(days.get(aggregate.table, 0), aggregate.days)
    return {table: AS_OF - timedelta(days=longest) for table, longest in days.items()}


def condition(test: Test, prefix: str = "") -> str:
    """Return a comparison as SQL."""
    column = f"{prefix}{test.column}"
    if test.compare == "is_true":
        return column
    if test.compare == "in":
        return f"{column} IN ({', '.join(_literal(test, value) for value in test.value)})"
    if test.compare == "between":
        low, high = test.value
        return f"{column} BETWEEN {low} AND {high}"
    return f"{column} {_SIGNS[test.compare]} {_literal(test, test.value)}"


def _literal(test: Test, value: Any) -> str:
    if test.column in _DATES:
        return f"DATE '{value}'"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _membership(aggregate: Aggregate, dialect: Dialect) -> str:
    source = f"{dialect.table(aggregate.table)} r WHERE {_rows(aggregate, dialect, 'r.')}"
    if aggregate.function == "none" and dialect.correlated:
        return f"NOT EXISTS (SELECT 1 FROM {source} AND r.customer_id = c.customer_id)"
    if aggregate.function == "none":
        return f"c.customer_id NOT IN (SELECT r.customer_id FROM {source})"
    having = f"{_function(aggregate, 'r.')} {_SIGNS[aggregate.compare]} {aggregate.value}"
    return (
        f"c.customer_id IN (SELECT r.customer_id FROM {source}"
        f" GROUP BY r.customer_id HAVING {having})"
    )


def _rows(aggregate: Aggregate, dialect: Dialect, prefix: str = "") -> str:
    begin = dialect.at(AS_OF - timedelta(days=aggregate.days))
    window = f"{prefix}occurred_at > {begin} AND {prefix}occurred_at <= {dialect.at(AS_OF)}"
    return f"{window} AND {condition(aggregate.test, prefix)}" if aggregate.test else window


def _function(aggregate: Aggregate, prefix: str = "") -> str:
    if aggregate.column is None:
        return "count(*)"
    return f"{aggregate.function}({prefix}{aggregate.column})"


def _measured(aggregate: Aggregate) -> Aggregate:
    """Return the aggregate without what it is compared with: `none` is a count, too."""
    function = "count" if aggregate.function == "none" else aggregate.function
    return Aggregate(
        table=aggregate.table,
        function=function,
        column=aggregate.column,
        days=aggregate.days,
        test=aggregate.test,
    )


def _joined(segment: Segment, names: Mapping[Aggregate, str]) -> list[str]:
    found = [condition(test, "c.") for test in segment.tests]
    for aggregate in segment.aggregates:
        name = names[_measured(aggregate)]
        if aggregate.function == "none":
            found.append(f"coalesce({name}, 0) = 0")
        else:
            found.append(f"{name} {_SIGNS[aggregate.compare]} {aggregate.value}")
    return found


def _grouped(table: str, names: Mapping[Aggregate, str], dialect: Dialect) -> str:
    own = {aggregate: name for aggregate, name in names.items() if aggregate.table == table}
    columns = [
        f"{_function(aggregate)} FILTER (WHERE {_rows(aggregate, dialect)}) AS {name}"
        for aggregate, name in own.items()
    ]
    oldest = dialect.at(AS_OF - timedelta(days=max(aggregate.days for aggregate in own)))
    return (
        f"SELECT customer_id, {', '.join(columns)} FROM {dialect.table(table)}"
        f" WHERE occurred_at > {oldest} AND occurred_at <= {dialect.at(AS_OF)} GROUP BY customer_id"
    )
