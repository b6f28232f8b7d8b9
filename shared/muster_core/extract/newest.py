"""Whether a PostgreSQL source has something new: the greatest value of its watermark."""

from __future__ import annotations

from datetime import timedelta

from muster_core.catalog.type import Kind
from muster_core.extract.description import describe
from muster_core.extract.document import PostgresSource, length
from muster_core.extract.session import reading
from muster_core.extract.type import quote

#: A look that takes longer is given up: it comes often, and must not weigh on the source.
LONGEST_LOOK = "5 seconds"

#: The clock of the zone that is farthest ahead: times without a zone may be of there.
FARTHEST_ZONE = timedelta(hours=14)


def newest_watermark(source: PostgresSource, url: str, table: str) -> str:
    """Return the greatest watermark of a source's rows as text, empty where no row has one.

    Values ahead of the source's clock are left out: one of them would hide all that comes before it.

    Raises:
        SourceUnavailable: the server does not answer, or needs longer than `LONGEST_LOOK`.
        SourceDenied: it refused the login or the table.
        SourceMissing: there is no such table.
        SourceUnreadable: PostgreSQL does not take the query, or the watermark is no column of it.
    """
    assert source.watermark is not None
    limit = min(source.statement_timeout, LONGEST_LOOK, key=length)
    hasty = source.model_copy(update={"statement_timeout": limit})
    with reading(hasty, url, table) as session:
        description = describe(session)
        column, origin = description.columns[source.watermark], description.origin(source)
        name = f"q.{quote(column.name)}"
        # as a condition, not as a filter: an index on the column answers it with one row
        ahead = timedelta(0) if getattr(column.arrow, "tz", None) else FARTHEST_ZONE
        now = f"clock_timestamp() + interval '{ahead.total_seconds():.0f} seconds'"
        where = "" if column.kind.kind is Kind.INTEGER else f" WHERE {name} <= {now}"
        ((newest,),) = session.rows(f"SELECT max({name})::text FROM {origin}{where}")  # noqa: S608
    return newest or ""
