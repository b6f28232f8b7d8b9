"""Every command: it speaks JSON, tells what its options are for, and stands on the command line's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from muster_console.cli.app import app

PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"


def _commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield " ".join(path), command
        return
    for name in command.list_commands(None):
        yield from _commands(command.get_command(None, name), *path, name)


COMMANDS = dict(_commands(get_command(app)))


def _documented() -> list[set[str]]:
    """Return the words of every row of the page's table of commands."""
    rows = re.findall(r"^\| (`muster .*?`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [set(re.findall(r"[a-z][a-z-]*", " ".join(row.split("\\|")))) for row in rows]


def test_there_are_commands_at_all() -> None:
    assert len(COMMANDS) > 100


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_speaks_json_and_says_what_it_takes(name: str) -> None:
    command = COMMANDS[name]
    assert "--json" in {option for given in command.params for option in given.opts}
    assert command.help
    for given in command.params:
        assert getattr(given, "help", None), given.name
        kind = given.type_descriptor.annotation
        if kind is int or int in get_args(kind):
            # what no column can hold is refused as it is read, and ends in no database's error
            assert given.max is not None, given.name


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"runs"}))
def test_every_command_stands_on_the_page(name: str) -> None:
    assert any(set(name.split()) <= words for words in _documented()), name
