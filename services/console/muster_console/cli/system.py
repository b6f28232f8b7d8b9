"""``muster system``: the schedule of everything, refreshing everything now, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from muster_console.cli.group import on_demand
from muster_console.cli.name import LARGEST
from muster_console.cli.output import (
    JsonOption,
    console,
    error_console,
    print_facts,
    print_json,
    print_marked,
    print_table,
    times_text,
)
from muster_console.cli.waiting import TimeoutOption, follow
from muster_console.operation.health import health_json, look_at_health, require_alive
from muster_console.operation.system import (
    cancel_system_refresh,
    get_arrival,
    get_system_schedule,
    list_system_refreshes,
    look_at_system_refresh,
    migrate_database,
    refresh_json,
    refresh_system,
    set_arrival,
    set_system_schedule,
    unset_arrival,
)
from muster_console.operation.workspace import open_workspace
from muster_core.storage.arrival import ArrivalRule
from muster_core.storage.health import Health
from muster_core.storage.refresh import RefreshRecord
from muster_core.storage.setting import SystemSchedule

app = typer.Typer(
    help="The refresh of everything, and its schedule.",
    no_args_is_help=True,
    cls=on_demand({"collect": "collection.collect"}),
)
schedule_app = typer.Typer(help="When everything is refreshed.", no_args_is_help=True)
app.add_typer(schedule_app, name="schedule")
arrival_app = typer.Typer(help="What is refreshed when data arrives.", no_args_is_help=True)
app.add_typer(arrival_app, name="arrival")


RefreshArgument = Annotated[
    int, typer.Argument(help="The refresh's number.", metavar="ID", min=1, max=LARGEST)
]


@schedule_app.command("show")
def show_schedule(*, json: JsonOption = False) -> None:
    """Show when everything is refreshed, with the next five times."""
    with open_workspace() as workspace:
        found = get_system_schedule(workspace)
    _print_schedule(found, json=json)


@schedule_app.command("set")
def set_schedule(
    cron: Annotated[
        str | None,
        typer.Argument(help="Five cron fields in quotes, instead of times.", metavar="CRON"),
    ] = None,
    *,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at", help="A time of day such as 06:00; repeat it for more.", metavar="TIME"
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on", help="A weekday such as mon; repeat it; absent: daily.", metavar="DAY"
        ),
    ] = None,
    timezone: Annotated[str, typer.Option(help="The IANA zone of the times.")] = "UTC",
    json: JsonOption = False,
) -> None:
    """Refresh everything daily or weekly at these times, or at those of a cron."""
    if cron is None and not at:
        raise typer.BadParameter("Give times with --at, or a cron.")
    with open_workspace() as workspace:
        found = set_system_schedule(
            workspace, cron=cron, times=at or (), weekdays=on or (), timezone=timezone
        )
    _print_schedule(found, json=json)


@schedule_app.command("off")
def end_schedule(*, json: JsonOption = False) -> None:
    """Refresh nothing by itself any more."""
    with open_workspace() as workspace:
        found = set_system_schedule(workspace)
    _print_schedule(found, json=json)


@arrival_app.command("set")
def set_arrival_rule(
    *,
    every: Annotated[
        float, typer.Option(help="Start at most once in so many minutes.", metavar="MINUTES", min=1)
    ] = 15.0,
    segment: Annotated[
        list[str] | None,
        typer.Option(help="A segment; repeat it for more; absent: the system refresh."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Refresh everything, or some segments, when a source changed."""
    with open_workspace() as workspace:
        rule = set_arrival(workspace, minutes=every, segments=segment)
    _print_arrival(rule, json=json)


@arrival_app.command("show")
def show_arrival_rule(*, json: JsonOption = False) -> None:
    """Show what is refreshed when data arrives."""
    with open_workspace() as workspace:
        rule = get_arrival(workspace)
    _print_arrival(rule, json=json)


@arrival_app.command("off")
def end_arrival_rule(*, json: JsonOption = False) -> None:
    """Refresh nothing any more when data arrives."""
    with open_workspace() as workspace:
        unset_arrival(workspace)
    _print_arrival(None, json=json)


def _print_arrival(rule: ArrivalRule | None, *, json: bool) -> None:
    minutes = None if rule is None else rule.every.total_seconds() / 60
    if json:
        shown = None
        if rule is not None:
            shown = asdict(rule) | {"every": rule.every.total_seconds()}
        print_json({"arrival": shown})
    elif rule is None:
        console.print("Nothing is refreshed when data arrives.")
    else:
        what = "everything" if rule.segments is None else ", ".join(rule.segments)
        console.print(f"When data arrives: {what}, at most once in {minutes:g} minutes.")
        if rule.started_at is not None:
            console.print(f"Last started at {times_text([rule.started_at])}")


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
        started = refresh_system(workspace)
        if not json:
            console.print(f"System refresh {started.id}: {len(started.run_ids):,} segments")
        follow(
            workspace,
            started.run_ids,
            wait=wait,
            deliveries=deliveries,
            timeout=timeout,
            json=json,
            extra={"system_refresh_id": started.id},
        )


