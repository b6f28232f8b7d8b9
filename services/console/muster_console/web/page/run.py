"""One run, or one system refresh: what happened, to what, and what to do."""

from __future__ import annotations

from typing import Any

from muster_console.operation import system
from muster_console.operation.run import (
    RunView,
    cancel_run,
    look_at_run,
    retry_run,
)
from muster_console.operation.system import RefreshView
from muster_console.web.component.gantt import Gantt
from muster_console.web.component.markup import (
    button,
    card,
    facts,
    link,
    note,
    path_to,
    row,
    stack,
    text,
)
from muster_console.web.component.table import Column, DataTable, Figure, chip
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.decision import approve, ask_why
from muster_console.web.page.runs import cancel_refresh, change_words
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.errors import NotFound
from muster_core.runs.state import SETTLED, Reason, RunState
from muster_core.runs.status import TABLE, explain
from muster_core.schedules.stage import RefreshState
from muster_core.security.role import Permission
from muster_core.storage.record import RunRecord

_STAGES = ("prepare", "plan", "evaluate", "publish")


@page("/runs/{number}", permission=Permission.VIEW, title="Run")
async def run(visit: Visit, number: str) -> None:
    """Build one run."""
    run_id = _number(number, "run")
    # a run that does not exist is told in place of the page
    await visit.load(lambda w: look_at_run(w, run_id))
    with heading(f"Run {run_id}", back=("/runs/history", "Runs")):
        actions = row()
    parts: dict[str, Any] = {}

    def show(found: RunView) -> None:
        if not parts:
            parts["body"] = stack()
        redraw(actions, lambda: _actions(visit, found.run))
        redraw(parts["body"], lambda: _run(found))

    await Live(visit, lambda w: look_at_run(w, run_id), show).start()


@page("/runs/system/{number}", permission=Permission.VIEW, title="System refresh")
async def refresh(visit: Visit, number: str) -> None:
    """Build one system refresh."""
    refresh_id = _number(number, "system refresh")
    await visit.load(lambda w: system.look_at_system_refresh(w, refresh_id))
    with heading(f"System refresh {refresh_id}", back=("/runs", "Runs")):
        actions = row()
    parts: dict[str, Any] = {}

    def show(found: RefreshView) -> None:
        if not parts:
            parts["body"] = stack()
        running = found.refresh.state is RefreshState.RUNNING and visit.allows(Permission.EDIT)

        def offer() -> None:
            if running:
                button("Cancel", lambda: cancel_refresh(visit, refresh_id), icon_name="cancel")

        redraw(actions, offer)
        redraw(parts["body"], lambda: _refresh(found))

    await Live(visit, lambda w: system.look_at_system_refresh(w, refresh_id), show).start()


def _number(given: str, what: str) -> int:
    if not given.isdecimal() or len(given) > 18:
        raise NotFound(f"There is no {what} {given[:40]!r}.")
    return int(given)


def _actions(visit: Visit, found: RunRecord) -> None:
    if not visit.allows(Permission.EDIT):
        return
    run_id, state = found.run_id, RunState(found.state)
    if state is RunState.HELD:
        button(
            "Approve",
            lambda: approve(visit, found),
            icon_name="check",
            kind="main",
        )
        button("Reject", lambda: ask_why(visit, run_id), icon_name="block", kind="danger")
    elif state is RunState.FAILED:
        button(
            "Try again",
            lambda: visit.do(
                Permission.EDIT, lambda w: retry_run(w, run_id), said="It is tried again."
            ),
            icon_name="replay",
            kind="main",
        )
    elif state not in SETTLED:
        button(
            "Cancel",
            lambda: visit.do(
                Permission.EDIT, lambda w: cancel_run(w, run_id), said="It is being cancelled."
            ),
            icon_name="cancel",
        )


