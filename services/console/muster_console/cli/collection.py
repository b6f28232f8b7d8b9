"""``muster system collect``: removing what nothing needs any more."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.output import JsonOption, print_facts, print_json
from muster_console.operation import collection as operation
from muster_console.operation.workspace import open_workspace
from muster_core.collection.collect import Collection

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def collect(*, dry_run: DryRun = False, json: JsonOption = False) -> None:
    """Remove snapshots, old members and files that nothing needs; schedulers do it once a day."""
    with open_workspace() as workspace:
        found = operation.collect(workspace, dry_run=dry_run)
    if json:
        print_json(found.to_json())
    else:
        print_facts("nothing was changed" if dry_run else "", _facts(found))


def _facts(found: Collection) -> list[tuple[str, object]]:
    return [
        ("snapshots expired", found.snapshots_expired),
        ("versions without members", found.versions_expired),
        ("runs removed", found.runs_pruned),
        ("memberships written anew", found.matrices_repacked),
        ("files found unnamed", found.files_marked),
        ("files that wait", _files(found.files_waiting, found.bytes_waiting)),
        ("files removed", _files(found.files_removed, found.bytes_removed)),
        ("files kept", _files(found.files_kept, found.bytes_kept)),
    ]


def _files(count: int, size: int) -> str:
    return f"{count:,} ({size / 1e6:,.1f} MB)"
