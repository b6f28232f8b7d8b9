"""Runs as people look at them: who planned, who worked, on which engine, over which snapshot, what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from muster_core.errors import NotFound
from muster_core.storage.definition_table import segment
from muster_core.storage.nearest import require_segments
from muster_core.storage.ordering import Sorting, sort_rows
from muster_core.storage.run_table import batch, refresh_run, run_event

_NEWEST = Sorting(column="run_id", down=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run with its batch; None where it has not come that far."""

    run_id: int
    segment: str
    due_at: datetime
    trigger: str
    #: The process that planned it, or who asked for it.
    scheduler: str | None
    state: str
    reason: str | None
    attempt: int
    max_attempts: int
    requested_as_of: datetime | None
    as_of: datetime | None
    snapshot_id: int | None
    rule_rev: int | None
    version: int | None
    member_count: int | None
    joined: int | None
    left: int | None
    error_class: str | None
    error: str | None
    available_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    fence: int | None
    batch_id: int | None
    #: Runs that were evaluated together, in the same engine jobs.
    batch_runs: int | None
    worker: str | None
    engine: str | None
    engine_session: str | None
    engine_jobs: list[Any] | None
    tasks: int | None
    tasks_done: int | None
    #: Seconds per stage of the batch: prepare, plan, evaluate, publish.
    seconds: dict[str, float] | None
    manifest: str | None
    node_counts: dict[str, Any] | None
    #: What it used of other segments and of measures, see `muster_core.runs.input`.
    inputs: dict[str, Any] | None

    @property
    def jobs(self) -> int:
        """Return how many engine jobs its batch took: one, two where customers are ranked, more once halved."""
        return len(self.engine_jobs or [])

    @property
    def work_share(self) -> float | None:
        """Return its part of its batch's work, 0 to 1, see `muster_core.kernel.share`."""
        share = (self.node_counts or {}).get("work_share")
        return None if share is None else float(share)

    @property
    def work_seconds(self) -> float | None:
        """Return its part of the time its batch was evaluated, in seconds."""
        taken = (self.seconds or {}).get("evaluate")
        return None if self.work_share is None or taken is None else self.work_share * taken


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """One step of a run."""

    at: datetime
    from_state: str | None
    to_state: str
    fence: int | None
    actor: str
    reason: str | None


_COLUMNS = (
    refresh_run.c.id.label("run_id"),
    segment.c.name.label("segment"),
    *(
        refresh_run.c[name]
        for name in (
            "due_at",
            "trigger",
            "scheduler",
            "state",
            "reason",
            "attempt",
            "max_attempts",
            "requested_as_of",
            "as_of",
            "snapshot_id",
            "rule_rev",
            "version",
            "member_count",
            "joined",
            "left",
            "error_class",
            "error",
            "available_at",
            "created_at",
            "started_at",
            "finished_at",
            "fence",
            "batch_id",
            "manifest",
            "node_counts",
            "inputs",
        )
    ),
    batch.c.runs.label("batch_runs"),
    batch.c.worker,
    batch.c.engine,
    batch.c.engine_session,
    batch.c.engine_jobs,
    batch.c.tasks,
    batch.c.tasks_done,
    batch.c.seconds,
)


def _query() -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .join_from(refresh_run, segment, segment.c.id == refresh_run.c.segment_id)
        .outerjoin(batch, batch.c.id == refresh_run.c.batch_id)
    )


def list_runs(
    connection: Connection,
    *,
    name: str | None = None,
    states: Sequence[str] | None = None,
    limit: int = 50,
    before: int | None = None,
    trigger: str | None = None,
    sorting: Sorting = _NEWEST,
) -> list[RunRecord]:
    """Return runs, by default the newest first: of one segment, in some states, of one trigger, or all.

    With `before` only those older than that one.

    Raises:
        NotFound: there is no segment `name`.
    """
    query = _query().limit(limit)
    query = sort_rows(query, sorting, query.selected_columns[sorting.column], refresh_run.c.id)
    if trigger is not None:
        query = query.where(refresh_run.c.trigger == trigger)
    if name is not None:
        require_segments(connection, [name])
        query = query.where(segment.c.name == name)
    if states is not None:
        query = query.where(refresh_run.c.state.in_(states))
    if before is not None:
        query = query.where(refresh_run.c.id < before)
    return [RunRecord(**row) for row in connection.execute(query).mappings()]


def slowest_runs(connection: Connection, *, limit: int) -> list[RunRecord]:
    """Return of each segment the run its latest version is from, the one that took most of its batch first."""
    share = refresh_run.c.node_counts["work_share"].as_float()
    taken = share * batch.c.seconds["evaluate"].as_float()
    query = (
        _query()
        .where(
            segment.c.deleted_at.is_(None),
            refresh_run.c.version == segment.c.published_version,
            taken.is_not(None),
        )
        .order_by(taken.desc(), refresh_run.c.id)
        .limit(limit)
    )
    return [RunRecord(**row) for row in connection.execute(query).mappings()]


def get_run(connection: Connection, run_id: int) -> RunRecord:
    """Return one run.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(_query().where(refresh_run.c.id == run_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id}.", hint="`muster run list` shows the latest.")
    return RunRecord(**row)


def run_events(connection: Connection, run_id: int) -> list[RunEvent]:
    """Return every step of a run, in order."""
    rows = connection.execute(
        sa.select(
            run_event.c.at,
            run_event.c.from_state,
            run_event.c.to_state,
            run_event.c.fence,
            run_event.c.actor,
            run_event.c.reason,
        )
        .where(run_event.c.run_id == run_id)
        .order_by(run_event.c.id)
    )
    return [RunEvent(**row) for row in rows.mappings()]
