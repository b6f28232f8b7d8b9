"""Commands of ``muster segment`` that begin and end runs: refresh, cancel."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.choice import Choice, choosing
from muster_console.cli.name import SegmentName
from muster_console.cli.output import JsonOption, print_json, print_table
from muster_console.cli.waiting import TimeoutOption, follow
from muster_console.operation.listing import find_segments
from muster_console.operation.refresh import parse_instant, refresh_segments
from muster_console.operation.run import cancel_segment
from muster_console.operation.workspace import open_workspace


def cancel(name: SegmentName, *, json: JsonOption = False) -> None:
    """Cancel every run of a segment that waits or runs."""
    with open_workspace() as workspace:
        states = cancel_segment(workspace, name)
    if json:
        print_json([{"run": run_id, "state": state} for run_id, state in states.items()])
        return
    print_table("", ("run", "state"), [(str(i), state) for i, state in states.items()])


@choosing
def refresh(
    choice: Choice,
    *,
    as_of: Annotated[
        str | None, typer.Option(help="Evaluate as of this instant (ISO 8601).", metavar="INSTANT")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the runs have ended.")] = True,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Wait for the exports of the results, too.")
    ] = False,
    timeout: TimeoutOption = None,
    json: JsonOption = False,
) -> None:
    """Refresh segments now: named ones, the active ones of a filter, or all that are active."""
    if (bool(choice.names), choice.wanted.asks, choice.everything).count(True) != 1:
        raise typer.BadParameter("name segments, give a filter, or say --all (one of the three)")
    instant = parse_instant(as_of) if as_of else None
    with open_workspace() as workspace:
        names = None if choice.everything else choice.names
        if choice.wanted.asks:
            meant = find_segments(workspace, choice.wanted)
            names = [line.name for line in meant if line.state == "active"]
        requested = refresh_segments(workspace, names, as_of=instant)
        follow(
            workspace,
            [run.run_id for run in requested],
            wait=wait,
            deliveries=deliveries,
            timeout=timeout,
            json=json,
        )
