"""Progress bars for runs and deliveries somebody waits for, and the exit code they come to."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from muster_console.cli.output import console, error_console, print_json, print_table, run_note
from muster_console.operation.refresh import (
    has_worker,
    look_at_progress,
    wait_for_deliveries,
    wait_for_runs,
)
from muster_console.operation.workspace import Workspace
from muster_core.runs.state import Reason
from muster_core.storage.progress import DeliveryProgress, RunProgress

TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout", help="Wait so long at most, then end with code 5.", metavar="SECONDS", min=0
    ),
]

_NO_WORKER = (
    "No worker has been heard of lately: the runs wait for one."
    " Look at `muster status`, or start everything with `muster up`."
)

#: What a run that was waited for may end as without the command failing.
_WELL = frozenset({"published", "superseded", "skipped"})
#: A run skipped for these reasons did not do what was asked for, nor did another one in its place.
_UNDONE = frozenset(
    {
        *(Reason.REFERENCE_NOT_FRESH, Reason.REFERENCE_NEVER_PUBLISHED, Reason.INPUT_NOT_FRESH),
        *(Reason.UPSTREAM_FAILED, Reason.UPSTREAM_SKIPPED),
    }
)


def follow(
    workspace: Workspace,
    run_ids: list[int],
    *,
    wait: bool,
    deliveries: bool,
    timeout: float | None,
    json: bool,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Print the runs that were asked for, or wait for them and print what they came to.

    `extra` goes into the JSON as it is.

    Raises:
        typer.Exit: with code 1 where a run or a delivery that was waited for failed.
        PartUnavailable: they have not ended after `timeout` seconds; None waits for ever.
    """
    if not wait:
        _print_requested(look_at_progress(workspace, run_ids), dict(extra or {}), json=json)
        return
    until = math.inf if timeout is None else time.monotonic() + timeout
    ended = watch_runs(workspace, run_ids, until=until)
    delivered = watch_deliveries(workspace, run_ids, until=until) if deliveries else []
    if json:
        sent = [asdict(d) for d in delivered]
        print_json({**(extra or {}), "runs": [_run(r) for r in ended], "deliveries": sent})
    else:
        print_runs(ended)
        if delivered:
            print_deliveries(delivered)
    if not all_well(ended, delivered):
        raise typer.Exit(1)


def all_well(runs: list[RunProgress], deliveries: list[DeliveryProgress]) -> bool:
    """Return whether everything ended as it should."""
    return all(r.state in _WELL and r.reason not in _UNDONE for r in runs) and all(
        d.state == "delivered" for d in deliveries
    )


def watch_runs(
    workspace: Workspace, run_ids: list[int], *, until: float = math.inf
) -> list[RunProgress]:
    """Show how far the runs are until all have ended, and return them; say once where no worker lives.

    Raises:
        PartUnavailable: `until`, a `time.monotonic`, has come.
    """
    told = False
    with _progress() as progress:
        bar = progress.add_task("Waiting for a worker", total=None)

        def show(runs: list[RunProgress]) -> None:
            nonlocal told
            _show_runs(progress, bar, runs)
            waiting = [run for run in runs if not run.ended]
            if waiting and not told and not any(run.started_at for run in waiting):
                told = not has_worker(workspace)
                if told:
                    progress.console.print(_NO_WORKER, soft_wrap=True)

        return wait_for_runs(workspace, run_ids, show, until=until)


def watch_deliveries(
    workspace: Workspace, run_ids: list[int], *, until: float = math.inf
) -> list[DeliveryProgress]:
    """Show how far the deliveries of these runs are until all have ended, and return them.

    Raises:
        PartUnavailable: `until`, a `time.monotonic`, has come.
    """
    with _progress() as progress:
        bar = progress.add_task("Delivering", total=None)

        def show(deliveries: list[DeliveryProgress]) -> None:
            done = sum(d.ended for d in deliveries)
            progress.update(bar, completed=done, total=len(deliveries))

        return wait_for_deliveries(workspace, run_ids, show, until=until)


def print_runs(runs: list[RunProgress]) -> None:
    """Print what the runs came to."""
    columns = ("segment", "run", "state", "members", "joined", "left", "seconds", "note")
    rows = [
        (
            r.segment,
            str(r.run_id),
            r.state,
            r.members,
            r.joined,
            r.left,
            seconds(r),
            run_note(r.state, r.reason, r.error),
        )
        for r in runs
    ]
    print_table("", columns, rows)


def print_deliveries(deliveries: list[DeliveryProgress]) -> None:
    """Print where the files of the deliveries are."""
    rows = [(d.export, d.segment, d.state, d.rows, d.error or d.location) for d in deliveries]
    print_table("", ("export", "segment", "state", "rows", "where"), rows)


def seconds(run: RunProgress) -> float | None:
    """Return how long a run took from its claim to its end, in seconds."""
    if run.started_at is None or run.finished_at is None:
        return None
    return round((run.finished_at - run.started_at).total_seconds(), 1)


def _show_runs(progress: Progress, bar: TaskID, runs: list[RunProgress]) -> None:
    ended = sum(run.ended for run in runs)
    batches = {r.batch_id: (r.tasks_done or 0, r.tasks) for r in runs if r.tasks and not r.ended}
    if ended == len(runs):
        progress.update(bar, description="Refreshed", completed=1, total=1)
    elif batches:
        done = sum(done for done, _ in batches.values())
        tasks = sum(tasks or 0 for _, tasks in batches.values())
        text = f"Evaluating {len(runs) - ended} of {len(runs)} segments"
        progress.update(bar, description=text, completed=done, total=tasks)
    elif any(run.started_at for run in runs):
        progress.update(bar, description="Preparing the data")


def _print_requested(runs: list[RunProgress], extra: dict[str, object], *, json: bool) -> None:
    if json:
        print_json(extra | {"runs": [{"run_id": r.run_id, "segment": r.segment} for r in runs]})
        return
    print_table("", ("run", "segment"), [(str(r.run_id), r.segment) for r in runs])
    console.print("Follow them with `muster run list`.")


def _run(run: RunProgress) -> dict[str, object]:
    return asdict(run) | {"seconds": seconds(run)}


@contextmanager
def _progress() -> Iterator[Progress]:
    """Give a bar on standard error, so that standard output stays what was asked for."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_console) as progress:
        yield progress
