"""Asking for a refresh, and waiting until its runs and deliveries have ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from muster_console.operation.remote import over
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, PartUnavailable, Problem
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.storage import audit
from muster_core.storage.database import transaction
from muster_core.storage.process import list_processes
from muster_core.storage.progress import (
    DeliveryProgress,
    RunProgress,
    delivery_progress,
    run_progress,
)
from muster_core.storage.run import RequestedRun, request_refresh

#: Seconds between two looks; each is one short query.
_LOOK = 0.25


@over("POST", "/segments/refresh")
def refresh_segments(
    workspace: Workspace, names: Sequence[str] | None, *, as_of: datetime | None = None
) -> list[RequestedRun]:
    """Ask for a refresh of the named segments, or of every active one, and wake a worker.

    Raises:
        NotFound: a segment does not exist; nothing was asked for.
        Conflict: a segment is not active.
        InvalidInput: `as_of` lies outside the years that rules know.
    """
    with transaction(workspace.database) as connection:
        requested = request_refresh(
            connection,
            names=names,
            as_of=as_of,
            actor=workspace.actor,
            max_attempts=workspace.settings.max_attempts,
        )
        asked = [run.name for run in requested]
        audit.record(connection, workspace.actor, "segment.refresh_requested", asked)
    send_hint(workspace.settings, Hint.REFRESH)
    return requested


@over("GET", "/runs/progress", names={"run_ids": "run"}, split="run")
def look_at_progress(workspace: Workspace, run_ids: Sequence[int]) -> list[RunProgress]:
    """Return how far the runs are."""
    with transaction(workspace.database) as connection:
        return run_progress(connection, run_ids)


@over("GET", "/runs/deliveries", names={"run_ids": "run"}, split="run")
def look_at_delivery_progress(
    workspace: Workspace, run_ids: Sequence[int]
) -> list[DeliveryProgress]:
    """Return how far the deliveries of what these runs published are."""
    with transaction(workspace.database) as connection:
        return delivery_progress(connection, run_ids)


def wait_for_runs(
    workspace: Workspace,
    run_ids: Sequence[int],
    report: Callable[[list[RunProgress]], None] | None = None,
    *,
    until: float = math.inf,
) -> list[RunProgress]:
    """Return the runs once all have ended; `report` sees them at every look.

    Raises:
        PartUnavailable: `until`, a `time.monotonic`, has come.
    """
    while True:
        runs = look_at_progress(workspace, run_ids)
        if report is not None:
            report(runs)
        waiting = sum(not run.ended for run in runs)
        if not waiting:
            return runs
        if time.monotonic() >= until:
            raise PartUnavailable(
                f"{waiting} of {len(runs)} runs have not ended in time.",
                hint="They go on by themselves; follow them with `muster run list`.",
            )
        time.sleep(_LOOK)


def wait_for_deliveries(
    workspace: Workspace,
    run_ids: Sequence[int],
    report: Callable[[list[DeliveryProgress]], None] | None = None,
    *,
    until: float = math.inf,
) -> list[DeliveryProgress]:
    """Return the deliveries of what these runs published, once all have ended.

    Raises:
        PartUnavailable: `until`, a `time.monotonic`, has come.
    """
    while True:
        deliveries = look_at_delivery_progress(workspace, run_ids)
        if report is not None:
            report(deliveries)
        waiting = sum(not delivery.ended for delivery in deliveries)
        if not waiting:
            return deliveries
        if time.monotonic() >= until:
            raise PartUnavailable(
                f"{waiting} of {len(deliveries)} deliveries have not ended in time.",
                hint="They go on by themselves; follow them with `muster export deliveries`.",
            )
        time.sleep(_LOOK)


@over(
    "GET",
    "/system/status",
    read=lambda answer: any(
        p["kind"] == "worker" and p["silent"] <= answer["lease"] for p in answer["processes"]
    ),
)
def has_worker(workspace: Workspace) -> bool:
    """Return whether a worker was heard of within the last lease."""
    with transaction(workspace.database) as connection:
        processes = list_processes(connection)
    return any(p.kind == "worker" and p.silent <= workspace.settings.lease for p in processes)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant; without an offset it is UTC.

    Raises:
        InvalidInput: it is none.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(
            [
                Problem(
                    message=f"`{text}` is no instant",
                    hint="write it as 2026-03-01T12:00:00Z or 2026-03-01T12:00:00+01:00",
                )
            ]
        ) from exc
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
