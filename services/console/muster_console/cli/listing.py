"""Commands of ``muster segment`` that look: list, show, slowest."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.syntax import Syntax

from muster_console.cli.choice import filtering
from muster_console.cli.name import SegmentName
from muster_console.cli.output import (
    JsonOption,
    console,
    print_facts,
    print_json,
    print_table,
    times_text,
)
from muster_console.cli.preview import branch
from muster_console.cli.run import work_text
from muster_console.operation.count import NodeCount, count_nodes
from muster_console.operation.listing import SegmentFilter, list_deleted, page_of_segments
from muster_console.operation.run import look_at_slowest, run_json
from muster_console.operation.segment import SegmentLine, show_segment
from muster_console.operation.workspace import open_workspace
from muster_console.operation.writing import as_yaml


@filtering
def list_(
    wanted: SegmentFilter,
    *,
    sort: Annotated[
        str, typer.Option(help="A column; with - in front the largest first.", metavar="COLUMN")
    ] = "name",
    limit: Annotated[
        int | None, typer.Option(help="Show so many; default all.", min=1, max=10_000)
    ] = None,
    cursor: Annotated[
        str | None, typer.Option(help="Go on where the page before ended, see `next`.")
    ] = None,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Those that can be restored instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List segments: searched, filtered, sorted by any column, all or a page of them."""
    if deleted:
        _list_deleted(json=json)
        return
    with open_workspace() as workspace:
        page = page_of_segments(
            workspace, wanted, sort=sort, limit=limit or sys.maxsize, cursor=cursor
        )
    if json and limit is not None:
        print_json(page.model_dump())
        return
    if json:
        print_json([asdict(s) for s in page.items])
        return
    columns = ("segment", "tags", "type", "state", "status", "members", "refreshed", "schedule")
    rows = [
        (
            *(s.name, ", ".join(s.tags), s.type, s.state, _status(s), s.members, s.refreshed_at),
            *(s.schedule, s.next_due_at, s.owner),
        )
        for s in page.items
    ]
    print_table("", (*columns, "next run", "owner"), rows)
    if page.next is not None:
        console.print(f"{len(page.items):,} of {page.total:,}; go on with --cursor {page.next}")


def _list_deleted(*, json: bool) -> None:
    with open_workspace() as workspace:
        found = list_deleted(workspace)
    if json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.name, one.owner, one.deleted_at, one.until) for one in found]
    print_table("", ("segment", "owner", "deleted", "can be restored until"), rows)


def show(
    name: SegmentName,
    *,
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Only the counts of every rule and condition, and of when."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show a segment's definition, schedule, counts per rule and last runs."""
    if counts:
        _show_counts(name, json=json)
        return
    with open_workspace() as workspace:
        view = show_segment(workspace, name)
    if json:
        print_json(view.to_json())
        return
    segment = view.segment
    rows = [
        ("state", segment.state),
        ("status", _status(segment)),
        ("members", segment.members),
        ("refreshed", segment.refreshed_at),
        ("schedule", segment.schedule),
        ("next runs", times_text(view.next_times) or None),
        ("problem", segment.problem),
    ]
    print_facts(segment.display_name or segment.name, rows)
    console.print(Syntax(as_yaml(view.document), "yaml", background_color="default"))
    print_table(
        "members per rule",
        ("rule", "combine", "members", "so far"),
        [
            (f"{rule.number}. {rule.name or ''}".rstrip(), rule.combine, rule.members, rule.running)
            for rule in view.rules
        ],
    )
    print_facts(
        "rules in words",
        [(f"{rule.number}.", f"{rule.sentence}\n{rule.expression}") for rule in view.rules],
    )
    print_table(
        "last runs",
        ("run", "state", "due", "members", "joined", "left", "share of the work"),
        [
            (str(r.run_id), r.state, r.due_at, r.member_count, r.joined, r.left, work_text(r))
            for r in view.runs
        ],
    )


def _show_counts(name: str, *, json: bool) -> None:
    with open_workspace() as workspace:
        found = count_nodes(workspace, name)
    if json:
        print_json(found.to_json())
        return
    print_facts(
        name,
        [
            ("version", f"{found.version}, run {found.run_id}"),
            ("as of", found.as_of),
            ("counted", found.counted_at),
            ("members", found.members),
            ("joined", found.joined),
            ("left", found.left),
        ],
    )
    print_table(
        "members per rule and condition",
        ("rule or condition", "combine", "members", "so far"),
        [(_branch(node), node.combine, node.members, node.running) for node in found.nodes],
    )


def _branch(node: NodeCount) -> str:
    return branch(node.pointer, node.depth, node.condition)


def slowest(
    *,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=10_000)] = 20,
    json: JsonOption = False,
) -> None:
    """List the segments by how long their part of their last batch took."""
    with open_workspace() as workspace:
        runs = look_at_slowest(workspace, limit=limit)
    if json:
        print_json([run_json(run) for run in runs])
        return
    rows = [(r.segment, str(r.run_id), r.batch_runs, work_text(r), r.finished_at) for r in runs]
    print_table("", ("segment", "run", "in the batch", "share of the work", "ended"), rows)


def _status(segment: SegmentLine) -> str:
    return f"{segment.status} ({segment.reason})" if segment.reason else segment.status
