"""Watermarks: whole numbers in files and manifests, literals in the source's statements."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from muster_core.catalog.type import ColumnType, Kind
from muster_core.extract.document import PostgresSource, length
from muster_core.extract.newest import FARTHEST_ZONE
from muster_core.extract.type import SourceColumn, quote

#: Times without a zone stay without one.
_EPOCH = datetime(1970, 1, 1)
_DAY_SECONDS = 86_400

#: How far behind the watermark rows are read again where the catalog does not say.
_DEFAULT_OVERLAP = timedelta(hours=1)
_DEFAULT_OVERLAP_NUMBERS = 10_000


def capped(value: int | None, column: SourceColumn, now: datetime) -> int | None:
    """Return a watermark that is not ahead of the source's clock.

    One row dated in the far future must not hide all that change before.
    """
    kind = column.kind.kind
    if value is None or kind is Kind.INTEGER:
        return value
    if kind is Kind.DATE:
        return min(value, ((now + FARTHEST_ZONE).date() - _EPOCH.date()).days)
    ahead = timedelta(0) if column.arrow.tz is not None else FARTHEST_ZONE
    return min(value, (now + ahead - _EPOCH) // timedelta(microseconds=1))


def late_condition(source: PostgresSource, column: SourceColumn, watermark: int) -> str | None:
    """Return the condition for rows that may be new or changed; None where it cannot be written.

    Rows without a watermark are always among them.
    """
    name = f"q.{quote(column.name)}"
    bound = _bound(source, column, watermark)
    return None if bound is None else f"({name} >= {bound} OR {name} IS NULL)"


def _bound(source: PostgresSource, column: SourceColumn, watermark: int) -> str | None:
    kind: ColumnType = column.kind
    if kind.kind is Kind.INTEGER:
        overlap = source.overlap if isinstance(source.overlap, int) else _DEFAULT_OVERLAP_NUMBERS
        return str(watermark - overlap)
    late = length(source.overlap) if isinstance(source.overlap, str) else _DEFAULT_OVERLAP
    try:
        if kind.kind is Kind.DATE:
            days = watermark - -(-int(late.total_seconds()) // _DAY_SECONDS)
            return f"'{date(1970, 1, 1) + timedelta(days=days)}'::date"
        instant = _EPOCH + timedelta(microseconds=watermark) - late
    except OverflowError:
        return None
    if column.arrow.tz is None:
        return f"'{instant.isoformat()}'::timestamp"
    return f"'{instant.replace(tzinfo=UTC).isoformat()}'::timestamptz"
