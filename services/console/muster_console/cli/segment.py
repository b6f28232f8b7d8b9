"""``muster segment``: apply, list, show, slowest, members, download, cancel, refresh; more beside it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax

from muster_console.cli import action, insight, life
from muster_console.cli.choice import Choice, choosing, filtering
from muster_console.cli.completion import segment_names
from muster_console.cli.output import (
    JsonOption,
    console,
    data_text,
    print_facts,
    print_json,
    print_table,
    print_warnings,
    times_text,
)
from muster_console.cli.preview import branch
from muster_console.cli.run import work_text
from muster_console.cli.waiting import TimeoutOption, follow
from muster_console.operation import segment as operation
from muster_console.operation.bundle import download_bundle
from muster_console.operation.count import NodeCount, count_nodes
from muster_console.operation.listing import SegmentFilter, find_segments, page_of_segments
from muster_console.operation.member import download_members, look_at_members
from muster_console.operation.refresh import parse_instant, refresh_segments
from muster_console.operation.restore import list_deleted
from muster_console.operation.run import cancel_segment, look_at_slowest, run_json
from muster_console.operation.segment import SegmentLine
from muster_console.operation.workspace import open_workspace
from muster_console.operation.writing import as_yaml
from muster_core.exports.document import Format

app = typer.Typer(help="Who belongs to what.", no_args_is_help=True)
insight.register(app)
app.add_typer(life.app)
app.add_typer(action.app)

Name = Annotated[
    str, typer.Argument(help="The segment's name.", metavar="NAME", autocompletion=segment_names)
]
Columns = Annotated[
    str,
    typer.Option(
        help="Columns of the profile to show beside the segment's own, separated by commas."
    ),
]


@app.command()
def apply(
    path: Annotated[Path, typer.Argument(help="A YAML file or a folder.", metavar="FILE")],
    *,
    json: JsonOption = False,
) -> None:
    """Create or change the segments and measures of a file or folder: all of them or none."""
    with open_workspace() as workspace:
        applied = operation.apply_segments(workspace, path)
    if json:
        print_json([asdict(segment) for segment in applied])
        return
    measures = [(s.name, s.change) for s in applied if s.kind == "measure"]
    segments = [(s.name, s.change) for s in applied if s.kind == "segment"]
    if measures:
        print_table("", ("measure", "change"), measures)
    if segments or not measures:
        print_table("", ("segment", "change"), segments)
    for segment in applied:
        print_warnings(segment.warnings)


@app.command("list")
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


@app.command()
def show(
    name: Name,
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
        view = operation.show_segment(workspace, name)
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


@app.command()
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


@app.command()
def members(
    name: Name,
    *,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=100_000)] = 100,
    skip: Annotated[int, typer.Option(help="Leave out so many first.", min=0)] = 0,
    search: Annotated[str, typer.Option(help="Only members whose key holds this.")] = "",
    version: Annotated[int | None, typer.Option("--version", help="A past version.", min=1)] = None,
    columns: Columns = "",
    json: JsonOption = False,
) -> None:
    """Show members of the latest version, or of a past one."""
    with open_workspace() as workspace:
        page = look_at_members(
            workspace,
            name,
            columns=_names(columns),
            limit=limit,
            version=version,
            skip=skip,
            search=search,
        )
    read = page.version
    if json:
        found = {"segment": name, "version": read.version, "count": read.member_count}
        found |= {"as_of": read.as_of, "more": page.more}
        print_json(found | {"members": page.members})
        return
    rows = [[data_text(member[column]) for column in page.columns] for member in page.members]
    print_table("", page.columns, rows)
    console.print(
        f"{len(rows):,} of {read.member_count:,} members, version {read.version},"
        f" as of {read.as_of:%Y-%m-%d %H:%M:%S %Z}"
    )
    if page.more:
        console.print(f"There are more: --skip {skip + limit}")


@app.command()
def download(
    names: Annotated[list[str], typer.Argument(help="The segments.", metavar="NAME...")],
    *,
    to: Annotated[Path, typer.Option(help="The file to write.", metavar="FILE")],
    format: Annotated[
        Format | None, typer.Option("--format", help="Default: what the file's name ends in.")
    ] = None,
    columns: Columns = "",
    json: JsonOption = False,
) -> None:
    """Write all members of the latest version to a file; of several segments into one .zip."""
    if len(names) > 1 and to.suffix != ".zip":
        raise typer.BadParameter("several segments go into one file that ends in .zip")
    chosen = _names(columns)
    with open_workspace() as workspace:
        if to.suffix == ".zip":
            form = format or Format.CSV
            found = download_bundle(workspace, names, columns=chosen, to=to, form=form)
        else:
            (name,) = names
            rows = download_members(workspace, name, columns=chosen, to=to, form=format)
            found = {name: rows}
    if json:
        done = [{"segment": n, "rows": rows, "file": to.absolute()} for n, rows in found.items()]
        print_json(done if to.suffix == ".zip" else done[0])
        return
    for name, rows in found.items():
        console.print(f"{rows:,} members of {name} written to {to}", soft_wrap=True)


@app.command()
def cancel(name: Name, *, json: JsonOption = False) -> None:
    """Cancel every run of a segment that waits or runs."""
    with open_workspace() as workspace:
        states = cancel_segment(workspace, name)
    if json:
        print_json([{"run": run_id, "state": state} for run_id, state in states.items()])
        return
    print_table("", ("run", "state"), [(str(i), state) for i, state in states.items()])


@app.command()
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


def _status(segment: SegmentLine) -> str:
    return f"{segment.status} ({segment.reason})" if segment.reason else segment.status


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",") if name.strip()]