def _run(view: RunView) -> None:
    found = view.run
    status, code = explain(found.state, found.reason)
    with card():
        with row():
            chip(status)
            if code:
                text(code).classes("m-muted")
            link(path_to("segments", found.segment), found.segment)
        meaning = _meaning(found)
        if meaning:
            text(meaning, tag="p")
        if found.error:
            note(found.error, bad=found.state == RunState.FAILED)
        facts(
            [
                ("Members", lambda: Figure(found.member_count)),
                ("Joined", lambda: Figure(found.joined)),
                ("Left", lambda: Figure(found.left)),
                ("Version", found.version),
                ("Started by", found.trigger),
                ("Asked for by", found.scheduler),
                ("Due", lambda: Figure(found.due_at, "moment")),
                ("Begun", lambda: Figure(found.started_at, "moment")),
                ("Ended", lambda: Figure(found.finished_at, "moment")),
                ("Evaluated as of", lambda: Figure(found.as_of, "moment")),
                ("Attempt", f"{found.attempt} of {found.max_attempts}"),
                ("Revision of the rules", found.rule_rev),
                ("Snapshot of the data", found.snapshot_id),
                ("Worker", found.worker),
                ("Runs in its batch", found.batch_runs),
                ("Engine jobs", found.jobs or None),
                ("Its share of the work", lambda: Figure(found.work_seconds, "duration")),
            ]
        )
    if found.seconds:
        with card("Where the time of its batch went"):
            facts(
                [
                    (name.capitalize(), lambda value=value: Figure(value, "duration"))
                    for name, value in sorted(found.seconds.items(), key=_in_order)
                ]
            )
    with card("What happened"):
        DataTable(
            (
                Column(name="at", label="When", kind="moment", sortable=False),
                Column(name="to", label="State", kind="status", sortable=False),
                Column(name="reason", label="Reason", sortable=False),
                Column(name="actor", label="By", sortable=False),
            ),
            [
                {
                    "id": place,
                    "at": event.at,
                    "to": event.to_state,
                    "reason": event.reason,
                    "actor": event.actor,
                }
                for place, event in enumerate(view.events)
            ],
            row_key="id",
            caption="Steps of the run",
            page_size=200,
        )


def _meaning(found: RunRecord) -> str | None:
    """Return what the state and reason of a run mean, as docs/run-states.md says."""
    reasons = set(Reason)
    for line in TABLE:
        same = found.reason is None if line.reason is None else found.reason in reasons
        if line.state == found.state and same and line.reason == found.reason:
            return line.meaning
    return None


def _refresh(view: RefreshView) -> None:
    found = view.refresh
    with card():
        with row():
            chip(found.state)
            if found.change_seconds is not None:
                text(f"{change_words(found.change_seconds)} than the one before").classes("m-muted")
        Gantt(found)
        facts(
            [
                ("Started by", found.actor or found.trigger),
                ("Due", lambda: Figure(found.due_at, "moment")),
                ("Begun", lambda: Figure(found.created_at, "moment")),
                ("Ended", lambda: Figure(found.finished_at, "moment")),
                ("Took", lambda: Figure(found.seconds, "duration")),
                ("Evaluated as of", lambda: Figure(found.as_of, "moment")),
                ("Snapshot of the data", found.snapshot_id),
            ]
        )
    with card("Left out"):
        if not view.skips:
            text("Nothing was left out.", tag="p").classes("m-muted")
            return
        DataTable(
            (
                Column(name="stage", label="Stage", filter=True),
                Column(name="name", label="Name"),
                Column(name="reason", label="Reason", filter=True),
            ),
            [
                {"id": place, "stage": skip.stage, "name": skip.name, "reason": skip.reason}
                for place, skip in enumerate(view.skips)
            ],
            row_key="id",
            caption="What the system refresh left out, and why",
            noun=("part", "parts"),
        )


def _in_order(stage: tuple[str, float]) -> int:
    """Return where a stage of a batch stands among the others, as they follow each other."""
    return _STAGES.index(stage[0]) if stage[0] in _STAGES else len(_STAGES)
