"""``muster apply`` and ``muster plan``: a folder of YAML as the definition of a deployment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from muster_console.cli.output import (
    JsonOption,
    console,
    print_json,
    print_table,
    print_warnings,
)
from muster_console.operation.folder import Plan, apply_path, plan_path
from muster_console.operation.workspace import open_workspace
from muster_console.operation.writing import Difference

Files = Annotated[
    Path, typer.Option("--file", "-f", help="A folder of YAML, or one file.", metavar="DIR")
]


def apply(*, file: Files, json: JsonOption = False) -> None:
    """Create or change the segments, measures and exports of a folder: all of them or none."""
    with open_workspace() as workspace:
        done = apply_path(workspace, file)
    _print_plan(done, json=json)


def plan(
    *,
    file: Files,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 where something would change.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say what `muster apply` would do now, and what was changed by hand since; nothing is changed."""
    with open_workspace() as workspace:
        found = plan_path(workspace, file)
    _print_plan(found, json=json)
    if check and found.changes:
        raise typer.Exit(1)


def _print_plan(found: Plan, *, json: bool) -> None:
    if json:
        print_json(asdict(found))
        return
    changed = [step for step in found.steps if step.change != "unchanged"]
    if changed:
        rows = [(s.name, s.kind, s.change, _places(s.differences)) for s in changed]
        print_table("", ("name", "kind", "change", "where"), rows)
    console.print(f"{len(changed):,} of {len(found.steps):,} change.")
    for step in found.steps:
        print_warnings(step.warnings)
    if found.drift:
        print_table(
            "changed by hand since it was applied",
            ("name", "kind", "where", "applied by", "applied"),
            [
                (
                    *(d.name, d.kind, "deleted" if d.deleted else _places(d.differences)),
                    *(d.applied_by, d.applied_at),
                )
                for d in found.drift
            ],
        )
    if found.absent:
        names = ", ".join(f"{kind} {name}" for kind, name in found.absent)
        console.print(f"Applied before and in no file any more, left as they are: {names}")


def _places(found: list[Difference]) -> str:
    return ", ".join(difference.pointer for difference in found)
