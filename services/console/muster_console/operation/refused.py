"""Rows that a destination did not take: looked at, or all of them into a file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from muster_console.operation.file import file_format
from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.exports.private import write_private
from muster_core.exports.writer import RowFeed
from muster_core.lake.location import Lake
from muster_core.storage import audit, export
from muster_core.storage.database import transaction
from muster_core.storage.refused import RefusedRow, refused_rows, with_keys

#: The columns of a file of refused rows.
REFUSED_COLUMNS = [
    ("segment", pa.string()),
    ("version", pa.int64()),
    ("key", pa.string()),
    ("operation", pa.string()),
    ("reason", pa.string()),
    ("attempts", pa.int64()),
    ("first_at", pa.timestamp("us", "UTC")),
    ("last_at", pa.timestamp("us", "UTC")),
]


@over("GET", "/exports/{name}/refused")
def list_refused(workspace: Workspace, name: str, *, limit: int) -> list[RefusedRow]:
    """Return the rows of an export that its destination did not take, with their customers' keys.

    Raises:
        NotFound: there is no such export.
        StoreDamaged: the store cannot be read.
    """
    with transaction(workspace.database) as connection:
        stored = export.get_export(connection, name)
        rows = refused_rows(connection, stored.id, limit=limit)
        audit.record(connection, workspace.actor, "export.refused_rows_read", name)
    return with_keys(Lake(workspace.settings.lake()), rows)


def download_refused(workspace: Workspace, name: str, to: Path) -> int:
    """Write all rows that the destination of an export did not take to a file; return how many.

    The end of the file's name decides the format. It appears whole or not at all, and only its owner and group
    can read it.

    Raises:
        NotFound: there is no such export.
        InvalidInput: the format is not clear, or the folder does not exist.
        StoreDamaged: the store cannot be read.
    """
    form = file_format(to)
    with transaction(workspace.database) as connection:
        stored = export.get_export(connection, name)
        rows = refused_rows(connection, stored.id)
        audit.record(
            connection,
            workspace.actor,
            "export.refused_rows_downloaded",
            name,
            {"rows": len(rows)},
        )
    found = with_keys(Lake(workspace.settings.lake()), rows)
    schema = pa.schema(REFUSED_COLUMNS)
    table = pa.table(
        [pa.array([getattr(row, f.name) for row in found], f.type) for f in schema], schema
    )
    return write_private(to.absolute(), schema, RowFeed(table.to_batches()).read(), form=form)
