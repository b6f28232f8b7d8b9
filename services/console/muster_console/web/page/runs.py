"""Runs: the system refresh with its stages and its schedule, what waits, what is held, what has been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nicegui import ui

from muster_console.operation import system
from muster_console.operation.run import (
    cancel_run,
    look_at_held,
    look_at_run,
    look_at_runs,
)
from muster_console.operation.workspace import Workspace
from muster_console.web.component.dialog import confirm
from muster_console.web.component.gantt import Gantt
from muster_console.web.component.markup import (
    button,
    card,
    empty,
    link,
    path_to,
    row,
    stack,
    tabs,
    text,
)
from muster_console.web.component.table import Action, Column, DataTable, Figure, chip, row_actions
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.numeral import numerals
from muster_console.web.page.decision import approve, ask_why
from muster_console.web.page.system_schedule import schedule_card
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.runs.status import explain
from muster_core.schedules.stage import RefreshState
from muster_core.security.role import Permission
from muster_core.storage.record import RunRecord
from muster_core.storage.refresh import RefreshRecord
from muster_core.storage.setting import SystemSchedule

_PARTS = [
    ("/runs", "System refresh"),
    ("/runs/queue", "Queue"),
    ("/runs/held", "Held"),
    ("/runs/history", "History"),
]
_HISTORY = 500

_RUN_COLUMNS = (
    Column(name="run_id", label="Run", kind="link", href="/runs/{run_id}", search=True),
    Column(name="segment", label="Segment", kind="link", href="/segments/{segment}", search=True),
    Column(name="status", label="Status", kind="status", filter=True),
    Column(name="trigger", label="Started by", filter=True),
    Column(name="members", label="Members", kind="number"),
    Column(name="joined", label="Joined", kind="number"),
    Column(name="left", label="Left", kind="number"),
    Column(name="created_at", label="Asked for", kind="instant"),
    Column(name="finished_at", label="Ended", kind="instant"),
    Column(name="seconds", label="Took", kind="duration"),
    Column(name="attempt", label="Attempt", kind="number", hidden=True),
    Column(name="due_at", label="Due", kind="moment", hidden=True),
    Column(name="worker", label="Worker", hidden=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    refreshes: Sequence[RefreshRecord]
    schedule: SystemSchedule
    next_times: Sequence[datetime]


def _read_system(workspace: Workspace) -> _System:
    schedule = system.get_system_schedule(workspace)
    return _System(
        refreshes=system.list_system_refreshes(workspace),
        schedule=schedule,
        next_times=schedule.schedule.coming(schedule.next_due_at),
    )


@page("/runs", permission=Permission.VIEW, title="Runs")
async def system_refreshes(visit: Visit) -> None:
    """Build the system refresh: the latest as a picture, its schedule, and those before."""
    _head(visit, "/runs")
    parts: dict[str, Any] = {}

    def show(found: _System) -> None:
        if not parts:
            parts["now"], parts["schedule"] = stack(), stack()
            parts["table"] = _refresh_table()
        redraw(parts["now"], lambda: _latest(visit, found.refreshes))
        redraw(parts["schedule"], lambda: schedule_card(visit, found.schedule, found.next_times))
        parts["table"].set_rows([_refresh_row(refresh) for refresh in found.refreshes])

    live = Live(visit, _read_system, show)
    await live.start()


@page("/runs/queue", permission=Permission.VIEW, title="Queue")
async def queue(visit: Visit) -> None:
    """Build what waits and what runs now."""
    _head(visit, "/runs/queue")

    async def act(name: str, key: int) -> None:
        if await confirm(
            "Cancel this run?", "The last members of the segment stay.", action="Cancel the run"
        ):
            await visit.do(
                Permission.EDIT, lambda w: cancel_run(w, key), said=f"Run {key} is being cancelled."
            )

    await _run_table(
        visit,
        lambda w: look_at_runs(w, segment=None, state="active", limit=_HISTORY),
        caption="Runs that wait or run",
        nothing="Nothing waits. Every refresh that was asked for has ended.",
        actions=(Action(name="cancel", label="Cancel run", icon="cancel"),)
        if visit.allows(Permission.EDIT)
        else (),
        on_action=act,
        sort_by="run_id",
    )


@page("/runs/held", permission=Permission.VIEW, title="Held versions")
async def held(visit: Visit) -> None:
    """Build the versions that wait for a person."""
    _head(visit, "/runs/held")

    async def act(name: str, key: int) -> None:
        if name == "approve":
            found = await visit.do(Permission.EDIT, lambda w: look_at_run(w, key).run)
            if found.value is not None:
                await approve(visit, found.value)
        else:
            ask_why(visit, key)

    await _run_table(
        visit,
        look_at_held,
        caption="Versions held back because they changed too much",
        nothing="No version is held back.",
        actions=(
            Action(name="approve", label="Approve", icon="check"),
            Action(name="reject", label="Reject", icon="block", bad=True),
        )
        if visit.allows(Permission.EDIT)
        else (),
        on_action=act,
        sort_by="run_id",
    )


@page("/runs/history", permission=Permission.VIEW, title="History of runs")
async def history(visit: Visit) -> None:
    """Build the latest runs of all segments."""
    _head(visit, "/runs/history")
    await _run_table(
        visit,
        lambda w: look_at_runs(w, segment=None, state=None, limit=_HISTORY),
        caption="The latest runs",
        nothing="Nothing has run yet.",
        sort_by="run_id",
        sort_down=True,
        memory="runs",
    )


def _head(visit: Visit, current: str) -> None:
    with heading("Runs", lead="What refreshes the segments, and how it went."):
        if visit.allows(Permission.EDIT):
            button(
                "Refresh everything",
                lambda: _refresh_everything(visit),
                icon_name="sync",
                kind="main",
            )
    tabs(_PARTS, current, "Parts of runs")


async def _refresh_everything(visit: Visit) -> None:
    await visit.do(Permission.EDIT, system.refresh_system, said="A system refresh was asked for.")


def _latest(visit: Visit, refreshes: Sequence[RefreshRecord]) -> None:
    shown = next((r for r in refreshes if r.state is not RefreshState.SKIPPED), None)
    if shown is None:
        empty(
            "No system refresh yet",
            "It prepares the data, computes measures, refreshes every active segment and delivers exports.",
            icon_name="sync",
        )
        return
    with card():
        with row():
            with link(path_to("runs", "system", shown.id)):
                text(f"System refresh {shown.id}", tag="h2").classes("m-card-title")
            chip(shown.state)
            text(shown.trigger).classes("m-muted")
            Figure(shown.created_at, "instant")
            if shown.seconds is not None:
                Figure(shown.seconds, "duration")
            ui.element("div").classes("m-grow")
            if shown.state is RefreshState.RUNNING and visit.allows(Permission.EDIT):
                button("Cancel", lambda: cancel_refresh(visit, shown.id), icon_name="cancel")
        Gantt(shown)


async def cancel_refresh(visit: Visit, refresh_id: int) -> None:
    """Ask, and cancel what a system refresh has not published."""
    if await confirm(
        f"Cancel system refresh {refresh_id}?",
        "What it has published stays, and is delivered; the rest is left as it was.",
        action="Cancel the refresh",
    ):
        await visit.do(
            Permission.EDIT,
            lambda w: system.cancel_system_refresh(w, refresh_id),
            said="The system refresh is being cancelled.",
        )


def _refresh_table() -> DataTable:
    return DataTable(
        (
            Column(name="id", label="Refresh", kind="link", href="/runs/system/{id}"),
            Column(name="state", label="State", kind="status"),
            Column(name="trigger", label="Started by"),
            Column(name="created_at", label="Begun", kind="instant"),
            Column(name="seconds", label="Took", kind="duration"),
            Column(name="change", label="Against the one before"),
            Column(name="segments", label="Segments"),
            Column(name="exports", label="Deliveries"),
        ),
        row_key="id",
        caption="System refreshes",
        noun=("system refresh", "system refreshes"),
        sort_by="id",
        sort_down=True,
        empty="No system refresh yet.",
    )


def _refresh_row(refresh: RefreshRecord) -> dict[str, Any]:
    stages = {str(stage["stage"]): stage for stage in refresh.stages}
    return {
        "id": refresh.id,
        "state": refresh.state,
        "state_note": refresh.reason,
        "trigger": refresh.actor or refresh.trigger,
        "created_at": refresh.created_at,
        "seconds": refresh.seconds,
        "change": change_words(refresh.change_seconds),
        "segments": _tally(stages.get("segments")),
        "exports": _tally(stages.get("exports")),
    }


def change_words(seconds: float | None) -> str:
    """Return how much longer or shorter something took than before."""
    if seconds is None:
        return ""
    minutes, rest = divmod(abs(seconds), 60)
    took = f"{numerals().number(round(rest, 1))} s"
    if minutes:
        took = f"{int(minutes)} min {int(rest)} s"
    return f"{took} {'longer' if seconds > 0 else 'shorter'}"


def _tally(stage: Any) -> str:
    if not stage or not stage["total"]:
        return ""
    words = [
        f"{stage[name]} {name}"
        for name in ("succeeded", "failed", "skipped", "cancelled")
        if stage[name]
    ]
    waiting = stage["total"] - sum(
        stage[name] for name in ("succeeded", "failed", "skipped", "cancelled")
    )
    return ", ".join([*words, *([f"{waiting} waiting"] if waiting else [])])


async def _run_table(
    visit: Visit,
    read: Any,
    *,
    caption: str,
    nothing: str,
    sort_by: str,
    sort_down: bool = False,
    memory: str = "",
    actions: Sequence[Action] = (),
    on_action: Any = None,
) -> None:
    columns = (*_RUN_COLUMNS, *([_ACTIONS] if actions else []))
    table: list[DataTable] = []

    def show(runs: list[RunRecord]) -> None:
        if not table:
            table.append(
                DataTable(
                    columns,
                    row_key="run_id",
                    caption=caption,
                    noun=("run", "runs"),
                    search="Search by segment",
                    arrangeable=True,
                    memory=memory,
                    sort_by=sort_by,
                    sort_down=sort_down,
                    empty=nothing,
                    on_action=on_action,
                )
            )
        offered = row_actions(*actions)
        table[0].set_rows([run_row(run) | {"actions": offered} for run in runs])

    await Live(visit, read, show).start()


_ACTIONS = Column(name="actions", label="Actions", kind="actions")


def run_row(run: RunRecord) -> dict[str, Any]:
    """Return a run as tables show it."""
    status, code = explain(run.state, run.reason)
    ended = run.started_at is not None and run.finished_at is not None
    seconds = (
        (run.finished_at - run.started_at).total_seconds()
        if ended and run.finished_at and run.started_at
        else None
    )
    return {
        "run_id": run.run_id,
        "segment": run.segment,
        "status": status,
        "status_note": code,
        "status_share": run.tasks_done / run.tasks
        if run.state == "running" and run.tasks and run.tasks_done is not None
        else None,
        "trigger": run.trigger,
        "members": run.member_count,
        "joined": run.joined,
        "left": run.left,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        "seconds": seconds,
        "attempt": run.attempt,
        "due_at": run.due_at,
        "worker": run.worker,
    }
