"""Opens the place of a delivery at its destination, by the kind of the connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any, cast

from sqlalchemy import Engine

from muster_core.errors import TargetRefused
from muster_core.exports.claim import ClaimedDelivery
from muster_core.exports.connection import (
    FeedTarget,
    NoSecret,
    PostgresTarget,
    WebhookSecret,
    WebhookTarget,
    folder_of,
)
from muster_core.exports.document import ExportDocument
from muster_core.settings import Settings
from muster_core.storage.connection import OpenedConnection, find_opened, open_connection
from muster_core.storage.database import transaction
from muster_exporter.delivery import deliver_files
from muster_exporter.message import Acknowledge, deliver_messages
from muster_exporter.sink import FileSink, TableSink
from muster_exporter.sinks.webhook import WebhookSink
from muster_exporter.version import Receipt, Version

# Imported when a destination of their kind is first opened: the libraries of some take much memory.
#: How a place for files is opened: with target, credentials, guard, the folders below the target, and the fence.
FILE_SINKS: Mapping[str, str] = {
    "folder": "muster_exporter.sinks.folder:folder_sink",
    "s3": "muster_exporter.sinks.s3:s3_sink",
    "azure": "muster_exporter.sinks.azure:azure_sink",
    "sftp": "muster_exporter.sinks.sftp:SftpSink",
}

#: How a database that takes whole versions is opened: with target, credentials and guard.
TABLE_SINKS: Mapping[str, str] = {
    "postgresql": "muster_exporter.sinks.postgresql:PostgresSink",
    "feed": "muster_exporter.sinks.feed:FeedSink",
}


def file_sink(
    opened: OpenedConnection, settings: Settings, parts: tuple[str, ...], *, fence: int
) -> FileSink:
    """Return the place below the folders `parts`; nothing is connected to before it is entered."""
    open_sink: Any = resolve_name(FILE_SINKS[opened.target.kind])
    sink: FileSink = open_sink(opened.target, opened.secret, settings.guard, parts, fence)
    return sink


def send(
    version: Version,
    opened: OpenedConnection,
    settings: Settings,
    *,
    check: Callable[[], None],
    acknowledge: Acknowledge,
) -> Receipt:
    """Bring a version to its destination, in the way of the destination's kind; safe to repeat.

    Args:
        version: what to deliver.
        opened: where to.
        settings: what may be reached.
        check: raises when the work must stop; called before anything becomes final.
        acknowledge: records a file or message that has arrived, and rows of it that were refused.
    """
    if isinstance(opened.target, PostgresTarget | FeedTarget):
        with table_sink(opened, settings) as table:
            return table.send(version, check)
    if isinstance(opened.target, WebhookTarget):
        with WebhookSink(opened.target, cast(WebhookSecret, opened.secret), settings.guard) as hook:
            return deliver_messages(version, hook, check=check, acknowledge=acknowledge)
    return deliver_files(
        version,
        open_sink=lambda parts: file_sink(opened, settings, parts, fence=version.claim.fence),
        check=check,
        acknowledge=lambda chunk: acknowledge(chunk, ()),
    )


def table_sink(opened: OpenedConnection, settings: Settings) -> TableSink:
    """Return a database that takes whole versions."""
    open_sink: Any = resolve_name(TABLE_SINKS[opened.target.kind])
    sink: TableSink = open_sink(opened.target, opened.secret, settings.guard)
    return sink


def open_target(
    database: Engine, settings: Settings, claim: ClaimedDelivery, document: ExportDocument
) -> OpenedConnection:
    """Return where a delivery goes, with the credentials.

    Raises:
        TargetRefused: the connection was detached from the export.
        NotFound: it was removed.
        SecretUnreadable: its credentials cannot be opened.
    """
    if not isinstance(document.connection, str):
        return OpenedConnection(target=folder_of(document.connection), secret=NoSecret())
    if claim.connection_id is None:
        raise TargetRefused(
            f"The connection `{document.connection}` was taken away from the export.",
            hint="Apply the export again, with a connection.",
        )
    with transaction(database) as connection:
        return find_opened(connection, document.connection, settings.keys())


def probe(database: Engine, settings: Settings, connection_id: int) -> None:
    """Sign in at a destination, and write, read and remove something small.

    Raises:
        MusterError: it does not work, and why.
    """
    with transaction(database) as connection:
        opened = open_connection(connection, connection_id, settings.keys())
    if isinstance(opened.target, PostgresTarget | FeedTarget):
        with table_sink(opened, settings) as table:
            table.probe()
        return
    if isinstance(opened.target, WebhookTarget):
        with WebhookSink(opened.target, cast(WebhookSecret, opened.secret), settings.guard) as hook:
            hook.probe()
        return
    # no folder of a version is made: the target itself is tried
    with file_sink(opened, settings, (), fence=0) as sink:
        sink.probe()
