"""Looking at runs, and deciding about them: cancel, try again, approve or reject what is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.queue.app import Hint
from muster_core.queue.hint import send_hint
from muster_core.runs.state import SETTLED, RunState
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run with every step it took."""

    run: RunRecord
    events: list[RunEvent]


def look_at_runs(
    workspace: Workspace, *, segment: str | None, state: str | None, limit: int
) -> list[RunRecord]:
    """Return runs, the newest first; `state` is one of the states, or ``active``.

    Raises:
        NotFound: there is no such segment.
        InvalidInput: there is no such state.
    """
    states = None if state is None else ACTIVE if state == "active" else [_state(state)]
    with transaction(workspace.database) as connection:
        return list_runs(connection, name=segment, states=states, limit=limit)


def look_at_slowest(workspace: Workspace, *, limit: int) -> list[RunRecord]:
    """Return of each segment the run its latest version is from, what took longest first."""
    with transaction(workspace.database) as connection:
        return slowest_runs(connection, limit=limit)


def look_at_run(workspace: Workspace, run_id: int) -> RunView:
    """Return one run with its events.

    Raises:
        NotFound: there is none of that id.
    """
    with transaction(workspace.database) as connection:
        return RunView(run=get_run(connection, run_id), events=run_events(connection, run_id))


def look_at_held(workspace: Workspace, *, limit: int = 1_000) -> list[RunRecord]:
    """Return the runs that wait for a person, the newest first."""
    with transaction(workspace.database) as connection:
        return list_runs(connection, states=[RunState.HELD], limit=limit)


def approve_run(workspace: Workspace, run_id: int) -> RunState:
    """Publish a held run, unless it came too late, and wake an exporter; return how it ended.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is not held.
    """
    with transaction(workspace.database) as connection:
        state = storage.approve_run(connection, run_id, actor=workspace.actor)
    if state is RunState.PUBLISHED:
        send_hint(workspace.settings, Hint.DELIVER)
    return state


def reject_run(workspace: Workspace, run_id: int, *, why: str | None = None) -> None:
    """Keep the last members instead of those of a held run.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is not held.
    """
    with transaction(workspace.database) as connection:
        storage.reject_run(connection, run_id, actor=workspace.actor, why=why)


def cancel_run(workspace: Workspace, run_id: int) -> str:
    """Cancel a run that waits, ask the holder of a running one to stop; return its state.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended.
    """
    with transaction(workspace.database) as connection:
        return storage.cancel_run(connection, run_id, actor=workspace.actor)


def cancel_segment(workspace: Workspace, name: str) -> dict[int, str]:
    """Cancel every run of a segment that waits or runs; return the state of each.

    Raises:
        NotFound: there is no such segment.
    """
    with transaction(workspace.database) as connection:
        return storage.cancel_segment(connection, name, actor=workspace.actor)


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
    send_hint(workspace.settings, Hint.REFRESH)


def run_json(run: RunRecord) -> dict[str, Any]:
    """Return a run as programs read it."""
    found = asdict(run)
    found["members"] = found.pop("member_count")
    found["jobs"] = run.jobs
    found |= {"work_share": run.work_share, "work_seconds": run.work_seconds}
    return found | references_json(found.pop("inputs"))


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
