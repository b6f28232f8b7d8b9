"""Commands of ``muster segment`` for one segment's definition: apply, create, edit, copy, versions, usage."""

from __future__ import annotations

import json as json_text
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.syntax import Syntax

from muster_console.cli.name import SegmentName
from muster_console.cli.output import (
    JsonOption,
    console,
    print_facts,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.operation import life
from muster_console.operation.file import read_file
from muster_console.operation.saving import AppliedSegment, apply_segments
from muster_console.operation.segment import show_segment
from muster_console.operation.workspace import open_workspace
from muster_console.operation.writing import as_yaml
from muster_core.documents.text import read_text
from muster_core.errors import InvalidInput, Problem
from muster_core.rules.draft import plain_data

#: Revisions are counted in 32 bits.
_LARGEST_REV = 2**31 - 1

File = Annotated[
    Path | None, typer.Option("--file", "-f", help="A YAML or JSON document.", metavar="FILE")
]


def apply(
    path: Annotated[Path, typer.Argument(help="A YAML file or a folder.", metavar="FILE")],
    *,
    json: JsonOption = False,
) -> None:
    """Create or change the segments and measures of a file or folder: all of them or none."""
    with open_workspace() as workspace:
        applied = apply_segments(workspace, path)
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


def create(
    name: SegmentName,
    *,
    where: Annotated[
        str | None, typer.Option(help="Its one rule, as an expression.", metavar="EXPRESSION")
    ] = None,
    file: File = None,
    display_name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag of it.")] = None,
    draft: Annotated[
        bool, typer.Option("--draft", help="Keep it though something is wrong; not refreshed.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a new segment, of an expression or a file; without either it is an empty draft."""
    if where is not None and file is not None:
        raise typer.BadParameter("say --where or --file, not both")
    document = _document(name, file) if file else _written(name, where)
    said = {"display_name": display_name, "tags": tag, "state": "draft" if draft else None}
    options = {field: value for field, value in said.items() if value}
    as_it_is = file is not None and document["name"] == name and not options
    document |= {"name": name, **options}
    text = read_file(file) if file is not None and as_it_is else json_text.dumps(document)
    with open_workspace() as workspace:
        saved = life.create_written(workspace, text, file=str(file) if as_it_is else None)
    _print_saved(saved, json=json)


def _written(name: str, where: str | None) -> dict[str, Any]:
    if where is None:
        return {"name": name, "state": "draft", "rules": []}
    return {"name": name, "rules": [{"where": where}]}


def _document(name: str, file: Path) -> dict[str, Any]:
    found = read_text(read_file(file), file=str(file))
    if len(found) != 1 or not isinstance(found[0].data, dict):
        raise InvalidInput([Problem(message="the file must hold one segment", file=str(file))])
    return {"name": None, **plain_data(found[0].data)}


def edit(name: SegmentName, *, file: File = None, json: JsonOption = False) -> None:
    """Change a segment's definition in an editor, or to what a file says.

    What somebody else changed meanwhile is not overwritten: exit code 4.
    """
    with open_workspace() as workspace:
        view = show_segment(workspace, name)
        text = read_file(file) if file else click.edit(as_yaml(view.document), extension=".yaml")
        if text is None:
            if json:
                print_json({"name": name, "kind": "segment", "change": "unchanged", "warnings": []})
            else:
                console.print("Nothing was changed.")
            return
        saved = life.edit_written(
            workspace, name, text, rev=view.segment.rev, file=str(file) if file else name
        )
    _print_saved(saved, json=json)


def duplicate(
    name: SegmentName,
    new_name: Annotated[str, typer.Argument(help="The name of the copy.", metavar="NEW")],
    *,
    display_name: Annotated[str | None, typer.Option(help="What people call the copy.")] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Make the copy a draft.")] = False,
    json: JsonOption = False,
) -> None:
    """Copy a segment's definition to a new name."""
    with open_workspace() as workspace:
        saved = life.duplicate_segment(
            workspace,
            name,
            new_name,
            display_name=display_name,
            state="draft" if draft else None,
        )
    _print_saved(saved, json=json)


def versions(
    name: SegmentName,
    *,
    rev: Annotated[
        int | None,
        typer.Option(help="Show this revision's document.", min=1, max=_LARGEST_REV),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List every revision of a segment's definition: who made it, when, what changed."""
    with open_workspace() as workspace:
        if rev is not None:
            one = life.show_version(workspace, name, rev)
            if json:
                print_json(asdict(one))
            else:
                console.print(Syntax(as_yaml(one.document), "yaml", background_color="default"))
            return
        found = life.list_versions(workspace, name)
    if json:
        print_json([version.to_json() for version in found])
        return
    rows = [
        (str(v.revision.rev), v.revision.at, v.revision.actor, ", ".join(v.changed)) for v in found
    ]
    print_table("", ("revision", "at", "by", "changed"), rows)


def diff(
    name: SegmentName,
    before: Annotated[
        int | None, typer.Argument(help="A revision.", metavar="REV", min=1, max=_LARGEST_REV)
    ] = None,
    after: Annotated[
        int | None, typer.Argument(help="A later one.", metavar="REV", min=1, max=_LARGEST_REV)
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Show how two revisions of a definition differ; by default the newest and the one before."""
    with open_workspace() as workspace:
        found = life.compare_versions(workspace, name, before, after)
    if json:
        print_json(asdict(found))
    elif found.text:
        console.print(Syntax(found.text, "diff", background_color="default"))
    else:
        console.print(f"Revisions {found.before} and {found.after} are the same.")


def rollback(
    name: SegmentName,
    rev: Annotated[
        int,
        typer.Argument(help="The revision to go back to.", metavar="REV", min=1, max=_LARGEST_REV),
    ],
    *,
    json: JsonOption = False,
) -> None:
    """Make a former revision the newest one; the ones between stay in the history."""
    with open_workspace() as workspace:
        saved = life.roll_back(workspace, name, rev)
    _print_saved(saved, json=json)


def validate(name: SegmentName, *, json: JsonOption = False) -> None:
    """List everything that keeps a segment from being refreshed; exit code 2 where there is something."""
    with open_workspace() as workspace:
        found = life.validate_segment(workspace, name)
    if json:
        print_json([asdict(problem) for problem in found])
    else:
        for problem in found:
            console.print(str(problem), soft_wrap=True)
        if not found:
            console.print(f"Nothing is wrong with {name}.")
    if found:
        raise typer.Exit(2)


def usage(name: SegmentName, *, json: JsonOption = False) -> None:
    """Show who uses a segment, and what it uses itself."""
    with open_workspace() as workspace:
        found = life.show_usage(workspace, name)
    if json:
        print_json(found.to_json())
        return
    used = found.used_by
    rows = [
        ("used by segments", ", ".join(used.segments) or None),
        ("used by drafts", ", ".join(used.drafts) or None),
        ("delivered by exports", ", ".join(used.exports) or None),
        ("in membership feeds", ", ".join(used.feeds) or None),
        ("refers to", ", ".join(found.refers_to) or None),
        ("uses measures", ", ".join(found.measures) or None),
    ]
    print_facts(name, [*rows, ("used", used.used)])


def _print_saved(saved: AppliedSegment, *, json: bool) -> None:
    if json:
        print_json(asdict(saved))
        return
    print_table("", ("segment", "change"), [(saved.name, saved.change)])
    print_warnings(saved.warnings)
