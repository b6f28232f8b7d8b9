"""Commands of ``muster segment`` for who belongs to one: members, download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.name import LARGEST, SegmentName
from muster_console.cli.output import JsonOption, console, data_text, print_json, print_table
from muster_console.operation.bundle import download_bundle
from muster_console.operation.member import download_members, look_at_members
from muster_console.operation.workspace import open_workspace
from muster_core.exports.document import Format

Columns = Annotated[
    str,
    typer.Option(
        help="Columns of the profile to show beside the segment's own, separated by commas."
    ),
]


def members(
    name: SegmentName,
    *,
    limit: Annotated[int, typer.Option(help="Show so many.", min=1, max=100_000)] = 100,
    skip: Annotated[int, typer.Option(help="Leave out so many first.", min=0, max=LARGEST)] = 0,
    search: Annotated[str, typer.Option(help="Only members whose key holds this.")] = "",
    version: Annotated[
        int | None, typer.Option("--version", help="A past version.", min=1, max=LARGEST)
    ] = None,
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


def _names(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",") if name.strip()]
