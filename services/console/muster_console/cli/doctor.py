"""``muster doctor``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from muster_console.cli.output import JsonOption, console, print_json, print_table
from muster_console.operation.doctor import examine, is_sound
from muster_console.operation.workspace import open_workspace


def doctor(
    *,
    engine: Annotated[bool, typer.Option(help="Run a small job on the engine, too.")] = True,
    json: JsonOption = False,
) -> None:
    """Look at every part and setting; ends with code 1 where something is broken."""
    with open_workspace() as workspace:
        findings = examine(workspace, engine=engine)
    sound = is_sound(findings)
    if json:
        print_json({"sound": sound, "findings": [asdict(finding) for finding in findings]})
    else:
        columns = ("part", "check", "grade", "found", "what to do")
        rows = [(f.part, f.check, str(f.grade), f.found, f.mend or None) for f in findings]
        print_table("", columns, rows)
        console.print("Everything works." if sound else "Something is broken; see above.")
    if not sound:
        raise typer.Exit(1)
