"""``muster demo``: the whole way, from made-up data to delivered files, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from muster_console.cli import waiting
from muster_console.cli.output import JsonOption, console, error_console, print_json, print_table
from muster_console.demo.stage import Stage, set_stage
from muster_console.operation.catalog import apply_catalog
from muster_console.operation.export import apply_exports
from muster_console.operation.saving import apply_segments
from muster_console.operation.system import (
    borrowed_system_schedule,
    latest_system_refresh,
    wait_for_system_refresh,
)
from muster_console.operation.workspace import Workspace, open_workspace
from muster_console.parts.detached import living_record, start_detached, stop_running
from muster_core.clock import utc_now
from muster_core.settings import Settings
from muster_core.storage.progress import DeliveryProgress, RunProgress

EVERY_MINUTE = "* * * * *"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the demo came to."""

    runs: list[RunProgress]
    deliveries: list[DeliveryProgress]


def demo(
    *,
    customers: Annotated[
        int, typer.Option(help="How many customers the shop has.", min=10, max=10_000_000)
    ] = 100_000,
    home: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(
        ".muster-demo"
    ),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running at the end.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a shop, refresh segments of its customers on schedule, and deliver the members."""
    home = home.absolute()
    clock = Clock()
    with _running(home, keep=keep, clock=clock):
        with clock.phase("data"), error_console.status(f"Making {customers:,} customers"):
            stage = set_stage(home / "demo", customers=customers, now=utc_now())
        # with --json standard output is one document
        said = error_console if json else console
        _say_stage(stage, said)
        with open_workspace(Settings(home=home)) as workspace:
            shown = _show(workspace, stage, clock, said)
    if json:
        print_json(_as_json(shown, clock))
    else:
        _print(shown, clock, home, keep=keep)
    if not waiting.all_well(shown.runs, shown.deliveries):
        raise typer.Exit(1)


class Clock:
    """Adds up how long each phase of the demo took, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block as the phase `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 1)


@contextmanager
def _running(home: Path, *, keep: bool, clock: Clock) -> Iterator[None]:
    """Start everything in `home`; stop it at the end unless it is to be kept or ran before."""
    settings = Settings(home=home)
    record = living_record(home)
    started = record is None or not record.is_alive()
    if started:
        with clock.phase("start"), error_console.status("Starting every part and service"):
            start_detached(settings)
    try:
        yield
    finally:
        if started and not keep:
            with clock.phase("stop"), error_console.status("Stopping"):
                stop_running(settings)


def _show(workspace: Workspace, stage: Stage, clock: Clock, said: Console) -> Shown:
    with clock.phase("apply"):
        apply_catalog(workspace, stage.catalog)
        segments = apply_segments(workspace, stage.segments)
        exports = apply_exports(workspace, stage.exports)
    said.print(f"Catalog, {len(segments)} segments and {len(exports)} exports are in place.")
    with clock.phase("wait for the schedule"):
        run_ids = _scheduled(workspace)
    with clock.phase("refresh"):
        runs = waiting.watch_runs(workspace, run_ids)
    with clock.phase("deliver"):
        deliveries = waiting.watch_deliveries(workspace, run_ids)
    return Shown(runs=runs, deliveries=deliveries)


def _scheduled(workspace: Workspace) -> list[int]:
    """Let the scheduler start a system refresh at the next full minute; return its runs."""
    before = latest_system_refresh(workspace)
    with (
        borrowed_system_schedule(workspace, cron=EVERY_MINUTE),
        Progress(
            TextColumn("{task.description}"), BarColumn(), console=error_console, transient=True
        ) as progress,
    ):
        bar = progress.add_task("The schedule is due at the next full minute", total=60)
        return wait_for_system_refresh(
            workspace,
            after=before,
            report=lambda: progress.update(bar, completed=utc_now().second),
            limit_seconds=150,
        )


def _say_stage(stage: Stage, said: Console) -> None:
    rows = ", ".join(f"{rows:,} {name}" for name, rows in stage.rows.items())
    said.print(f"{'Made' if stage.made else 'Kept'} a shop of {rows}.", soft_wrap=True)


def _print(shown: Shown, clock: Clock, home: Path, *, keep: bool) -> None:
    files: dict[str, list[str]] = {}
    for delivery in shown.deliveries:
        place = _relative(delivery.location) if delivery.location else delivery.state
        files.setdefault(delivery.segment, []).append(place)
    rows = [
        (
            run.segment,
            run.state,
            run.members,
            waiting.seconds(run),
            "\n".join(files.get(run.segment, [])),
        )
        for run in shown.runs
    ]
    print_table("", ("segment", "state", "members", "seconds", "files"), rows)
    for problem in {run.error for run in shown.runs if run.error}:
        error_console.print(problem, style="red", soft_wrap=True)
    phases = ", ".join(f"{name} {seconds:g}" for name, seconds in clock.seconds.items())
    console.print(f"Seconds: {phases}.", soft_wrap=True)
    where = _relative(str(home))
    if keep:
        console.print(f"It keeps running: MUSTER_HOME={where} muster status", soft_wrap=True)
    else:
        console.print(f"Everything is kept in {where}; --keep leaves it running.", soft_wrap=True)


def _as_json(shown: Shown, clock: Clock) -> dict[str, object]:
    return {
        "runs": [asdict(run) for run in shown.runs],
        "deliveries": [asdict(delivery) for delivery in shown.deliveries],
        "seconds": clock.seconds,
    }


def _relative(path: str) -> str:
    found = Path(path)
    here = Path.cwd()
    return str(found.relative_to(here)) if found.is_relative_to(here) else path
