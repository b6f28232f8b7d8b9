"""Quick segments: one column and one comparison, with values to pick from and the size before saving."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from muster_console.operation.definition import read_definitions_text
from muster_console.operation.preview import Preview, preview
from muster_console.operation.remote import over
from muster_console.operation.saving import AppliedSegment, apply_definitions
from muster_console.operation.statistic import ColumnFound, find_column
from muster_console.operation.workspace import Workspace
from muster_core.catalog.document import Catalog
from muster_core.catalog.path import path_to_profile, paths_to_profile
from muster_core.catalog.reference import profile_references, references
from muster_core.catalog.summary import ColumnSummary, summarise
from muster_core.catalog.type import Kind, parse_type
from muster_core.errors import InvalidInput, Problem

#: The comparison where none is named, by the family of the column's type; the first of those offered.
_COMPARES: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("eq", "ne", "in", "not_in", "contains", "starts_with", "is_set", "is_not_set"),
    Kind.INTEGER: ("gte", "lte", "gt", "lt", "eq", "between", "is_set", "is_not_set"),
    Kind.DECIMAL: ("gte", "lte", "gt", "lt", "eq", "between", "is_set", "is_not_set"),
    Kind.FLOAT: ("gte", "lte", "gt", "lt", "between", "is_set", "is_not_set"),
    Kind.BOOLEAN: ("is_true", "is_false", "is_set", "is_not_set"),
    Kind.DATE: ("gte", "lte", "between", "is_set", "is_not_set"),
    Kind.TIMESTAMP: ("gte", "lte", "between", "is_set", "is_not_set"),
    Kind.ARRAY: ("contains_item", "not_contains_item", "is_set", "is_not_set"),
}
#: Comparisons that take no value, a list, or two values.
_ALONE = frozenset({"is_set", "is_not_set", "is_true", "is_false"})
_LISTS = frozenset({"in", "not_in", "between", "not_between"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a column offers to pick from: its most frequent values, its percentiles, and comparisons."""

    table: str
    column: ColumnSummary
    #: The first one is used where none is named.
    compares: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the choices as programs read them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """A quick segment before it is saved: its document, and how many members it would have."""

    document: dict[str, Any]
    preview: Preview

    def to_json(self) -> dict[str, Any]:
        """Return it as programs read it."""
        return {"document": self.document, "preview": self.preview.to_json()}


@over("GET", "/catalog/choices/{table}/{column}")
def quick_choices(workspace: Workspace, table: str, column: str) -> Choices:
    """Return what a column offers to pick from; nothing of the values of a personal one.

    Raises:
        Conflict: nothing has been prepared yet.
        NotFound: there is no such table or column.
    """
    known = find_column(workspace, table, column)
    summary = summarise(column, known.statistic, personal=known.personal)
    return Choices(table=table, column=summary, compares=list(_COMPARES[_kind(known)]))


@over("POST", "/segments/quick")
def quick_segment(
    workspace: Workspace,
    table: str,
    column: str,
    values: Sequence[Any] = (),
    *,
    compare: str | None = None,
    name: str = "quick",
    display_name: str | None = None,
) -> Quick:
    """Return the segment of one comparison with the number of its members; nothing is saved.

    Raises:
        Conflict: nothing has been prepared yet.
        NotFound: there is no such table or column.
        InvalidInput: the comparison does not fit the column.
    """
    known = find_column(workspace, table, column)
    test = _test(column, compare or _default(_kind(known), values), values)
    where = _where(known.catalog, table, test)
    document: dict[str, Any] = {"name": name, "rules": [{"where": where}]}
    if display_name:
        document["display_name"] = display_name
    return Quick(document=document, preview=preview(workspace, document))


def save_quick_segment(workspace: Workspace, quick: Quick) -> AppliedSegment:
    """Save a quick segment as an ordinary one; it must not exist yet.

    Raises:
        ChangedMeanwhile: there is a segment of this name.
        InvalidInput: with every problem.
    """
    found = read_definitions_text(json.dumps(quick.document), workspace.settings.limits)
    return apply_definitions(workspace, found, expected={quick.document["name"]: 0})[0]


def _kind(known: ColumnFound) -> Kind:
    return parse_type(known.statistic.kind).kind


def _default(kind: Kind, values: Sequence[Any]) -> str:
    if not values:
        return "is_true" if kind is Kind.BOOLEAN else "is_set"
    if len(values) > 1:
        return "in" if kind is Kind.TEXT else "between"
    return _COMPARES[kind][0]


def _test(column: str, compare: str, values: Sequence[Any]) -> dict[str, Any]:
    test: dict[str, Any] = {"kind": "attribute", "column": column, "compare": compare}
    if compare in _ALONE:
        if values:
            raise _wrong(f"the comparison {compare} takes no value")
        return test
    if compare in _LISTS:
        return {**test, "value": list(values)}
    if len(values) != 1:
        raise _wrong(f"the comparison {compare} takes one value, not {len(values)}")
    return {**test, "value": values[0]}


def _where(catalog: Catalog, table: str, test: dict[str, Any]) -> dict[str, Any]:
    """Return the condition on customers that a comparison of a row of `table` stands for."""
    table, _, via = table.partition("@")
    if table == catalog.profile.name:
        return test
    if paths_to_profile(catalog, table):
        return _rows(catalog, table, test, via.split("/") if via else None)
    for reference in profile_references(catalog):
        if reference.table == table and reference.names:
            return {**test, "column": f"{reference.names[0]}.{test['column']}"}
    for name in catalog.tables:
        for path in paths_to_profile(catalog, name)[:1]:
            for reference in references(catalog, name, path):
                if reference.table == table and reference.names:
                    inner = {**test, "column": f"{reference.names[0]}.{test['column']}"}
                    return _rows(catalog, name, inner, None)
    raise _wrong(f"no rule can use the table {table}: nothing refers to it by one name")


def _rows(
    catalog: Catalog, table: str, test: dict[str, Any], via: Sequence[str] | None
) -> dict[str, Any]:
    where: dict[str, Any] = {"kind": "rows", "table": table}
    ways = paths_to_profile(catalog, table)
    if len(ways) > 1:
        way = path_to_profile(catalog, table, via or [step.name for step in ways[0]])
        where["via"] = [step.name for step in way]
    return {**where, "where": test, "aggregate": {"function": "exists"}}


def _wrong(message: str) -> InvalidInput:
    return InvalidInput([Problem(message=message)])
