"""``muster limits``, ``muster cleanup`` and ``muster settings``: the service as administrators keep it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from muster_console.cli.output import (
    JsonOption,
    console,
    print_json,
    print_marked,
    print_table,
)
from muster_console.operation import service as operation
from muster_console.operation.workspace import open_workspace
from muster_core.errors import InvalidInput, Problem

settings = typer.Typer(help="What administrators set while everything runs.", no_args_is_help=True)

_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def limits(*, json: JsonOption = False) -> None:
    """Show every limit, how near it is, and what could be switched off."""
    with open_workspace() as workspace:
        found = operation.look_at_limits(workspace)
    if json:
        print_json(found.to_json())
        return
    print_table(
        "",
        ("limit", "taken", "of", "level", "set by"),
        [(line.name, line.used, line.limit, line.level, line.set_by) for line in found.limits],
    )
    if found.banner is None:
        return
    print_marked(console, "Warning", "yellow", found.banner)
    print_table(
        "slowest", ("segment", "seconds"), [(s.name, f"{s.seconds:.2f}") for s in found.slowest]
    )
    print_table(
        "used by nothing",
        ("segment", "changed"),
        [(s.name, s.changed_at) for s in found.least_used],
    )


def cleanup(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would be.")] = False,
    json: JsonOption = False,
) -> None:
    """Make inactive what nothing uses and nobody changed for long; schedulers do it once a day."""
    with open_workspace() as workspace:
        cleaned = operation.run_cleanup(workspace, dry_run=dry_run)
    if json:
        print_json(asdict(cleaned) | {"dry_run": dry_run})
        return
    rows = [(one.kind, one.name, one.changed_at) for one in cleaned.found]
    print_table("", ("kind", "name", "changed"), rows)
    what = "would become inactive" if dry_run else "are inactive now"
    console.print(
        f"{len(rows)} unused for {cleaned.days} days {what}."
        " `muster segment activate NAME` takes that back."
    )


@settings.command("list")
def list_(*, json: JsonOption = False) -> None:
    """List every setting with its value, its default and what it does."""
    with open_workspace() as workspace:
        found = operation.list_settings(workspace)
    if json:
        print_json([asdict(line) for line in found])
        return
    rows = [(s.name, _said(s.value), _said(s.default), s.changed_at, s.meaning) for s in found]
    print_table("", ("setting", "value", "default", "changed", "meaning"), rows)


@settings.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="The setting.", metavar="NAME")],
    value: Annotated[str, typer.Argument(help="A number, on, off, or default.", metavar="VALUE")],
    *,
    json: JsonOption = False,
) -> None:
    """Put a setting in force from now on."""
    with open_workspace() as workspace:
        line = operation.change_setting(workspace, name, _read(value))
    if json:
        print_json(asdict(line))
    else:
        console.print(f"{line.name} is {_said(line.value)}: {line.meaning}.")


def _said(value: int | bool) -> str:
    """Return a value as `set` takes it."""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _read(text: str) -> int | bool | None:
    if text.lower() == "default":
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput([Problem(message="a value is a whole number, on, off, or default")])
    return int(text)
