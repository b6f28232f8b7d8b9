"""Looking at runs: the latest ones, or everything recorded about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from muster_console.operation.workspace import Workspace
from muster_core.errors import InvalidInput, Problem
from muster_core.runs.state import SETTLED, RunState
from muster_core.storage.database import transaction
from muster_core.storage.run import RunEvent, RunRecord, get_run, list_runs, run_events

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


def look_at_run(workspace: Workspace, run_id: int) -> RunView:
    """Return one run with its events.

    Raises:
        NotFound: there is none of that id.
    """
    with transaction(workspace.database) as connection:
        return RunView(run=get_run(connection, run_id), events=run_events(connection, run_id))


def run_json(run: RunRecord) -> dict[str, Any]:
    """Return a run as programs read it."""
    found = asdict(run)
    found["members"] = found.pop("member_count")
    found["jobs"] = run.jobs
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
