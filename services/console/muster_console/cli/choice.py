"""How commands say which segments they mean, and what became of each."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from muster_console.cli.completion import segment_names
from muster_console.cli.output import console, print_json, print_table, print_warnings
from muster_console.operation.listing import SegmentFilter
from muster_console.operation.result import SegmentResult

#: Exit codes of refusals, by the code of the error; any other is 1.
_EXIT_CODES = {"invalid_input": 2, "not_found": 3, "conflict": 4, "changed_meanwhile": 4}

_FILTER: dict[str, Any] = {
    "search": Annotated[
        str | None, typer.Option(help="Part of the name or display name.", metavar="TEXT")
    ],
    "tag": Annotated[str | None, typer.Option("--with-tag", help="Those with this tag.")],
    "type": Annotated[str | None, typer.Option(help="dynamic, static or expansion.")],
    "state": Annotated[str | None, typer.Option(help="active, inactive or draft.")],
    "status": Annotated[str | None, typer.Option(help="The status of their last refresh.")],
    "owner": Annotated[str | None, typer.Option(help="Who created them.")],
}
_NAMES: dict[str, Any] = {
    "names": Annotated[
        list[str] | None,
        typer.Argument(
            help="The segments, by name.", metavar="NAME...", autocompletion=segment_names
        ),
    ]
}
_ALL: dict[str, Any] = {"all": Annotated[bool, typer.Option("--all", help="Every segment.")]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which segments a command is about: named ones, those a filter takes, or all."""

    names: list[str]
    wanted: SegmentFilter
    everything: bool


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take names, the options of a filter, or ``--all``, as its argument `choice`."""

    def given(values: dict[str, Any]) -> Choice:
        names, everything = values.pop("names"), values.pop("all")
        return Choice(names=names or [], wanted=_read(values), everything=everything)

    defaults = {"names": None, "all": False}
    return _taking(command, "choice", {**_NAMES, **_FILTER, **_ALL}, defaults, given)


def filtering(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the options of a filter, as its argument `wanted`."""
    return _taking(command, "wanted", _FILTER, {}, _read)


def _read(values: dict[str, Any]) -> SegmentFilter:
    return SegmentFilter(**{**values, "search": values["search"] or ""})


def _taking(
    command: Callable[..., None],
    name: str,
    options: dict[str, Any],
    defaults: dict[str, Any],
    read: Callable[[dict[str, Any]], object],
) -> Callable[..., None]:
    """Replace the parameter `name` by `options`, as Typer reads them from the signature."""
    signature = inspect.signature(command)
    hints = get_type_hints(command, include_extras=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != name]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(option, keyword, default=defaults.get(option), annotation=annotation)
        for option, annotation in options.items()
    ]
    parameters += [p.replace(kind=keyword, annotation=hints[p.name]) for p in own]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        given = {option: values.pop(option) for option in options}
        command(**values, **{name: read(given)})

    vars(wrapper)["__signature__"] = signature.replace(parameters=parameters)
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return wrapper


def print_results(results: Sequence[SegmentResult], *, json: bool) -> None:
    """Print what became of each segment; the exit code is that of the first refusal."""
    if json:
        print_json([result.to_json() for result in results])
    else:
        print_table(
            "",
            ("segment", "outcome", "why"),
            [(result.name, result.outcome, result.message) for result in results],
        )
        for result in results:
            for problem in result.problems:
                console.print(f"  {problem}", soft_wrap=True)
            print_warnings(result.warnings)
    refused = [result for result in results if result.refused]
    if refused:
        raise typer.Exit(_EXIT_CODES.get(refused[0].code or "", 1))
