"""``muster export``: where members are delivered to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.completion import segment_names
from muster_console.cli.delivery import delivery_json, print_deliveries
from muster_console.cli.group import on_demand
from muster_console.cli.name import LARGEST, ExportName
from muster_console.cli.output import (
    JsonOption,
    print_facts,
    print_json,
    print_table,
)
from muster_console.operation import export as operation
from muster_console.operation.delivery import list_deliveries
from muster_console.operation.new_export import create_export, duplicate_export
from muster_console.operation.workspace import open_workspace
from muster_core.exports.document import Format, Mode
from muster_core.storage.export import StoredExport

app = typer.Typer(
    help="Where members are delivered to, and how far that is; with -f, everything as a folder of YAML.",
    no_args_is_help=True,
    invoke_without_command=True,
    cls=on_demand({"deliveries": "delivery.deliveries", "refused": "refused.refused"}),
)

Segment = Annotated[
    str, typer.Argument(help="The segment's name.", metavar="SEGMENT", autocompletion=segment_names)
]
Delivery = Annotated[
    int,
    typer.Argument(
        help="The delivery's id, see `muster export deliveries`.", metavar="ID", min=1, max=LARGEST
    ),
]
Limit = Annotated[int, typer.Option(help="Show so many.", min=1, max=10_000)]


@app.callback()
def as_code(
    context: typer.Context,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", help="Write every segment, measure and export here.", metavar="DIR"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write everything that is defined as a folder of YAML, or do one of the things below."""
    if file is None:
        if context.invoked_subcommand is None:
            raise typer.BadParameter("say -f DIR, or one of the commands")
        return
    if context.invoked_subcommand is not None:
        raise typer.BadParameter("-f stands alone, without another command")
    # It knows segments and measures, too; whoever looks at a delivery need not.
    from muster_console.operation.folder import write_folder

    with open_workspace() as workspace:
        written = write_folder(workspace, file)
    if json:
        print_json([str(path) for path in written])
    else:
        typer.echo(f"{len(written)} files written below {file}")


@app.command("apply")
def apply(
    path: Annotated[Path, typer.Argument(help="A YAML file or a folder.", metavar="FILE")],
    *,
    json: JsonOption = False,
) -> None:
    """Create or change the exports of a file or folder: all of them or none."""
    with open_workspace() as workspace:
        changes = operation.apply_exports(workspace, path)
    if json:
        print_json([{"name": name, "change": change} for name, change in changes])
    else:
        print_table("", ("export", "change"), changes)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="A YAML file or a folder.", metavar="FILE")],
    *,
    json: JsonOption = False,
) -> None:
    """Look whether exports could be applied, and how much they would deliver; exit code 2 where not."""
    with open_workspace() as workspace:
        found = operation.check_exports(workspace, path)
    if json:
        print_json([asdict(checked) for checked in found])
    else:
        rows = [
            (checked.name, size.segment, size.version, size.members)
            for checked in found
            for size in checked.segments
        ]
        print_table("", ("export", "segment", "version", "rows"), rows)
        for checked in found:
            for problem in checked.problems:
                typer.echo(f"{checked.name}: {problem}")
    if any(checked.problems for checked in found):
        raise typer.Exit(2)


@app.command()
def delete(name: ExportName, *, json: JsonOption = False) -> None:
    """Remove an export with its history; what was delivered stays where it is."""
    with open_workspace() as workspace:
        removed = operation.delete_export(workspace, name)
    if json:
        print_json({"name": name, "deliveries": removed})
    else:
        print_facts(name, [("removed", True), ("deliveries of its history", removed)])


@app.command()
def add(name: ExportName, segment: Segment, *, json: JsonOption = False) -> None:
    """Let an export deliver one more segment."""
    _change_segments(name, segment, add=True, json=json)


@app.command()
def remove(name: ExportName, segment: Segment, *, json: JsonOption = False) -> None:
    """Let an export deliver a segment no more."""
    _change_segments(name, segment, add=False, json=json)


@app.command("of")
def of_(segment: Segment, *, json: JsonOption = False) -> None:
    """List which exports deliver a segment, and which do not."""
    with open_workspace() as workspace:
        found = operation.exports_of(workspace, segment)
    if json:
        print_json([{"export": name, "contains": contains} for name, contains in found])
    else:
        print_table("", ("export", "contains it"), found)


@app.command()
def hold(delivery: Delivery, *, json: JsonOption = False) -> None:
    """Keep a waiting delivery from being sent."""
    _control(delivery, "held", json=json)


@app.command()
def release(delivery: Delivery, *, json: JsonOption = False) -> None:
    """Let a held delivery be sent."""
    _control(delivery, "released", json=json)


