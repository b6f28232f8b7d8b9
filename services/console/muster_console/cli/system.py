"""``muster system``: the schedule of everything, and refreshing everything now."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.output import JsonOption, console, print_json, times_text
from muster_console.cli.waiting import TimeoutOption, follow
from muster_console.operation.segment import schedule_text
from muster_console.operation.system import (
    get_system_schedule,
    migrate_database,
    refresh_system,
    set_system_schedule,
)
from muster_console.operation.workspace import open_workspace
from muster_core.storage.setting import SystemSchedule

app = typer.Typer(help="The refresh of everything, and its schedule.", no_args_is_help=True)


@app.command()
def schedule(
    cron: Annotated[
        str | None,
        typer.Argument(help="Five cron fields in quotes, or `off`; absent: show.", metavar="CRON"),
    ] = None,
    *,
    timezone: Annotated[str, typer.Option(help="The cron's IANA zone.")] = "UTC",
    json: JsonOption = False,
) -> None:
    """Show or set when every segment that follows the system is refreshed."""
    with open_workspace() as workspace:
        if cron is None:
            found = get_system_schedule(workspace)
        else:
            wanted = None if cron == "off" else cron
            found = set_system_schedule(workspace, cron=wanted, timezone=timezone)
    _print(found, json=json)


@app.command()
def refresh(
    *,
    wait: Annotated[bool, typer.Option(help="Wait until the runs have ended.")] = True,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Wait for the exports of the results, too.")
    ] = False,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
) -> None:
    """Refresh every segment that follows the system schedule, now, over one snapshot."""
    with open_workspace() as workspace:
        run_ids = refresh_system(workspace)
        follow(workspace, run_ids, wait=wait, deliveries=deliveries, timeout=timeout, json=json)


@app.command()
def migrate(*, json: JsonOption = False) -> None:
    """Bring the control database to this version's schema; `muster up` does it by itself."""
    with open_workspace() as workspace:
        migrate_database(workspace)
    if json:
        print_json({"migrated": True})
    else:
        console.print("The control database has the schema of this version.")


def _print(found: SystemSchedule, *, json: bool) -> None:
    text = schedule_text(found.schedule)
    coming = found.schedule.coming(found.next_due_at)
    if json:
        shown = {"schedule": text, "next_due_at": found.next_due_at, "next_times": coming}
        print_json(shown)
        return
    console.print(f"System schedule: {text}")
    if coming:
        console.print(f"Next at {times_text(coming)}")
