"""Groups of commands of which each is imported when it is asked for.

Every command knows much of the product, and nobody who looks at a run should wait for what applies a catalog.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


class OnDemand(TyperGroup):
    """A group that knows where commands are, and imports the one that is asked for; it may have others at hand."""

    #: Where each of them is, command or group: module below `muster_console.cli`, and what it is called there.
    places: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands: those that are here, then the others in their order."""
        here = [name for name in super().list_commands(ctx) if name not in self.places]
        return [*here, *self.places]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command, None where there is none of that name."""
        # whoever mistypes is told the nearest of all names
        known = cmd_name in self.commands or cmd_name in self.places
        for name in (cmd_name,) if known else self.places:
            if name not in self.commands:
                self.commands[name] = _load(name, self.places[name])
        return self.commands.get(cmd_name)


def on_demand(places: Mapping[str, str]) -> type[OnDemand]:
    """Return a kind of group whose commands are at `places`, each as ``module.name`` below `muster_console.cli`."""
    return type("Group", (OnDemand,), {"places": places})


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.rpartition(".")
    found = getattr(import_module(f"muster_console.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)
