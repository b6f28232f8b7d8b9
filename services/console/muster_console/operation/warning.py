"""Warnings about rules that are saved all the same, with what the latest snapshot's statistics say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_console.operation.definition import Definitions
from muster_console.operation.workspace import Workspace
from muster_core.catalog.document import Catalog
from muster_core.catalog.statistic import Statistics
from muster_core.clock import utc_now
from muster_core.errors import MusterError, Problem
from muster_core.lake.statistic import read_statistics
from muster_core.lake.store import Store
from muster_core.rules.check import Known
from muster_core.rules.document import SegmentDocument
from muster_core.rules.reference import members_of
from muster_core.rules.scope import Scopes
from muster_core.rules.warning import measure_warnings, warnings_of
from muster_core.storage.segment import list_segments
from muster_core.storage.snapshot import read_head
from muster_core.storage.store_table import snapshot

_STATES = {"draft": "a draft", "inactive": "inactive"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Warnings by name of what they are about."""

    measures: dict[str, list[Problem]] = field(default_factory=dict)
    segments: dict[str, list[Problem]] = field(default_factory=dict)


def rule_warnings(
    workspace: Workspace,
    connection: Connection,
    found: Definitions,
    catalog: Catalog,
    known: Known,
) -> Warned:
    """Return what is probably not meant, each with where it was written.

    Statistics that cannot be read are told with the first document.
    """
    statistics: Statistics | None = None
    counted_at: datetime | None = None
    unread: list[Problem] = []
    try:
        statistics, counted_at = _counted(workspace, connection)
    except MusterError as exc:
        message = f"the statistics of the customer store cannot be read: {exc.message}"
        unread = [Problem(message=message)]
    scopes, as_of, limits = Scopes(catalog), utc_now(), workspace.settings.limits
    saved = _states(connection, found)
    warned = Warned()
    for measure in found.measures:
        warnings = measure_warnings(
            measure.document,
            scopes,
            as_of=as_of,
            statistics=statistics,
            counted_at=counted_at,
            limits=limits,
        )
        placed = [measure.written.place(problem) for problem in warnings]
        warned.measures[measure.document.name] = unread + placed
        unread = []
    for segment in found.segments:
        warnings = warnings_of(
            segment.document,
            scopes,
            as_of=as_of,
            measures=known.measures,
            statistics=statistics,
            counted_at=counted_at,
            limits=limits,
        )
        warnings += _never_published(segment.document, saved)
        placed = [segment.written.place(problem) for problem in warnings]
        warned.segments[segment.document.name] = unread + placed
        unread = []
    return warned


def _states(connection: Connection, found: Definitions) -> dict[str, tuple[str, bool]]:
    """Return the state of every segment, and whether it has published, once what was `found` is saved."""
    saved = {r.name: (r.state, r.version is not None) for r in list_segments(connection)}
    for document in found.documents:
        published = saved.get(document.name, ("", False))[1]
        saved[document.name] = (document.state, published)
    return saved


def _never_published(
    document: SegmentDocument, saved: Mapping[str, tuple[str, bool]]
) -> list[Problem]:
    """Return that segments referred to have no members and get none."""
    found = []
    for pointer, node in members_of(document):
        state, published = saved.get(node.name, ("active", True))
        if state != "active" and not published:
            message = f"the segment {node.name} has never published and is {_STATES[state]}"
            hint = "runs of this segment are skipped until it has published"
            found.append(Problem(message=message, pointer=f"{pointer}/name", hint=hint))
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
