"""Tells one destination that a customer was erased: rows are deleted, or a removal is sent.

Safe to repeat: a row is deleted once, a message has the same id and body, a file the same name and bytes.
"""

from __future__ import annotations

import json
from typing import Any, cast

import pyarrow as pa
from sqlalchemy import Engine

from muster_core.catalog.document import Catalog
from muster_core.catalog.type import parse_type
from muster_core.errors import NotFound, TargetRefused
from muster_core.exports.cell import json_lines
from muster_core.exports.claim import Operation
from muster_core.exports.connection import (
    FeedTarget,
    NoSecret,
    PostgresTarget,
    WebhookSecret,
    WebhookTarget,
    folder_of,
)
from muster_core.exports.document import OPERATION, layout
from muster_core.exports.erasure import ClaimedRemoval, removal_name
from muster_core.exports.manifest import instant
from muster_core.exports.naming import chunk_name
from muster_core.exports.writer import RowFeed, write_file
from muster_core.lake.conversion import arrow_type
from muster_core.security.erasure import open_key
from muster_core.settings import Settings
from muster_core.storage.catalog import current_catalog
from muster_core.storage.connection import OpenedConnection, open_connection
from muster_core.storage.database import transaction
from muster_exporter.opening import file_sink, table_sink
from muster_exporter.sinks.webhook import WebhookSink

#: The folder of removals in that of an export; no segment has a dash in its name.
REMOVALS = "erased-"


def remove(database: Engine, settings: Settings, claim: ClaimedRemoval) -> tuple[int | None, str]:
    """Tell a destination, and return how many rows that removed, where it is known, and where.

    Raises:
        MusterError: it does not work, and why; the customer is quoted nowhere.
    """
    opened, catalog = _open(database, settings, claim)
    key = open_key(claim.sealed, settings.keys(), claim.digest)
    kind = arrow_type(parse_type(catalog.profile.columns[catalog.key]))
    header = layout(claim.document, catalog.key)[0][0]
    row = pa.table({header: pa.array([key], pa.string()).cast(kind)})
    if isinstance(opened.target, PostgresTarget | FeedTarget):
        with table_sink(opened, settings) as table:
            return table.erase(claim.document.name, header, key)
    if isinstance(opened.target, WebhookTarget):
        with WebhookSink(opened.target, cast(WebhookSecret, opened.secret), settings.guard) as hook:
            hook.send(f"{claim.document.name}.erased.{claim.erasure}", _message(claim, row))
            return None, hook.location
    return None, _write(opened, settings, claim, row)


def _open(
    database: Engine, settings: Settings, claim: ClaimedRemoval
) -> tuple[OpenedConnection, Catalog]:
    document = claim.document
    with transaction(database) as connection:
        current = current_catalog(connection)
        if current is None:
            raise NotFound("There is no catalog any more, so what a customer's key is.")
        if not isinstance(document.connection, str):
            return OpenedConnection(target=folder_of(document.connection), secret=NoSecret()), (
                current[1]
            )
        if claim.connection_id is None:
            raise TargetRefused(
                f"The connection `{document.connection}` was removed.",
                hint="Whatever it held is to be removed there by hand.",
            )
        return open_connection(connection, claim.connection_id, settings.keys()), current[1]


def _message(claim: ClaimedRemoval, row: Any) -> bytes:
    head = {
        "type": "muster.erased",
        "timestamp": instant(claim.requested_at),
        "data": {"export": claim.document.name, "erasure": claim.erasure, "rows": []},
    }
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False)
    # the row is JSON already
    return f"{text.removesuffix(']}}')}{json_lines(row)[0].as_py()}]}}}}".encode()


def _write(opened: OpenedConnection, settings: Settings, claim: ClaimedRemoval, row: Any) -> str:
    """Write a file that tells the removal, as a delivery of changes would."""
    document = claim.document
    told = row.append_column(OPERATION, pa.array([str(Operation.REMOVE)], pa.string()))
    parts = (document.name, REMOVALS, removal_name(claim.erasure))
    with file_sink(opened, settings, parts, fence=claim.fence) as sink:
        sink.remove_stale()
        with sink.stage(chunk_name(0, document.format)) as staged:
            write_file(
                staged,
                told.schema,
                RowFeed(told.to_batches()).read(),
                form=document.format,
                raw=document.raw,
            )
        return sink.location