@app.command()
def cancel(delivery: Delivery, *, json: JsonOption = False) -> None:
    """Cancel a delivery; one that runs stops as soon as it can."""
    _control(delivery, "cancelled", json=json)


@app.command()
def redeliver(delivery: Delivery, *, json: JsonOption = False) -> None:
    """Send an ended delivery again, under the same names and ids."""
    _control(delivery, "repeated", json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The new export's name.", metavar="NAME")],
    segment: Annotated[list[str], typer.Option(help="A segment it delivers; may be repeated.")],
    to: Annotated[str, typer.Option(help="A connection, or a folder (whatever has a /).")],
    *,
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column beside the key, COLUMN or COLUMN=NAME; may be repeated."),
    ] = None,
    format: Annotated[Format | None, typer.Option(help="Of files; csv where not said.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="What is told at each delivery.")] = None,
    json: JsonOption = False,
) -> None:
    """Make a new export that holds one or more segments."""
    with open_workspace() as workspace:
        made = create_export(
            workspace, name, segment, to=to, columns=column or [], form=format, mode=mode
        )
    _made(made, json=json)


@app.command()
def duplicate(
    name: ExportName,
    copy: Annotated[str, typer.Argument(help="The copy's name.", metavar="COPY")],
    *,
    json: JsonOption = False,
) -> None:
    """Make a copy of an export under another name, without its history."""
    with open_workspace() as workspace:
        made = duplicate_export(workspace, name, copy)
    _made(made, json=json)


def _made(name: str, *, json: bool) -> None:
    if json:
        print_json({"name": name, "change": "created"})
    else:
        print_facts(name, [("change", "created")])


@app.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every export."""
    with open_workspace() as workspace:
        exports = operation.list_exports(workspace)
    if json:
        print_json([_export(e) for e in exports])
        return
    rows = [
        (e.name, e.document.format, len(e.document.segments), e.document.target, e.active)
        for e in exports
    ]
    print_table("", ("export", "format", "segments", "to", "active"), rows)


@app.command()
def show(name: ExportName, *, json: JsonOption = False) -> None:
    """Show one export and its latest deliveries."""
    with open_workspace() as workspace:
        export = operation.get_export(workspace, name)
        deliveries = list_deliveries(workspace, export_name=name, limit=10)
    if json:
        print_json(_export(export) | {"deliveries": [delivery_json(d) for d in deliveries]})
        return
    document = export.document
    columns = ", ".join(
        c.column if c.as_ is None else f"{c.column} as {c.as_}" for c in document.columns
    )
    rows = [
        ("to", document.target),
        ("mode", document.mode),
        ("format", document.format),
        ("segments", ", ".join(document.segments)),
        ("columns", f"the key, {columns}" if columns else "the key"),
        ("rows per file", document.rows_per_file),
        ("active", export.active),
        ("changed", export.updated_at),
    ]
    print_facts(export.name, rows)
    print_deliveries(deliveries)


@app.command()
def deliver(
    name: Annotated[
        str | None, typer.Argument(help="The export's name; none with --all.", metavar="[NAME]")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every export, inactive ones too.")] = False,
    json: JsonOption = False,
) -> None:
    """Deliver the latest version of each segment of the export, again if need be, even if it is inactive."""
    if (name is None) != all_:
        raise typer.BadParameter("name one export, or say --all")
    with open_workspace() as workspace:
        if name is None:
            requested = operation.deliver_all(workspace)
        else:
            requested = [(name, one) for one in operation.deliver(workspace, name)]
    if json:
        alone = [asdict(r) if name else {"export": e, **asdict(r)} for e, r in requested]
        print_json(alone)
        return
    rows = [
        (
            export,
            r.segment,
            r.version,
            r.state or "never published",
            "older export document" if r.outdated else "",
        )
        for export, r in requested
    ]
    print_table("", ("export", "segment", "version", "delivery", "note"), rows)


def _change_segments(name: str, segment: str, *, add: bool, json: bool) -> None:
    with open_workspace() as workspace:
        change = operation.change_segments(workspace, name, segment, add=add)
    if json:
        print_json({"name": name, "change": change})
    else:
        print_facts(name, [("change", change)])


def _control(delivery: int, what: operation.Control, *, json: bool) -> None:
    with open_workspace() as workspace:
        state = operation.control_delivery(workspace, delivery, what)
    if json:
        print_json({"id": delivery, "state": state})
    else:
        print_facts(f"delivery {delivery}", [("state", state)])


def _export(export: StoredExport) -> dict[str, object]:
    return {
        "name": export.name,
        "active": export.active,
        "document": export.document.to_json(),
        "created_at": export.created_at,
        "updated_at": export.updated_at,
    }
