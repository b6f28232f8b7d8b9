"""Looking at runs, and deciding about them: cancel, try again, approve or reject what is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from muster_console.operation.remote import over
from muster_console.operation.sorting import next_cursor, read_sorting, sortable
from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.queue.hint import send_hint
from muster_core.queue.kind import Hint
from muster_core.runs.state import SETTLED, RunState
from muster_core.storage import audit
from muster_core.storage import run as storage
from muster_core.storage.database import transaction
from muster_core.storage.run import (
    RunEvent,
    RunRecord,
    get_run,
    list_runs,
    run_events,
    slowest_runs,
)

#: What `active` stands for in a filter: everything that has not ended.
ACTIVE = [state for state in RunState if state not in SETTLED]
#: What runs can be sorted by.
COLUMNS = sortable(RunRecord, members="member_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run with every step it took."""

    run: RunRecord
    events: list[RunEvent]


@over("GET", "/runs", pages="cursor", read=lambda answer: [run_of(run) for run in answer])
def look_at_runs(
    workspace: Workspace,
    *,
    segment: str | None,
    state: str | None,
    limit: int,
    before: int | None = None,
    trigger: str | None = None,
    sort: str = "-run_id",
    cursor: str | None = None,
) -> list[RunRecord]:
    """Return runs older than number `before`, by default the newest first.

    `state` is one of the states, or ``active``; `sort` is one of `COLUMNS`, with - the largest first;
    `cursor` is that of the page before.

    Raises:
        NotFound: there is no such segment.
        InvalidInput: there is no such state or column, or the cursor is none of this list.
    """
    sorting = read_sorting(sort, cursor, COLUMNS)
    states = None if state is None else ACTIVE if state == "active" else [_state(state)]
    with transaction(workspace.database) as connection:
        return list_runs(
            connection,
            name=segment,
            states=states,
            limit=limit,
            before=before,
            trigger=trigger,
            sorting=sorting,
        )


def runs_behind(runs: Sequence[RunRecord], limit: int, sort: str) -> str | None:
    """Return the cursor of the page behind these runs, None at the end."""
    return next_cursor(runs, limit, sort, COLUMNS, number="run_id")


@over("GET", "/runs/slowest", read=lambda answer: [run_of(run) for run in answer["items"]])
def look_at_slowest(workspace: Workspace, *, limit: int) -> list[RunRecord]:
    """Return of each segment the run its latest version is from, what took longest first."""
    with transaction(workspace.database) as connection:
        return slowest_runs(connection, limit=limit)


@over("GET", "/runs/{run_id}", read=lambda answer: _view_of(answer))
def look_at_run(workspace: Workspace, run_id: int) -> RunView:
    """Return one run with its events.

    Raises:
        NotFound: there is none of that id.
    """
    with transaction(workspace.database) as connection:
        return RunView(run=get_run(connection, run_id), events=run_events(connection, run_id))


def look_at_held(workspace: Workspace, *, limit: int = 1_000) -> list[RunRecord]:
    """Return the runs that wait for a person, the newest first."""
    return look_at_runs(workspace, segment=None, state=RunState.HELD, limit=limit)


@over("POST", "/runs/{run_id}/approve", at="state")
def approve_run(workspace: Workspace, run_id: int) -> RunState:
    """Publish a held run, unless it came too late, and wake an exporter; return how it ended.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is not held.
    """
    with transaction(workspace.database) as connection:
        state = storage.approve_run(connection, run_id, actor=workspace.actor)
        audit.record(connection, workspace.actor, "run.approved", str(run_id))
    if state is RunState.PUBLISHED:
        send_hint(workspace.settings, Hint.DELIVER)
    return state


@over("POST", "/runs/{run_id}/reject", names={"why": "reason"})
def reject_run(workspace: Workspace, run_id: int, *, why: str | None = None) -> None:
    """Keep the last members instead of those of a held run.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is not held.
    """
    with transaction(workspace.database) as connection:
        storage.reject_run(connection, run_id, actor=workspace.actor, why=why)
        audit.record(connection, workspace.actor, "run.rejected", str(run_id))


@over("POST", "/runs/{run_id}/cancel", at="state")
def cancel_run(workspace: Workspace, run_id: int) -> str:
    """Cancel a run that waits, ask the holder of a running one to stop; return its state.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended.
    """
    with transaction(workspace.database) as connection:
        state = storage.cancel_run(connection, run_id, actor=workspace.actor)
        audit.record(connection, workspace.actor, "run.cancelled", str(run_id))
    return state


@over(
    "POST",
    "/segments/{name}/cancel",
    read=lambda answer: {run["run_id"]: run["state"] for run in answer},
)
def cancel_segment(workspace: Workspace, name: str) -> dict[int, str]:
    """Cancel every run of a segment that waits or runs; return the state of each.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        states = storage.cancel_segment(connection, name, actor=workspace.actor)
        detail = {"runs": list(states)}
        audit.record(connection, workspace.actor, "segment.runs_cancelled", name, detail)
    return states


@over("POST", "/runs/{run_id}/retry")
def retry_run(workspace: Workspace, run_id: int) -> None:
    """Try a failed run again, with as many attempts as a new one has.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has not failed.
    """
    with transaction(workspace.database) as connection:
        storage.retry_run(
            connection,
            run_id,
            actor=workspace.actor,
            attempts=workspace.settings.max_attempts,
        )
        audit.record(connection, workspace.actor, "run.retried", str(run_id))
    send_hint(workspace.settings, Hint.REFRESH)


def run_json(run: RunRecord) -> dict[str, Any]:
    """Return a run as programs read it."""
    found = asdict(run)
    found["members"] = found.pop("member_count")
    found["jobs"] = run.jobs
    found |= {"work_share": run.work_share, "work_seconds": run.work_seconds}
    return found | references_json(found.pop("inputs"))


def run_of(found: Mapping[str, Any]) -> RunRecord:
    """Return the run that `run_json` wrote."""
    known = {name: found[name] for name in RunRecord.__dataclass_fields__ if name in found}
    inputs = {"segments": found["references"], "measures": found["measures"]}
    record: RunRecord = TypeAdapter(RunRecord).validate_python(
        known | {"member_count": found["members"], "inputs": inputs}
    )
    return record


def _view_of(answer: Mapping[str, Any]) -> RunView:
    events: list[RunEvent] = TypeAdapter(list[RunEvent]).validate_python(answer["events"])
    return RunView(run=run_of(answer["run"]), events=events)


def references_json(inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the members of other segments and the measures a run used, as programs read them."""
    used = inputs or {}
    return {"references": used.get("segments", []), "measures": used.get("measures", [])}


def _state(text: str) -> RunState:
    try:
        return RunState(text)
    except ValueError as exc:
        known = ", ".join(["active", *RunState])
        problem = Problem(message=f"there is no run state `{text}`", hint=f"one of {known}")
        raise InvalidInput([problem]) from exc
