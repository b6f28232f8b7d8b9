"""Warnings about rules that are saved all the same, with what the latest snapshot's statistics say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_console.operation.workspace import Workspace
from muster_core.catalog.document import Catalog
from muster_core.catalog.statistic import Statistics
from muster_core.clock import utc_now
from muster_core.errors import MusterError, Problem
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store
from muster_core.rules.document import SegmentDocument
from muster_core.rules.measure import MeasureDocument
from muster_core.rules.scope import Scopes
from muster_core.rules.warning import warnings_of
from muster_core.storage.snapshot import read_head
from muster_core.storage.table import snapshot


def rule_warnings(
    workspace: Workspace,
    connection: Connection,
    documents: Sequence[SegmentDocument],
    catalog: Catalog,
    measures: Mapping[str, MeasureDocument],
) -> list[list[Problem]]:
    """Return what is probably not meant in each document; statistics that cannot be read are told, too."""
    statistics: Statistics | None = None
    counted_at: datetime | None = None
    unread: list[Problem] = []
    try:
        statistics, counted_at = _counted(workspace, connection)
    except MusterError as exc:
        message = f"the statistics of the customer store cannot be read: {exc.message}"
        unread = [Problem(message=message)]
    scopes = Scopes(catalog)
    found = [
        warnings_of(
            document,
            scopes,
            as_of=utc_now(),
            measures=measures,
            statistics=statistics,
            counted_at=counted_at,
            limits=workspace.settings.limits,
        )
        for document in documents
    ]
    if found:
        found[0] = unread + found[0]
    return found


def _counted(
    workspace: Workspace, connection: Connection
) -> tuple[Statistics | None, datetime | None]:
    head = read_head(connection).snapshot
    if head is None:
        return None, None
    store = Store.open(workspace.lake, head.manifest, head.manifest_sha256)
    made = sa.select(snapshot.c.created_at).where(snapshot.c.id == head.id)
    return read_statistics(workspace.lake, store.manifest), connection.scalar(made)
