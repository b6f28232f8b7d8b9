"""Whether the work goes on: every process, what waits, and what is wrong, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from muster_console.operation.health import look_at_health
from muster_console.operation.workspace import Workspace
from muster_console.web.component.markup import card, facts, note, stack
from muster_console.web.component.table import Column, DataTable, Figure
from muster_console.web.frame import heading
from muster_console.web.live import Live, redraw
from muster_console.web.page.settings import settings_head
from muster_console.web.policy import page
from muster_console.web.visit import Visit
from muster_core.security.role import Permission
from muster_core.storage.health import Health


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    health: Health
    lease_seconds: float


@page("/settings/services", permission=Permission.VIEW, title="Services")
async def services(visit: Visit) -> None:
    """Build how the work goes."""
    with heading("Services", lead="Whether what waits is taken and what runs is alive."):
        pass
    settings_head(visit, "/settings/services")
    parts: dict[str, Any] = {}

    def show(seen: _Seen) -> None:
        if not parts:
            parts["words"] = stack()
            parts["words"].props["role"] = "status"
            parts["table"] = _table()
        redraw(parts["words"], lambda: _words(seen.health))
        parts["table"].set_rows(_rows(seen))

    await Live(visit, _look, show).start()


def _look(workspace: Workspace) -> _Seen:
    return _Seen(
        health=look_at_health(workspace), lease_seconds=workspace.settings.lease.total_seconds()
    )


def _words(health: Health) -> None:
    for problem in health.problems:
        note(problem, bad=True)
    if health.healthy:
        note("Everything works.")
    with card("Work"):
        facts(
            [
                ("Runs that wait", lambda: Figure(health.pending_runs)),
                ("Deliveries that wait", lambda: Figure(health.pending_deliveries)),
                ("Running now", lambda: Figure(health.running)),
                ("Segments out of date", lambda: Figure(health.stale_segments)),
                ("Runs failed today", lambda: Figure(health.failed_runs_24h)),
                ("Deliveries failed today", lambda: Figure(health.failed_deliveries_24h)),
            ]
        )


def _table() -> DataTable:
    return DataTable(
        (
            Column(name="name", label="Process"),
            Column(name="kind", label="Kind", filter=True),
            Column(name="state", label="State", kind="status"),
            Column(name="doing", label="Does"),
            Column(name="host", label="Host"),
            Column(name="silent", label="Last heard of", kind="duration"),
        ),
        row_key="name",
        caption="Processes",
        noun=("process", "processes"),
        # those that live first, whatever was restarted before
        sort_by="silent",
    )


def _rows(seen: _Seen) -> list[dict[str, Any]]:
    return [
        {
            "name": process.name,
            "kind": process.kind,
            "state": "ready" if process.silent.total_seconds() <= seen.lease_seconds else "dead",
            "doing": process.doing,
            "host": process.host,
            "silent": round(process.silent.total_seconds()),
        }
        for process in seen.health.processes
    ]
