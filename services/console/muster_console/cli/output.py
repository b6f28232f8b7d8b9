"""How every command speaks: tables for people, JSON with ``--json``, errors with an exit code.

Exit codes: 0 done, 1 other, 2 the input is wrong, 3 no such thing, 4 conflict with the present state,
5 a part does not answer or something else that may pass.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from muster_core import errors
from muster_core.errors import InvalidInput, MusterError, Problem
from muster_core.runs.state import RunState

#: A pipe or file has no width of its own; names and paths must not be broken there.
_PLAIN_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200

#: What people call things is shown as it is: neither markup nor the name of a picture is read in it.
console = Console(highlight=False, markup=False, emoji=False, width=_PLAIN_WIDTH)
error_console = Console(stderr=True, highlight=False, markup=False, emoji=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

SortOption = Annotated[
    str | None,
    typer.Option(
        help="A column; with - in front the largest first; default the newest first.",
        metavar="COLUMN",
    ),
]
CursorOption = Annotated[
    str | None, typer.Option(help="Go on where the page before ended.", metavar="CURSOR")
]
PageOption = Annotated[
    bool, typer.Option("--page", help="With --json: `items`, and `next`, the cursor to go on with.")
]

#: What JSON may hold as it is, and terminals take for commands or let run the other way.
_OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

#: Typer gives the parent of all errors of usage no public name.
_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]

_EXIT_CODES: tuple[tuple[type[MusterError], int], ...] = (
    (errors.InvalidInput, 2),
    (errors.SourceMissing, 2),
    (errors.SourceUnreadable, 2),
    (errors.DuplicateKeys, 2),
    (errors.NullKeys, 2),
    (errors.NotFound, 3),
    (errors.Conflict, 4),
    (errors.TransientError, 5),
)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print `rows` under `columns`; numbers stand right, everything else left."""
    rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        values = [row[index] for row in rows if row[index] is not None]
        numeric = bool(values) and all(isinstance(v, int | float | Decimal) for v in values)
        table.add_column(
            column,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=index == 0,
        )
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    _print_titled(title, table)


def print_page(items: list[dict[str, Any]], following: str | None, *, page: bool) -> None:
    """Print some of a list as JSON; with `page` together with the cursor to go on with."""
    print_json({"items": items, "next": following} if page else items)


def print_more(shown: int, following: str | None) -> None:
    """Say how a list goes on behind a table, where it does."""
    if following is not None:
        console.print(f"{shown:,} shown; go on with --cursor {following}", soft_wrap=True)


def print_facts(title: str, facts: Iterable[tuple[str, object]]) -> None:
    """Print what is known of one thing, a line for each fact; facts that are None or empty are left out."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, ""):
            table.add_row(name, _shown(value))
    _print_titled(title, table)


def _print_titled(title: str, table: Table) -> None:
    """Print a table below its title, which is often longer than a narrow table is wide: Rich would break it."""
    if title:
        console.print(Text(_clean(title), style="table.title"), soft_wrap=True)
    console.print(table)


def data_text(value: object) -> str:
    """Return a value of somebody's data as it is: numbers without separators, lists with brackets."""
    if isinstance(value, list):
        shown = ("missing" if inner is None else data_text(inner) for inner in value)
        return f"[{', '.join(shown)}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _shown(value)


def print_json(value: object) -> None:
    """Print `value` as one JSON document; what a terminal would obey or not show is escaped."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=2)
    sys.stdout.write(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_warnings(warnings: Iterable[Problem]) -> None:
    """Print what was taken although it may not be meant; programs find it in the JSON."""
    for warning in warnings:
        print_marked(console, "Warning", "yellow", str(warning))


def print_marked(where: Console, word: str, style: str, text: str) -> None:
    """Print `text` behind a word that tells what it is, coloured on a terminal."""
    where.print(Text.assemble((f"{word}:", style), f" {_clean(text)}"), soft_wrap=True)


def times_text(times: Iterable[datetime]) -> str:
    """Return instants as people read them, one after the other."""
    return ", ".join(_shown(time) for time in times)


def exit_code(error: MusterError) -> int:
    """Return the exit code that stands for this kind of error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


@contextmanager
def reported() -> Iterator[None]:
    """Turn an error of Muster into a message and an exit code; ``--json`` makes the message JSON."""
    try:
        yield
    except MusterError as error:
        if "--json" in sys.argv:
            print_json({"error": _as_json(error)})
        else:
            _print_error(error)
        sys.exit(exit_code(error))
    except _USAGE_ERROR as error:
        hint = _usage_hint(error)
        if "--json" in sys.argv:
            said = {"code": "usage", "message": error.format_message(), "hint": hint}
            print_json({"error": said})
        else:
            # with what it needs for its panels, a twentieth of a second that only errors of usage are worth
            from typer.rich_utils import rich_format_error

            rich_format_error(error)
            if error.ctx is None or "--help" not in hint:
                error_console.print(hint, soft_wrap=True)
        sys.exit(2)
    except typer.Abort:
        message = "What was asked for was not answered: there is no more input."
        if "--json" in sys.argv:
            print_json({"error": {"code": "aborted", "message": message, "hint": None}})
        else:
            print_marked(error_console, "Error", "red", message)
        sys.exit(1)
    except Exception as error:
        # a defect: where it happened stands on standard error, and a program still reads one document
        if "--json" in sys.argv:
            message = (
                f"Something in Muster broke ({type(error).__name__}); standard error says where."
            )
            print_json({"error": {"code": "error", "message": message, "hint": None}})
        raise


def _usage_hint(error: Any) -> str:
    """Return where to read on; people who name a server behind the command are told where it stands."""
    if getattr(error, "option_name", None) in ("--server", "--token-file"):
        return "It stands before the command: `muster --server URL --token-file FILE segment list`."
    # what is missing at the very end of a line has no command of its own
    return f"`{error.ctx.command_path if error.ctx else 'muster'} --help` says more."


def _print_error(error: MusterError) -> None:
    # escape sequences of a hostile name must not reach the terminal
    print_marked(error_console, "Error", "red", error.message)
    if isinstance(error, InvalidInput):
        for problem in error.problems:
            error_console.print(f"  {_clean(str(problem))}", soft_wrap=True)
    if error.hint:
        error_console.print(_clean(error.hint), soft_wrap=True)


def _as_json(error: MusterError) -> dict[str, object]:
    found: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, InvalidInput):
        found["problems"] = [_problem(problem) for problem in error.problems]
    return found


def _problem(problem: Problem) -> dict[str, object]:
    names = ("message", "pointer", "file", "line", "column", "hint")
    return {name: getattr(problem, name) for name in names}


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return _clean(str(value))


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def run_note(state: str, reason: str | None, error: str | None) -> str | None:
    """Return why a run stands where it does: its error only while that is still the cause."""
    # a run skipped for another one keeps the error of an earlier attempt, one skipped for a reference its own
    own = (
        state == RunState.SKIPPED
        and reason is not None
        and reason.endswith(("_not_fresh", "_never_published"))
    )
    return error or reason if own or state in (RunState.FAILED, RunState.PENDING) else reason
