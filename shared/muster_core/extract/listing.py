"""The files of a table, wherever it comes from."""

from __future__ import annotations

from muster_core.catalog.document import Table
from muster_core.errors import SourceMissing
from muster_core.extract.ledger import Ledger
from muster_core.lake.location import Lake
from muster_core.lake.manifest import SourceFile
from muster_core.lake.source import list_source


def ledger_of(lake: Lake, table: Table) -> Ledger | None:
    """Return where the extractions of a table are written down; None for a Parquet table."""
    if table.source.postgres is None:
        return None
    definition = table.source.postgres.definition(table.columns)
    return Ledger(lake=lake, table=table.name, definition=definition)


def list_table(lake: Lake, table: Table) -> list[SourceFile]:
    """Return the files of a table: those its folder holds, or those that were extracted last.

    Raises:
        SourceMissing: a Parquet source has gone, or a PostgreSQL table was never extracted.
    """
    ledger = ledger_of(lake, table)
    if ledger is None:
        return list_source(table.source)
    head = ledger.head()
    if head is None:
        raise SourceMissing(f"{table.name} was not extracted from its PostgreSQL database yet.")
    return [
        SourceFile(
            number=file.number,
            path=lake.address(file.path),
            size=file.size,
            etag=file.sha256,
            dead=None if file.dead is None else lake.address(file.dead),
            dead_rows=file.dead_rows,
        )
        for file in head.files
    ]
