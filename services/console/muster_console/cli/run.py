"""``muster run``: what was refreshed, by whom, on what, with which result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from muster_console.cli.name import LARGEST
from muster_console.cli.output import (
    CursorOption,
    JsonOption,
    PageOption,
    SortOption,
    console,
    print_facts,
    print_json,
    print_more,
    print_page,
    print_table,
    run_note,
)
from muster_console.operation import run as operation
from muster_console.operation.run import look_at_run, look_at_runs, run_json
from muster_console.operation.workspace import open_workspace
from muster_core.runs.state import RunState
from muster_core.storage.run import RunRecord

#: The order in which a batch goes through them.
_STAGES = ("prepare", "plan", "evaluate", "publish")

RunId = Annotated[int, typer.Argument(help="The run's number.", metavar="ID", min=1, max=LARGEST)]

app = typer.Typer(help="What was refreshed, and what came of it.", no_args_is_help=True)


@app.command("list")
def list_(
    *,
    segment: Annotated[str | None, typer.Option(help="Of this segment only.")] = None,
    state: Annotated[
        str | None, typer.Option(help="In this state only; `active` means not ended.")
    ] = None,
    trigger: Annotated[str | None, typer.Option(help="Of this trigger only.")] = None,
    sort: SortOption = None,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=10_000)] = 50,
    cursor: CursorOption = None,
    page: PageOption = False,
    json: JsonOption = False,
) -> None:
    """List runs, by default the newest first."""
    order = sort or "-run_id"
    with open_workspace() as workspace:
        runs = look_at_runs(
            workspace,
            segment=segment,
            state=state,
            trigger=trigger,
            sort=order,
            limit=limit,
            cursor=cursor,
        )
    following = operation.runs_behind(runs, limit, order)
    if json:
        print_page([run_json(run) for run in runs], following, page=page)
        return
    columns = ("run", "segment", "trigger", "due", "state", "members", "joined", "left", "note")
    rows = [
        (
            str(r.run_id),
            r.segment,
            r.trigger,
            r.due_at,
            r.state,
            r.member_count,
            r.joined,
            r.left,
            run_note(r.state, r.reason, r.error),
        )
        for r in runs
    ]
    print_table("", columns, rows)
    print_more(len(runs), following)


@app.command()
def show(
    run_id: RunId,
    *,
    json: JsonOption = False,
) -> None:
    """Show everything recorded about one run."""
    with open_workspace() as workspace:
        view = look_at_run(workspace, run_id)
    if json:
        print_json(run_json(view.run) | {"events": [asdict(event) for event in view.events]})
        return
    print_facts(f"run {run_id}", _facts(view.run))
    print_inputs(view.run.inputs)
    rows = [(e.at, e.from_state, e.to_state, e.actor, e.reason) for e in view.events]
    print_table("steps", ("at", "from", "to", "by", "reason"), rows)


@app.command()
def held(*, json: JsonOption = False) -> None:
    """List the versions that wait for a person because they differ too much from the last ones."""
    with open_workspace() as workspace:
        runs = operation.look_at_held(workspace)
    if json:
        print_json([run_json(run) for run in runs])
        return
    rows = [
        (str(r.run_id), r.segment, r.member_count, r.joined, r.left, r.finished_at, r.error)
        for r in runs
    ]
    print_table("", ("run", "segment", "members", "joined", "left", "held since", "why"), rows)
    if rows:
        console.print(
            "`muster run approve ID` publishes one, `muster run reject ID` keeps the last members.",
            soft_wrap=True,
        )


@app.command()
def approve(run_id: RunId, *, json: JsonOption = False) -> None:
    """Publish a held version, and deliver it."""
    with open_workspace() as workspace:
        state = operation.approve_run(workspace, run_id)
    _say(run_id, state, json=json)


@app.command()
def reject(
    run_id: RunId,
    *,
    reason: Annotated[str | None, typer.Option(help="Why; kept on the run.")] = None,
    json: JsonOption = False,
) -> None:
    """Keep the last members instead of a held version."""
    with open_workspace() as workspace:
        operation.reject_run(workspace, run_id, why=reason)
    _say(run_id, RunState.CANCELLED, json=json)


@app.command()
def cancel(run_id: RunId, *, json: JsonOption = False) -> None:
    """Cancel a run: at once where it waits, within seconds where a worker evaluates it."""
    with open_workspace() as workspace:
        state = operation.cancel_run(workspace, run_id)
    _say(run_id, state, json=json)


@app.command()
def retry(run_id: RunId, *, json: JsonOption = False) -> None:
    """Try a failed run again."""
    with open_workspace() as workspace:
        operation.retry_run(workspace, run_id)
    _say(run_id, RunState.PENDING, json=json)


def _say(run_id: int, state: str, *, json: bool) -> None:
    if json:
        print_json({"run": run_id, "state": state})
        return
    stopping = state in ("running", "evaluated")
    console.print(f"Run {run_id} is {'being cancelled' if stopping else state}.")


def _facts(run: RunRecord) -> list[tuple[str, object]]:
    return [
        (
            "segment",
            run.segment if run.rule_rev is None else f"{run.segment}, revision {run.rule_rev}",
        ),
        ("state", f"{run.state} ({run.reason})" if run.reason else run.state),
        ("what to do" if run.state == RunState.SKIPPED else "error", run.error),
        ("trigger", run.trigger),
        ("due", run.due_at),
        ("planned by", run.scheduler),
        ("attempt", f"{run.attempt} of {run.max_attempts}"),
        *(_batch_facts(run) if run.batch_id is not None else []),
        ("as of", run.as_of),
        ("snapshot", _text(run.snapshot_id)),
        ("version", _text(run.version)),
        ("members", _text(run.member_count)),
        ("joined", _text(run.joined)),
        ("left", _text(run.left)),
        ("started", run.started_at),
        ("ended", run.finished_at),
    ]


def print_inputs(inputs: Mapping[str, Any] | None) -> None:
    """Print which members of other segments and which measures a run used."""
    used = inputs or {}
    references = used.get("segments", [])
    if references:
        print_table(
            "segments it refers to",
            ("segment", "version", "as of", "from", "policy", "not fresh"),
            [
                (
                    r["segment"],
                    _text(r["version"]),
                    r["as_of"],
                    _origin(r),
                    r["policy"],
                    r["reason"],
                )
                for r in references
            ],
        )
    if used.get("measures"):
        rows = [(m["measure"], str(m["rev"]), m["digest"][:12]) for m in used["measures"]]
        print_table("measures it uses", ("measure", "revision", "digest"), rows)


def _origin(reference: Mapping[str, Any]) -> str:
    if reference["same_batch"]:
        published = reference["reason"] is None
        return "the same batch" if published else "the same batch, not published"
    age = reference["age_seconds"]
    if age is None:
        return "nowhere"
    return f"its last version, {timedelta(seconds=int(age))} old"


def _batch_facts(run: RunRecord) -> list[tuple[str, object]]:
    taken = run.seconds or {}
    seconds = ", ".join(f"{stage} {taken[stage]:.2f}" for stage in _STAGES if stage in taken)
    return [
        ("worker", run.worker),
        ("batch", f"{run.batch_id} (runs: {run.batch_runs}), fence {run.fence}"),
        ("engine", run.engine),
        ("engine job", ", ".join(map(str, run.engine_jobs or [])) or None),
        ("jobs", run.jobs),
        ("tasks", None if run.tasks is None else f"{run.tasks_done} of {run.tasks}"),
        ("seconds", seconds or None),
        ("share of the work", work_text(run)),
    ]


def work_text(run: RunRecord) -> str | None:
    """Return how much of its batch's work a run was, and how long that took."""
    if run.work_share is None:
        return None
    share = f"{100 * run.work_share:.1f} %"
    return share if run.work_seconds is None else f"{share}, {run.work_seconds:.2f} s"


def _text(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"