@app.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=1_000)] = 20,
    json: JsonOption = False,
) -> None:
    """List system refreshes, the newest first, with the seconds of each stage."""
    with open_workspace() as workspace:
        found = list_system_refreshes(workspace, limit=limit)
    if json:
        print_json([refresh_json(one) for one in found])
        return
    stages = ("ingest", "measures", "segments", "exports")
    columns = ("refresh", "trigger", "due", "state", "reason", "seconds", "change", *stages)
    print_table("", columns, [_line(one, stages) for one in found])


@app.command()
def show(refresh_id: RefreshArgument, *, json: JsonOption = False) -> None:
    """Show one system refresh: its stages, and everything it left out with the reason."""
    with open_workspace() as workspace:
        view = look_at_system_refresh(workspace, refresh_id)
    if json:
        print_json(refresh_json(view))
        return
    one = view.refresh
    print_facts(
        f"system refresh {one.id}",
        [
            ("state", f"{one.state} ({one.reason})" if one.reason else str(one.state)),
            ("trigger", one.trigger),
            ("asked for by", one.actor),
            ("due", one.due_at),
            ("as of", one.as_of),
            ("snapshot", None if one.snapshot_id is None else str(one.snapshot_id)),
            ("seconds", one.seconds),
            ("against the one before", _signed(one.change_seconds)),
            ("ended", one.finished_at),
        ],
    )
    columns = ("stage", "state", "reason", "done", "failed", "skipped", "of", "seconds", "change")
    print_table("stages", columns, [_stage(stage) for stage in one.stages])
    if view.skips:
        rows = [(str(skip.stage), skip.name, skip.reason) for skip in view.skips]
        print_table("left out", ("stage", "what", "reason"), rows)


@app.command()
def cancel(refresh_id: RefreshArgument, *, json: JsonOption = False) -> None:
    """Cancel what a system refresh has not published yet; what it published is delivered."""
    with open_workspace() as workspace:
        runs = cancel_system_refresh(workspace, refresh_id)
    if json:
        print_json({"system_refresh_id": refresh_id, "cancelled": runs})
    else:
        console.print(f"System refresh {refresh_id} stops; {runs:,} runs are cancelled.")


@app.command()
def status(
    *,
    of: Annotated[
        Literal["scheduler", "worker", "exporter", "console"] | None,
        typer.Option(
            help="Only whether a process of this kind on this host lives.", metavar="KIND"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show how the work goes; ends with code 1 where something is wrong, 5 where nobody of KIND lives."""
    with open_workspace() as workspace:
        if of is not None:
            require_alive(workspace, of)
        health = look_at_health(workspace)
    if of is not None:
        if json:
            print_json({"alive": True})
        return
    if json:
        print_json(health_json(health))
    else:
        print_facts("", [(name.replace("_", " "), _age(v)) for name, v in _figures(health)])
        rows = [
            (p.kind, p.name, _age(p.silent), _age(p.unhinted), p.doing) for p in health.processes
        ]
        print_table("", ("kind", "process", "heard of", "last hint", "doing"), rows)
        for problem in health.problems:
            print_marked(error_console, "Problem", "red", problem)
    if not health.healthy:
        raise typer.Exit(1)


def _figures(health: Health) -> list[tuple[str, object]]:
    return [
        (name, getattr(health, name))
        for name in (
            "pending_runs",
            "oldest_pending",
            "pending_deliveries",
            "oldest_pending_delivery",
            "running",
            "oldest_heartbeat",
            "stale_segments",
            "failed_runs_24h",
            "failed_deliveries_24h",
        )
    ]


def _age(value: object) -> object:
    return f"{value.total_seconds():,.1f} s" if isinstance(value, timedelta) else value


@app.command()
def migrate(*, json: JsonOption = False) -> None:
    """Bring the control database to this version's schema; `muster up` does it by itself."""
    with open_workspace() as workspace:
        migrate_database(workspace)
    if json:
        print_json({"migrated": True})
    else:
        console.print("The control database has the schema of this version.")


def _print_schedule(found: SystemSchedule, *, json: bool) -> None:
    coming = found.schedule.coming(found.next_due_at)
    if json:
        shown = {
            "schedule": found.schedule.text(),
            "next_due_at": found.next_due_at,
            "next_times": coming,
        }
        print_json(shown)
        return
    console.print(f"System schedule: {found.schedule.text()}")
    if coming:
        console.print(f"Next at {times_text(coming)}")


def _line(one: RefreshRecord, stages: tuple[str, ...]) -> tuple[object, ...]:
    seconds = {stage["stage"]: stage["seconds"] for stage in one.stages}
    return (
        str(one.id),
        one.trigger,
        one.due_at,
        str(one.state),
        one.reason,
        one.seconds,
        _signed(one.change_seconds),
        *(seconds.get(stage) for stage in stages),
    )


def _stage(stage: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        stage["stage"],
        stage["state"],
        stage["reason"],
        stage["succeeded"],
        stage["failed"],
        stage["skipped"],
        stage["total"],
        stage["seconds"],
        _signed(stage["change_seconds"]),
    )


def _signed(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:+.1f}"
