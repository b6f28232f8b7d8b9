"""Commands of ``muster segment`` that do something to one or many: by name, by a filter, or to all."""

from __future__ import annotations

from typing import Annotated

import typer

from muster_console.cli.choice import Choice, choosing, print_results
from muster_console.cli.output import JsonOption, print_table, times_text
from muster_console.operation.action import Action, Options, act, chosen
from muster_console.operation.listing import SegmentFilter
from muster_console.operation.segment import show_segment
from muster_console.operation.workspace import open_workspace

#: Segments whose next times are shown behind a new schedule.
_TIMES_SHOWN = 20


def _act(action: Action, choice: Choice, options: Options | None = None, *, json: bool) -> None:
    with open_workspace() as workspace:
        names = chosen(workspace, choice.names, choice.wanted, everything=choice.everything)
        results = act(workspace, action, names, options) if names else []
    print_results(results, json=json)


def _named(*names: str) -> Choice:
    return Choice(names=list(names), wanted=SegmentFilter(), everything=False)


@choosing
def activate(choice: Choice, *, json: JsonOption = False) -> None:
    """Let segments be refreshed; a draft becomes active once nothing is wrong with it."""
    _act(Action.ACTIVATE, choice, json=json)


@choosing
def deactivate(choice: Choice, *, json: JsonOption = False) -> None:
    """Let segments keep their definition and last members, and be refreshed no more."""
    _act(Action.DEACTIVATE, choice, json=json)


@choosing
def static(choice: Choice, *, json: JsonOption = False) -> None:
    """Make segments static: refreshed by hand only."""
    _act(Action.STATIC, choice, json=json)


@choosing
def dynamic(choice: Choice, *, json: JsonOption = False) -> None:
    """Make static segments dynamic again: refreshed by their schedule."""
    _act(Action.DYNAMIC, choice, json=json)


@choosing
def tag(
    choice: Choice,
    *,
    add: Annotated[list[str] | None, typer.Option(help="Put this tag on.", metavar="TAG")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Take this tag off.", metavar="TAG")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Put tags on segments, and take others off."""
    if not add and not remove:
        raise typer.BadParameter("say --add TAG or --remove TAG")
    options = Options(add_tags=add or (), remove_tags=remove or ())
    _act(Action.TAG, choice, options, json=json)


def rename(
    name: Annotated[str, typer.Argument(help="The segment's name.", metavar="NAME")],
    display_name: Annotated[str, typer.Argument(help="Its new display name.", metavar="TEXT")],
    *,
    json: JsonOption = False,
) -> None:
    """Give a segment another display name; its name is fixed."""
    _act(Action.RENAME, _named(name), Options(display_name=display_name or None), json=json)


@choosing
def schedule(
    choice: Choice,
    *,
    cron: Annotated[
        str | None, typer.Option(help="Five cron fields, in quotes.", metavar="CRON")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="The zone of the cron; default the segment's.")
    ] = None,
    system: Annotated[bool, typer.Option("--system", help="With the system refresh.")] = False,
    off: Annotated[bool, typer.Option("--off", help="Never by itself.")] = False,
    json: JsonOption = False,
) -> None:
    """Say when segments are refreshed by themselves; shows the next five times."""
    if (cron is not None) + system + off != 1:
        raise typer.BadParameter("say --cron, --system or --off (one of the three)")
    written: str | dict[str, str] = "system" if system else "off"
    if cron is not None:
        written = {"cron": cron} if timezone is None else {"cron": cron, "timezone": timezone}
    with open_workspace() as workspace:
        names = chosen(workspace, choice.names, choice.wanted, everything=choice.everything)
        results = act(workspace, Action.SCHEDULE, names, Options(schedule=written)) if names else []
        done = [result.name for result in results if not result.refused][:_TIMES_SHOWN]
        times = [] if json else [(name, show_segment(workspace, name).next_times) for name in done]
    if times:
        print_table("", ("segment", "next runs"), [(n, times_text(t) or None) for n, t in times])
    print_results(results, json=json)


@choosing
def delete(
    choice: Choice,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Even what segments or exports use; they are named.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Delete segments nothing uses; `restore` takes them back for 30 days, and their history stays."""
    _act(Action.DELETE, choice, Options(force=force), json=json)


def restore(
    names: Annotated[list[str], typer.Argument(help="The segments, by name.", metavar="NAME...")],
    *,
    json: JsonOption = False,
) -> None:
    """Take deleted segments back, with their history."""
    _act(Action.RESTORE, _named(*names), json=json)


@choosing
def cleanup(
    choice: Choice,
    *,
    exempt: Annotated[
        bool,
        typer.Option("--exempt/--allow", help="Leave them alone, or look at them again."),
    ],
    json: JsonOption = False,
) -> None:
    """Exempt segments from automatic clean-up, or let it look at them again."""
    _act(Action.CLEANUP, choice, Options(auto_cleanup=not exempt), json=json)
