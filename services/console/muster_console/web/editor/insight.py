"""What the builder asks of the data: the values of a column, and how many members a definition would have."""

from __future__ import annotations

from functools import partial
from typing import Any

from muster_console.operation.preview import Preview, preview
from muster_console.operation.value import values
from muster_console.operation.workspace import Workspace
from muster_console.web.editor.count import Count, Counted
from muster_console.web.editor.state import ListValues
from muster_console.web.editor.value import OFFERED
from muster_console.web.numeral import Numerals, numerals
from muster_console.web.visit import Visit
from muster_console.web.words import problem_line
from muster_core.kernel.estimate import Estimate


def values_with(visit: Visit) -> ListValues:
    """Return the reader of values for a visit; it raises what `values` raises."""

    async def found(table: str, column: str, search: str) -> list[tuple[Any, int]]:
        def read(workspace: Workspace) -> list[tuple[Any, int]]:
            known = values(workspace, table, column, search=search, limit=OFFERED)
            return [(value.value, value.rows) for value in known.values]

        return await visit.load(read)

    return found


def count_with(visit: Visit) -> Count:
    """Return the counter of definitions for a visit."""

    async def counted(text: str, exact: bool) -> Counted:
        found = await visit.load(
            lambda workspace: preview(workspace, text, exact=True if exact else None)
        )
        return _counted(found, numerals(visit.client))

    return counted


def _counted(found: Preview, said: Numerals) -> Counted:
    words = partial(_words, said)
    nodes: dict[str, str] = {}
    for node in found.nodes:
        nodes[node.pointer] = words(node.members)
        if node.running is not None:
            nodes[f"{node.pointer}:running"] = f"{words(node.members)} → {words(node.running)}"
            nodes[f"{node.pointer}/where"] = words(node.members)
    low, high = found.members.low, found.members.high
    return Counted(
        members=words(found.members),
        interval="" if found.exact else f"{said.number(low)} to {said.number(high)} with 95 %",
        percent=found.percent,
        exact=found.exact,
        seconds=found.seconds,
        joined=None if found.joined is None else words(found.joined),
        left=None if found.left is None else words(found.left),
        nodes=nodes,
        warnings=[problem_line(warning) for warning in found.warnings],
    )


def _words(said: Numerals, members: Estimate) -> str:
    exact = members.low == members.high
    return said.number(members.count) if exact else f"about {said.number(members.count)}"
